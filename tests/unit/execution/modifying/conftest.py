"""Those whom other terms pass, and what the tests look at."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import BrokerOrder, PlaceOrder
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.orders import OrderType
from shoonya_platform.domain.terms import ModifyStage, Terms
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.order_watcher import OrderWatcherEngine
from shoonya_platform.execution.replacements import ReplacementSearch
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import SupremeRiskManager
from shoonya_platform.testing.orders import store_order
from tests.preconditions import at_any_moment
from tests.unit.execution.rows import S, T

SYMBOL = "NIFTY27JAN26C25700"
LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(10_000),
    max_open_positions=2,
    max_order_value=Decimal(10_000),
)


@pytest.fixture
def risk(store, clock, rings):
    return SupremeRiskManager(store, LIMITS, clock, rings)


@pytest.fixture
def guard(store, clock, rings):
    rules = GuardRules(calendar=None, max_alert_age_seconds=120.0)
    return ExecutionGuard(store, Catalogue(catalogue_defaults()), rules, clock, rings)


@pytest.fixture
def command(store, broker, clock, rings):
    service = CommandService(store, broker, clock, rings, at_any_moment(store))
    service.begin()
    return service


@pytest.fixture
def watcher(store, broker, clock, rings):
    return OrderWatcherEngine(store, broker, clock, rings)


@pytest.fixture
def search(store, broker, clock, rings):
    return ReplacementSearch(store, broker, clock, rings, reads=3, seconds=8.0)


def working(store, broker, status=S.ACCEPTED, *, filled_quantity=0, **changes):
    """Have a limit order at 100 both here and at the broker."""
    fields = {
        "tradingsymbol": SYMBOL,
        "order_type": OrderType.LIMIT,
        "price": Decimal(100),
        "quantity": 65,
        **changes,
    }
    order = store_order(store, status, filled_quantity=filled_quantity, **fields)
    broker.accept(PlaceOrder.of(order), order.broker_order_id)
    broker.news.clear()
    return order


def terms(price="101", quantity=65, trigger_price=None):
    return Terms(
        quantity=quantity,
        price=Decimal(price),
        trigger_price=None if trigger_price is None else Decimal(trigger_price),
    )


def request(store, order, asked=None, stage=ModifyStage.REQUESTED):
    with store.transaction(durable=False):
        assert store.modifies.request(order.order_id, asked or terms(), by="me")
        store.modifies.pass_on(order, stage)


def stage(store, order):
    found = store.modifies.get(order.order_id)
    return found.result if found.result is not None else str(found.stage)


def pending(store, broker, asked=None, *, stage=ModifyStage.SENT, **changes):
    """Have an order whose new terms are on their way."""
    order = working(store, broker, **changes)
    request(store, order, asked, stage)
    with store.transaction(durable=False):
        return store.orders.record(order, T.REPLACE_REQUESTED)


def claimed(broker, order, **changes) -> BrokerOrder:
    claim = broker.book[order.broker_order_id]
    changed: BrokerOrder = broker.add(replace(claim, **changes))
    return changed
