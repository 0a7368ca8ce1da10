"""Entries that would double or cross another one."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import CLOSED, WORKING, Intent, OrderTrigger, Side
from shoonya_platform.testing.orders import a_fill, an_alert, store_alert, store_order
from tests.unit.execution.execution_guard.conftest import hold, judged
from tests.unit.execution.rows import S


@pytest.mark.parametrize(("side", "held"), [(Side.BUY, 65), (Side.SELL, -65)])
def test_entry_into_what_the_strategy_holds_is_denied(guard, store, side, held):
    hold(store, side=side)

    assert judged(guard, store) == f"DUPLICATE_ENTRY: strategy=straddle, held={held}"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"strategy": "other"}, id="another-strategy"),
        pytest.param({"intent": Intent.ADJUST}, id="adjustment"),
        pytest.param({"intent": Intent.EXIT, "side": Side.SELL}, id="exit"),
    ],
)
def test_what_is_no_entry_of_the_same_strategy_is_no_duplicate(guard, store, changes):
    hold(store)

    assert judged(guard, store, **changes) == ""


def test_entry_into_what_was_closed_again_passes(guard, store):
    hold(store)
    hold(store, side=Side.SELL)

    assert judged(guard, store) == ""


@pytest.mark.parametrize("status", sorted(WORKING | {S.GUARD_PASSED}))
def test_entry_is_denied_while_another_alerts_entry_is_on_its_way(guard, store, status):
    other = store_order(store, status)

    reason = judged(guard, store)

    # What is filled already is found first.
    if status is S.PARTIALLY_FILLED:
        assert reason == "DUPLICATE_ENTRY: strategy=straddle, held=1"
    else:
        assert reason == (
            f"DUPLICATE_ENTRY: strategy=straddle, order_under_way={other.order_id}"
        )


@pytest.mark.parametrize("status", sorted(CLOSED - {S.FILLED}))
def test_entry_that_ended_without_a_fill_is_no_duplicate(guard, store, status):
    store_order(store, status)

    assert judged(guard, store) == ""


def test_legs_of_one_alert_are_no_duplicates_of_each_other(guard, store):
    alert_id = store_alert(store)
    orders = [
        store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=leg) for leg in (1, 2)
    ]

    guard.step()

    assert [store.orders.get(o.order_id).status for o in orders] == [S.GUARD_PASSED] * 2


def test_part_that_came_back_unsent_is_no_duplicate_of_a_part_that_filled(guard, store):
    alert_id = store_alert(store)
    order = store_order(store, S.RISK_PASSED, alert_id=alert_id, quantity=3640)
    guard.step()
    first, *others = store.orders.of_alert(alert_id)
    walk = (OrderTrigger.SUBMITTED, OrderTrigger.ACCEPTED)
    with store.transaction(durable=True):
        for trigger in walk:
            first = store.orders.record(first, trigger)
        store.orders.fill(first, a_fill(first.quantity))
        for other in others:
            sent = store.orders.record(other, OrderTrigger.SUBMITTED)
            store.orders.record(sent, OrderTrigger.UNSENT)

    guard.step()

    assert {o.status for o in store.orders.of_alert(order.alert_id)[1:]} == {
        S.GUARD_PASSED
    }


def test_part_is_a_duplicate_where_more_is_held_than_its_alert_has_filled(guard, store):
    alert_id = store_alert(store)
    hold(store, alert_id=alert_id)
    hold(store, intent=Intent.ADJUST)

    reason = judged(guard, store, alert_id=alert_id, part=2)

    assert reason == "DUPLICATE_ENTRY: strategy=straddle, held=130"


def test_second_of_two_entries_in_one_batch_is_denied(guard, store):
    orders = [store_order(store, S.RISK_PASSED) for _ in range(2)]

    guard.step()

    assert [store.orders.get(o.order_id).status for o in orders] == [
        S.GUARD_PASSED,
        S.DENIED,
    ]


def test_order_that_came_back_unsent_is_no_duplicate_of_itself(guard, store):
    order = store_order(store, S.SUBMITTED)
    with store.transaction(durable=True):
        store.orders.record(order, OrderTrigger.UNSENT)

    guard.step()

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED


def test_alert_is_none_of_the_guards_business(guard, store):
    alert_id = store_alert(store, an_alert())

    guard.step()

    assert store.alerts.get(alert_id).status is AlertStatus.RECEIVED


@pytest.mark.parametrize(("side", "is_denied"), [(Side.BUY, True), (Side.SELL, False)])
@pytest.mark.parametrize("is_held", [True, False], ids=["held", "on its way"])
def test_an_entry_against_another_strategy_is_denied(
    guard, store, side, is_denied, is_held
):
    if is_held:
        hold(store, side=Side.SELL, strategy="another")
    else:
        store_order(store, S.ACCEPTED, side=Side.SELL, strategy="another")
    order = store_order(store, S.RISK_PASSED, side=side)

    guard.step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("CROSS_STRATEGY_CONFLICT") is is_denied


def test_an_exit_against_another_strategy_goes_out(guard, store):
    hold(store, side=Side.SELL, strategy="another")
    hold(store, side=Side.SELL)
    order = store_order(store, S.RISK_PASSED, side=Side.BUY, intent=Intent.EXIT)

    guard.step()

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED
