"""A guard, the one instrument it knows, and what its tests look at."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import Exchange, Instrument
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.testing.orders import SYMBOL, a_fill, store_order
from tests.unit.execution.rows import S

RULES = GuardRules(calendar=None, max_alert_age_seconds=120.0)
NIGHT = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


class Instruments:
    """Knows one instrument."""

    known = Instrument(
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        lot_size=65,
        tick_size=Decimal("0.05"),
        freeze_quantity=1800,
    )

    def find(self, exchange, tradingsymbol):
        if (exchange, tradingsymbol) == (self.known.exchange, self.known.tradingsymbol):
            return self.known
        return None


@pytest.fixture
def guard(store, clock, rings) -> ExecutionGuard:
    return ExecutionGuard(store, Instruments(), RULES, clock, rings)


@pytest.fixture
def office_guard(store, clock, rings) -> ExecutionGuard:
    """One that keeps the exchanges' hours."""
    rules = replace(RULES, calendar=market_calendar())
    return ExecutionGuard(store, Instruments(), rules, clock, rings)


def judged(guard, store, **changes):
    """Return why an order was denied, '' if it passed."""
    order = store_order(store, S.RISK_PASSED, **changes)
    assert guard.step() >= 1
    after = store.orders.get(order.order_id)
    assert after.status in (S.GUARD_PASSED, S.DENIED)
    return after.reason


def hold(store, quantity=65, **changes):
    order = store_order(store, S.ACCEPTED, quantity=quantity, **changes)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity))
