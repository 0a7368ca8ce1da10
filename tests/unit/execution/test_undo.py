"""A half-made entry is exited, once, and only where nobody wanted the half."""

import pytest

from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.execution.undo import attempts_that_count, failed, undoing
from shoonya_platform.testing.orders import a_fill, store_alert, store_order

S = OrderStatus


def a_filled(store, alert_id, quantity=65, **changes):
    order = store_order(
        store, S.ACCEPTED, alert_id=alert_id, side=Side.SELL, quantity=65, **changes
    )
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity, 100))
    return order


@pytest.mark.parametrize("status", [S.DENIED, S.REJECTED, S.NOT_PLACED, S.EXPIRED])
def test_what_was_filled_is_exited_when_a_leg_failed(store, status):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    store_order(store, status, alert_id=alert_id, leg=2)

    undo = undoing(store.orders.of_alert(alert_id))

    assert undo is not None
    assert undo.intent is Intent.EXIT
    assert [(leg.side, leg.quantity) for leg in undo.legs] == [(Side.BUY, 65)]


def test_it_is_one_alert_however_often_it_is_asked_for(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    store_order(store, S.REJECTED, alert_id=alert_id, leg=2)
    orders = store.orders.of_alert(alert_id)

    first, second = undoing(orders), undoing(orders)

    assert first is not None
    assert second is not None
    assert first.dedupe_key == second.dedupe_key


@pytest.mark.parametrize(
    "statuses",
    [
        pytest.param([S.FILLED, S.FILLED], id="all filled"),
        pytest.param([S.REJECTED, S.REJECTED], id="none filled"),
        pytest.param([S.FILLED, S.CANCELED], id="canceled by an operator"),
    ],
)
def test_nothing_is_undone_otherwise(store, statuses):
    alert_id = store_alert(store)
    for leg, status in enumerate(statuses, start=1):
        if status is S.FILLED:
            a_filled(store, alert_id, leg=leg)
        else:
            store_order(store, status, alert_id=alert_id, leg=leg)

    assert undoing(store.orders.of_alert(alert_id)) is None


def test_an_exit_is_never_undone(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id, intent=Intent.EXIT)
    store_order(store, S.REJECTED, alert_id=alert_id, leg=2, intent=Intent.EXIT)

    assert undoing(store.orders.of_alert(alert_id)) is None


def test_a_leg_that_was_planned_anew_and_filled_did_not_fail(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    store_order(store, S.NOT_PLACED, alert_id=alert_id, leg=2, side=Side.SELL)
    a_filled(store, alert_id, leg=2, attempt=2)

    assert undoing(store.orders.of_alert(alert_id)) is None


def test_newest_of_the_attempts_that_filled_nothing_says_how_the_leg_ended(store):
    alert_id = store_alert(store)
    lost = store_order(store, S.NOT_PLACED, alert_id=alert_id)
    again = store_order(store, S.CANCELED, alert_id=alert_id, attempt=2)

    assert attempts_that_count([lost, again]) == [again]
    assert failed([lost, again]) == []


def test_attempt_that_turned_up_after_all_did_not_fail_and_is_exited_too(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    store_order(store, S.CANCELED, alert_id=alert_id, attempt=2)
    store_order(store, S.REJECTED, alert_id=alert_id, leg=2)

    undo = undoing(store.orders.of_alert(alert_id))

    assert undo is not None
    assert [(leg.side, leg.quantity) for leg in undo.legs] == [(Side.BUY, 65)]


def test_lost_attempt_that_turned_up_and_filled_leaves_nothing_to_undo(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    store_order(store, S.NOT_PLACED, alert_id=alert_id, attempt=2)
    a_filled(store, alert_id, leg=2)

    assert undoing(store.orders.of_alert(alert_id)) is None


def test_parts_of_a_leg_are_exited_together_when_one_of_them_failed(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    a_filled(store, alert_id, part=2)
    store_order(store, S.REJECTED, alert_id=alert_id, part=3, side=Side.SELL)

    undo = undoing(store.orders.of_alert(alert_id))

    assert undo is not None
    assert [(leg.side, leg.quantity) for leg in undo.legs] == [(Side.BUY, 130)]


def test_a_part_that_was_planned_anew_and_filled_did_not_fail(store):
    alert_id = store_alert(store)
    a_filled(store, alert_id)
    store_order(store, S.NOT_PLACED, alert_id=alert_id, part=2)
    a_filled(store, alert_id, part=2, attempt=2)

    assert undoing(store.orders.of_alert(alert_id)) is None
