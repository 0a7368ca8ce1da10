"""Limits that protect, and those the exchange would refuse."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange, PriceBand
from shoonya_platform.domain.orders import Intent, OrderTrigger, OrderType, Side
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.testing.orders import SYMBOL, store_order
from tests.unit.execution.execution_guard.conftest import RULES, Instruments, judged
from tests.unit.execution.rows import S


def note_price(store, price):
    with store.transaction(durable=False):
        store.positions.note_prices({(Exchange.NFO, SYMBOL): Decimal(price)})


def test_a_market_order_goes_out_with_a_limit_and_says_so(guard, store):
    note_price(store, 1000)
    order = store_order(store, S.RISK_PASSED)

    guard.step()

    passed = store.orders.get(order.order_id)
    assert (passed.status, passed.order_type) == (S.GUARD_PASSED, OrderType.LIMIT)
    assert passed.price == Decimal("1005.00")
    triggers = [e.trigger for e in store.orders.events(order_id=order.order_id)]
    assert triggers[-2:] == [OrderTrigger.REPRICED, OrderTrigger.GUARD_PASSED]


def test_market_orders_are_left_alone_where_that_is_configured(store, clock, rings):
    rules = replace(RULES, protects_market_orders=False)
    order = store_order(store, S.RISK_PASSED)

    ExecutionGuard(store, Instruments(), rules, clock, rings).step()

    assert store.orders.get(order.order_id).order_type is OrderType.MARKET


@pytest.mark.parametrize(
    ("side", "price", "is_denied"),
    [
        pytest.param(Side.BUY, "1200", False, id="buy at the border"),
        pytest.param(Side.BUY, "1200.05", True, id="buy above"),
        pytest.param(Side.BUY, "1", False, id="buy far below only waits"),
        pytest.param(Side.SELL, "800", False, id="sell at the border"),
        pytest.param(Side.SELL, "799.95", True, id="sell below"),
        pytest.param(Side.SELL, "9999", False, id="sell far above only waits"),
    ],
)
def test_a_limit_that_would_trade_far_worse_than_the_last_price_is_denied(
    guard, store, side, price, is_denied
):
    note_price(store, 1000)
    order = store_order(
        store,
        S.RISK_PASSED,
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
    )

    guard.step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("PRICE_OUTSIDE_BAND") is is_denied


def note_band(store, lower="80", upper="120"):
    band = PriceBand(lower=Decimal(lower), upper=Decimal(upper))
    with store.transaction(durable=False):
        store.positions.note_bands({(Exchange.NFO, SYMBOL): band})


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("price", "is_denied"),
    [("79.95", True), ("80", False), ("120", False), ("120.05", True)],
)
def test_price_the_exchange_would_refuse_today_is_denied_with_the_band(
    guard, store, side, price, is_denied
):
    note_band(store)

    reason = judged(
        guard, store, side=side, order_type=OrderType.LIMIT, price=Decimal(price)
    )

    denied = f"PRICE_BEYOND_CIRCUIT: price={price}, lower=80, upper=120"
    assert reason == (denied if is_denied else "")


def test_trigger_must_lie_within_the_band_too(guard, store):
    note_band(store)

    reason = judged(
        guard, store, order_type=OrderType.STOP_MARKET, trigger_price=Decimal(121)
    )

    assert reason.startswith("PRICE_BEYOND_CIRCUIT: price=121")


@pytest.mark.parametrize(
    ("side", "last", "price"), [(Side.BUY, "119.90", "120"), (Side.SELL, "80.10", "80")]
)
def test_protecting_limit_stays_within_the_band(guard, store, side, last, price):
    note_price(store, last)
    note_band(store)
    order = store_order(store, S.RISK_PASSED, side=side)

    guard.step()

    assert store.orders.get(order.order_id).price == Decimal(price)


@pytest.mark.parametrize(
    ("intent", "reason"),
    [
        (Intent.ENTRY, "PRICE_BAND_UNKNOWN: tradingsymbol=NFO:" + SYMBOL),
        (Intent.ADJUST, "PRICE_BAND_UNKNOWN: tradingsymbol=NFO:" + SYMBOL),
        (Intent.EXIT, ""),
    ],
)
def test_without_a_band_of_today_only_exits_go_out(store, clock, rings, intent, reason):
    rules = replace(RULES, needs_band=True, max_alert_age_seconds=1e9)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)
    note_band(store)
    clock.advance(24 * 3600)

    assert judged(guard, store, intent=intent, side=Side.SELL) == reason


def test_band_without_limits_is_known(store, clock, rings):
    rules = replace(RULES, needs_band=True)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)
    with store.transaction(durable=False):
        store.positions.note_bands({(Exchange.NFO, SYMBOL): PriceBand()})

    assert judged(guard, store) == ""
