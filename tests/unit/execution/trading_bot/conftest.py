"""A bot, the prices it asks for, and what its tests look at."""

from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import (
    BrokerPosition,
    PlaceOrder,
    Quote,
    UnreadableRow,
)
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.testing.orders import an_alert, store_alert, store_order
from tests.unit.execution.rows import INSTRUMENTS, S

NFO = Exchange.NFO
REPLAN_SECONDS = 60.0
CALL, PUT = "NIFTY28DEC27C26000", "NIFTY28DEC27P26000"


class Quotes:
    """Prices as the test sets them."""

    def __init__(self):
        self.prices: dict[str, Decimal] = {}
        self.noted: dict[str, Decimal] = {}
        self.bands: dict[str, PriceBand] = {}
        self.quoted: list[str] = []
        self.priced: list[str] = []
        self.is_down = False
        self.held: list[BrokerPosition] = []
        self.passed_over: list[UnreadableRow] = []
        self.instruments: dict[str, Instrument] = {}
        self.needs = Margin(required=Decimal(7), available=Decimal(1000))
        self.margins_asked: list[list[PlaceOrder]] = []
        self.allowed: dict[Exchange, frozenset[Product]] | None = None
        self.products_asked = 0

    def positions(self):
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.held

    def unreadable(self):
        return self.passed_over

    def last_price(self, exchange, tradingsymbol):
        self.priced.append(tradingsymbol)
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.prices.get(tradingsymbol)

    def quote(self, exchange, tradingsymbol):
        self.quoted.append(tradingsymbol)
        if self.is_down:
            raise BrokerUnavailable("down")
        last = self.prices.get(tradingsymbol)
        band = self.bands.get(tradingsymbol, PriceBand())
        return Quote(last_price=last, band=band)

    def instrument(self, exchange, tradingsymbol):
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.instruments.get(tradingsymbol)

    def margin(self, orders):
        self.margins_asked.append(orders)
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.needs

    def products(self):
        self.products_asked += 1
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.allowed

    def note_price(self, exchange, tradingsymbol, price):
        if self.is_down:
            raise BrokerUnavailable("down")
        self.noted[tradingsymbol] = price


@pytest.fixture
def quotes() -> Quotes:
    return Quotes()


@pytest.fixture
def new_bot(store, quotes, clock, rings):
    """Make a bot, as a new process of the service would."""

    def make(replan_seconds=REPLAN_SECONDS, instruments=INSTRUMENTS, **settings):
        return TradingBot(
            store,
            quotes,
            clock,
            rings,
            instruments=instruments,
            replan_seconds=replan_seconds,
            **settings,
        )

    return make


@pytest.fixture
def bot(new_bot):
    return new_bot()


def exit_alert(store, *legs, **fields):
    return store_alert(store, an_alert(*legs, execution_type="exit", **fields))


def hold(store, quantity=65, **changes):
    return store_order(store, S.FILLED, quantity=quantity, **changes)


def walk(store, order, *triggers):
    with store.transaction(durable=False):
        order = store.orders.get(order.order_id)
        for trigger in triggers:
            order = store.orders.record(order, trigger)
    return order


def outcome(store, alert_id):
    stored = store.alerts.get(alert_id)
    return stored.status, stored.outcome


def asked_to_cancel(store):
    return [each.order_id for each in store.orders.cancel_requests(limit=99)]
