"""The last look before the broker: batches, bells, and whole entries."""

from shoonya_platform.domain.orders import Intent
from shoonya_platform.execution.execution_guard import BATCH
from shoonya_platform.testing.orders import store_alert, store_order
from tests.unit.execution.execution_guard.conftest import judged
from tests.unit.execution.rows import S


def test_order_in_order_passes_and_command_service_is_rung(guard, store, rings):
    order = store_order(store, S.RISK_PASSED)

    assert guard.step() == 1

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED
    assert "command_service" in rings
    assert "trading_bot" not in rings


def test_denial_is_told_to_trading_bot(guard, store, rings):
    assert judged(guard, store, quantity=66) != ""
    assert "trading_bot" in rings


def test_nothing_to_do_is_nothing_done(guard, rings):
    assert guard.step() == 0
    assert rings == []


def test_other_services_rows_are_left_alone(guard, store):
    orders = [store_order(store, status) for status in S if status is not S.RISK_PASSED]

    assert guard.step() == 0
    assert [store.orders.get(o.order_id).status for o in orders] == [
        o.status for o in orders
    ]


def test_batch_is_limited_and_the_rest_comes_next(guard, store):
    alert_id = store_alert(store)
    for leg in range(1, BATCH + 4):
        store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=leg)

    assert [guard.step(), guard.step(), guard.step()] == [BATCH, 3, 0]


def test_when_one_leg_is_denied_the_others_of_its_entry_are_too(guard, store):
    alert_id = store_alert(store)
    good = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=1)
    bad = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=2, quantity=7)

    guard.step()

    assert store.orders.get(good.order_id).reason == "SIBLING_DENIED: leg=2"
    assert "QUANTITY_NOT_IN_LOTS" in store.orders.get(bad.order_id).reason


def test_a_leg_that_risk_manager_denied_takes_its_siblings_along(guard, store):
    alert_id = store_alert(store)
    store_order(store, S.DENIED, alert_id=alert_id, leg=1)
    order = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=2)

    guard.step()

    assert store.orders.get(order.order_id).reason == "SIBLING_DENIED: leg=1"


def test_each_leg_of_an_exit_goes_for_itself(guard, store):
    alert_id = store_alert(store)
    good = store_order(store, S.RISK_PASSED, alert_id=alert_id, intent=Intent.EXIT)
    store_order(
        store, S.RISK_PASSED, alert_id=alert_id, leg=2, intent=Intent.EXIT, quantity=7
    )

    guard.step()

    assert store.orders.get(good.order_id).status is S.GUARD_PASSED
