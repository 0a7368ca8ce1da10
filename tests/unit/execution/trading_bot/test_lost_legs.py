"""A leg that never reached the broker is planned anew, or left."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import Side
from shoonya_platform.execution.refusal_watch import POSITION_PATIENCE
from shoonya_platform.execution.settling import MAX_ATTEMPTS
from shoonya_platform.testing.orders import SYMBOL, a_leg, an_alert, store_alert
from tests.unit.execution.rows import S, T, broker_holds
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    REPLAN_SECONDS,
    exit_alert,
    hold,
    outcome,
    walk,
)


@pytest.fixture
def lost(bot, store):
    """An order of a planned alert, proven not placed."""
    alert_id = store_alert(store)
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    return walk(
        store,
        order,
        T.RISK_PASSED,
        T.GUARD_PASSED,
        T.SUBMITTED,
        T.OUTCOME_UNKNOWN,
        T.NOT_PLACED,
    )


def test_lost_leg_is_planned_anew_under_a_new_name_with_all_checks(bot, store, lost):
    assert bot.step() == 1

    first, second = store.orders.of_alert(lost.alert_id)
    assert first == lost
    assert (second.attempt, second.leg) == (2, 1)
    assert second.client_order_id == f"{lost.client_order_id}r2"
    assert second.status is S.INITIALIZED
    assert second.alerted_at == lost.alerted_at
    assert (second.side, second.quantity) == (lost.side, lost.quantity)
    assert bot.step() == 0


def test_lost_part_of_a_leg_is_planned_anew_as_that_part_and_no_larger(bot, store):
    alert_id = store_alert(store, an_alert(a_leg(qty=195)))
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    order = walk(store, order, T.RISK_PASSED)
    with store.transaction(durable=True):
        kept, lost = store.orders.split(order, [130, 65])
    walk(store, kept, T.GUARD_PASSED, T.SUBMITTED)
    way = (T.GUARD_PASSED, T.SUBMITTED, T.OUTCOME_UNKNOWN, T.NOT_PLACED)
    walk(store, lost, *way)

    bot.step()

    _, _, again = store.orders.of_alert(alert_id)
    assert (again.part, again.attempt, again.quantity) == (2, 2, 65)
    assert again.client_order_id == f"{order.client_order_id}p2r2"


def test_lost_leg_of_an_old_alert_is_left(bot, store, clock, lost):
    clock.advance(REPLAN_SECONDS)

    bot.step()

    assert store.orders.of_alert(lost.alert_id) == [lost]
    status, text = outcome(store, lost.alert_id)
    assert status is AlertStatus.COMPLETED
    assert text.startswith("0 of 1 legs filled; leg 1 not_placed")


def test_lost_leg_is_never_planned_anew_when_the_setting_says_so(new_bot, store, lost):
    new_bot(replan_seconds=0.0).step()

    assert store.orders.of_alert(lost.alert_id) == [lost]


def test_leg_is_tried_a_limited_number_of_times(bot, store, lost):
    order = lost
    for attempt in range(2, MAX_ATTEMPTS + 1):
        bot.step()
        order = store.orders.of_alert(lost.alert_id)[-1]
        assert order.attempt == attempt
        way = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.OUTCOME_UNKNOWN)
        walk(store, order, *way, T.NOT_PLACED)

    bot.step()

    assert len(store.orders.of_alert(lost.alert_id)) == MAX_ATTEMPTS
    assert outcome(store, lost.alert_id)[0] is AlertStatus.COMPLETED


def test_lost_leg_is_not_planned_anew_once_its_cancel_was_asked_for(bot, store, lost):
    with store.transaction(durable=False):
        store.orders.request_cancel(lost.order_id, by="somebody")
        store.orders.finish_cancel(lost.order_id, result="the order is not_placed")

    bot.step()

    assert store.orders.of_alert(lost.alert_id) == [lost]


@pytest.mark.parametrize(
    ("strategy", "symbol"),
    [
        pytest.param("another", SYMBOL, id="strategy"),
        pytest.param("straddle", CALL, id="instrument"),
    ],
)
def test_lost_entry_is_planned_again_after_the_exit_of_something_else(
    bot, store, lost, strategy, symbol
):
    exit_alert(store, a_leg(symbol), strategy_name=strategy)

    bot.step()

    assert [order.attempt for order in store.orders.of_alert(lost.alert_id)] == [1, 2]


def test_lost_entry_is_not_planned_anew_after_its_exit(bot, store, lost):
    # Otherwise the strategy would enter after its exit, and nobody would leave.
    alert_id = exit_alert(store)

    bot.step()
    bot.step()

    assert store.orders.of_alert(lost.alert_id) == [lost]
    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED
    assert outcome(store, lost.alert_id)[0] is AlertStatus.COMPLETED


LOST = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.OUTCOME_UNKNOWN, T.NOT_PLACED)


def lose_exit(bot, store, quantity):
    """Hold a position and lose its exit; return the alert."""
    hold(store, quantity)
    alert_id = exit_alert(store)
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    walk(store, order, *LOST)
    return alert_id


def quantities(store, alert_id):
    return [order.quantity for order in store.orders.of_alert(alert_id)]


def test_lost_exit_is_planned_again_with_what_is_held_by_then(bot, store, quotes):
    alert_id = lose_exit(bot, store, 130)
    sold = hold(store, 65, side=Side.SELL)
    quotes.held = [broker_holds(sold, 65)]

    bot.step()

    assert quantities(store, alert_id) == [130, 65]


@pytest.mark.parametrize(
    ("brokers", "planned"), [(200, 130), (130, 130), (50, 50), (0, None), (-130, None)]
)
def test_lost_exit_is_never_planned_for_more_than_the_broker_shows(
    bot, store, quotes, brokers, planned
):
    alert_id = lose_exit(bot, store, 130)
    (order,) = store.orders.of_alert(alert_id)
    quotes.held = [broker_holds(order, brokers)]

    bot.step()

    assert quantities(store, alert_id) == [130, *([planned] if planned else [])]


def test_lost_exit_waits_for_the_brokers_positions(bot, store, quotes, clock):
    alert_id = lose_exit(bot, store, 130)
    (order,) = store.orders.of_alert(alert_id)
    quotes.is_down = True
    bot.step()
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED
    quotes.is_down = False

    # Its position book may be a minute old.
    bot.step()
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED
    quotes.held = [broker_holds(order, 130)]
    clock.advance(60)
    bot.step()

    assert quantities(store, alert_id) == [130, 130]


def test_lost_exit_is_given_up_when_the_broker_shows_no_position_for_long(
    bot, store, clock
):
    alert_id = lose_exit(bot, store, 130)

    clock.advance(POSITION_PATIENCE.total_seconds())
    bot.step()

    assert quantities(store, alert_id) == [130]
    assert outcome(store, alert_id)[0] is AlertStatus.COMPLETED


def test_lost_exit_is_not_planned_again_when_nothing_is_held_any_more(
    bot, store, quotes
):
    alert_id = lose_exit(bot, store, 65)
    (order,) = store.orders.of_alert(alert_id)
    hold(store, 65, side=Side.SELL)
    quotes.held = [broker_holds(order, 65)]

    bot.step()

    assert quantities(store, alert_id) == [65]
    assert outcome(store, alert_id)[0] is AlertStatus.COMPLETED
