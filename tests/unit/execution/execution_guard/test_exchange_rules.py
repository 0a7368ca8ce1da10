"""Lots, ticks and the freeze quantity: what the exchange takes."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.orders import OrderTrigger, OrderType
from shoonya_platform.execution.execution_guard import ExecutionGuard, parts
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.execution_guard.conftest import (
    RULES,
    Instruments,
    hold,
    judged,
)
from tests.unit.execution.rows import S


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(
            {"tradingsymbol": "NOBODY"},
            "INSTRUMENT_UNKNOWN: tradingsymbol=NFO:NOBODY",
            id="unknown",
        ),
        pytest.param({"quantity": 130}, "", id="two-lots"),
        pytest.param(
            {"quantity": 66},
            "QUANTITY_NOT_IN_LOTS: quantity=66, lot_size=65",
            id="no-lot",
        ),
        pytest.param({"quantity": 1755}, "", id="largest"),
        pytest.param(
            {"order_type": OrderType.LIMIT, "price": Decimal("100.05")}, "", id="tick"
        ),
        pytest.param(
            {"order_type": OrderType.LIMIT, "price": Decimal("100.02")},
            "PRICE_NOT_ON_TICK: price=100.02, tick_size=0.05",
            id="off-tick",
        ),
        pytest.param(
            {"order_type": OrderType.STOP_MARKET, "trigger_price": Decimal("99.99")},
            "PRICE_NOT_ON_TICK: price=99.99, tick_size=0.05",
            id="trigger-off-tick",
        ),
    ],
)
def test_order_is_one_the_exchange_can_take(guard, store, changes, reason):
    assert judged(guard, store, **changes) == reason


def parts_of(store, order):
    return store.orders.of_alert(order.alert_id)


def test_what_exceeds_the_freeze_quantity_goes_out_in_parts(guard, store):
    order = store_order(store, S.RISK_PASSED, quantity=4000 - 4000 % 65)

    guard.step()

    orders = parts_of(store, order)
    assert [part.quantity for part in orders] == [1755, 1755, 455]
    assert [part.part for part in orders] == [1, 2, 3]
    assert {part.status for part in orders} == {S.GUARD_PASSED}
    assert [part.client_order_id for part in orders] == [
        order.client_order_id,
        f"{order.client_order_id}p2",
        f"{order.client_order_id}p3",
    ]


def test_each_part_tells_where_it_comes_from(guard, store):
    order = store_order(store, S.RISK_PASSED, quantity=2 * 1755)

    guard.step()

    first, second = parts_of(store, order)
    (split,) = (
        event
        for event in store.orders.events(order_id=first.order_id)
        if event.trigger == OrderTrigger.SPLIT
    )
    assert split.text == "3510 goes out in 2 orders, here 1755"
    created = store.orders.events(order_id=second.order_id)[0]
    assert created.text.endswith(f"part 2 of 2 of order {first.order_id}")


def test_order_that_was_cut_is_not_cut_again_when_it_comes_back(guard, store):
    order = store_order(store, S.RISK_PASSED, quantity=1820)
    guard.step()
    with store.transaction(durable=True):
        for part in parts_of(store, order):
            sent = store.orders.record(part, OrderTrigger.SUBMITTED)
            store.orders.record(sent, OrderTrigger.UNSENT)

    guard.step()

    orders = parts_of(store, order)
    assert [part.quantity for part in orders] == [1755, 65]
    assert {part.status for part in orders} == {S.GUARD_PASSED}


def test_nothing_is_cut_of_what_is_denied(guard, store):
    hold(store)
    order = store_order(store, S.RISK_PASSED, quantity=1820)

    guard.step()

    (denied,) = parts_of(store, order)
    assert (denied.quantity, denied.status) == (1820, S.DENIED)


def test_too_large_an_order_is_denied_where_that_is_configured(store, clock, rings):
    rules = replace(RULES, splits=False)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)

    assert judged(guard, store, quantity=1820) == (
        "QUANTITY_EXCEEDS_FREEZE: quantity=1820, maximum=1755"
    )


def test_part_that_has_become_too_large_is_denied(guard, store):
    # The exchange has lowered its limit since the first attempt was cut.
    assert judged(guard, store, quantity=1820, attempt=2) == (
        "QUANTITY_EXCEEDS_FREEZE: quantity=1820, maximum=1755"
    )


@given(
    quantity=st.integers(min_value=1, max_value=100_000),
    largest=st.none() | st.integers(min_value=1, max_value=5000),
)
def test_parts_add_up_and_none_is_too_large(quantity, largest):
    found = parts(quantity, largest)

    assert sum(found) == quantity
    assert min(found) > 0
    assert largest is None or max(found) <= largest
    assert largest is None or len(found) == -(-quantity // largest)
