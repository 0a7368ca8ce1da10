"""What is said of an alert when its last order ends."""

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.execution.settling import describe_outcome
from shoonya_platform.testing.orders import a_leg, an_alert, store_alert, store_order
from tests.unit.execution.rows import S, T
from tests.unit.execution.trading_bot.conftest import CALL, PUT, outcome, walk


def test_alert_is_completed_when_its_last_order_ends(bot, store):
    alert_id = store_alert(store, an_alert(a_leg(CALL), a_leg(PUT)))
    bot.step()
    call, put = store.orders.of_alert(alert_id)
    walk(store, call, T.DENIED)
    bot.step()
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED

    walk(store, put, T.RISK_PASSED, T.DENIED)
    assert bot.step() == 1

    assert outcome(store, alert_id) == (
        AlertStatus.COMPLETED,
        "0 of 2 legs filled; leg 1 denied; leg 2 denied",
    )
    assert store.orders.events(alert_id=alert_id)[-1].trigger == "alert_completed"


def test_outcome_is_filled_when_every_leg_is(store):
    assert describe_outcome([store_order(store, S.FILLED)]) == "filled"


def test_outcome_names_each_leg_that_is_not_filled_and_why(store):
    alert_id = store_alert(store)
    store_order(store, S.FILLED, alert_id=alert_id, leg=1)
    store_order(store, S.PARTIALLY_FILLED, alert_id=alert_id, leg=2, filled_quantity=5)
    denied = store_order(store, alert_id=alert_id, leg=3)
    with store.transaction(durable=False):
        store.orders.record(denied, T.DENIED, reason="TRADING_HALTED")

    assert describe_outcome(store.orders.of_alert(alert_id)) == (
        "1 of 3 legs filled; leg 2 partially_filled (5 of 65); "
        "leg 3 denied: TRADING_HALTED"
    )


def test_outcome_counts_the_newest_attempt_of_a_leg(store):
    alert_id = store_alert(store)
    store_order(store, S.NOT_PLACED, alert_id=alert_id)
    store_order(store, S.FILLED, alert_id=alert_id, attempt=2)

    assert describe_outcome(store.orders.of_alert(alert_id)) == "filled"
