"""An entry of which one leg fails is withdrawn, or exited."""

import pytest

from shoonya_platform.execution.settling import MAX_ATTEMPTS, WITHDRAW_SECONDS
from shoonya_platform.testing.orders import a_fill, a_leg, an_alert, store_alert
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    PUT,
    REPLAN_SECONDS,
    asked_to_cancel,
    outcome,
    walk,
)


def two_legs(bot, store, **fields):
    alert_id = store_alert(store, an_alert(a_leg(CALL), a_leg(PUT), **fields))
    bot.step()
    call, put = store.orders.of_alert(alert_id)
    way = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED)
    return walk(store, call, *way, T.ACCEPTED), walk(store, put, *way)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param((T.REJECTED,), id="rejected"),
        # The session ended between the legs, and the alert was too old after it.
        pytest.param((T.UNSENT, T.DENIED), id="unsent-and-denied"),
        pytest.param((T.ACCEPTED, T.EXPIRED), id="expired"),
    ],
)
def test_what_works_of_an_entry_is_canceled_when_a_leg_fails(
    bot, store, clock, rings, way
):
    call, put = two_legs(bot, store)
    walk(store, put, *way)
    clock.advance(WITHDRAW_SECONDS)
    rings.clear()

    bot.step()

    assert asked_to_cancel(store) == [call.order_id]
    assert "command_service" in rings
    with store.transaction(durable=False):
        store.orders.finish_cancel(call.order_id, result="it was filled by then")
    clock.advance(WITHDRAW_SECONDS)
    bot.step()
    assert asked_to_cancel(store) == []


def test_what_filled_of_an_entry_is_exited_when_a_leg_was_denied_later(bot, store):
    call, put = two_legs(bot, store)
    with store.transaction(durable=False):
        store.orders.fill(call, a_fill(65))
    walk(store, put, T.UNSENT, T.DENIED)

    bot.step()

    assert "is exited by" in outcome(store, call.alert_id)[1]


def test_nothing_is_canceled_for_a_leg_that_is_planned_anew(bot, store, clock):
    _, put = two_legs(bot, store)
    walk(store, put, T.OUTCOME_UNKNOWN, T.NOT_PLACED)
    clock.advance(WITHDRAW_SECONDS)

    bot.step()

    assert asked_to_cancel(store) == []


def test_what_works_of_an_entry_is_canceled_for_a_lost_leg_of_an_old_alert(
    bot, store, clock
):
    call, put = two_legs(bot, store)
    walk(store, put, T.OUTCOME_UNKNOWN, T.NOT_PLACED)
    clock.advance(REPLAN_SECONDS)

    bot.step()

    assert asked_to_cancel(store) == [call.order_id]


def test_what_works_of_an_entry_is_canceled_once_a_leg_is_lost_for_the_last_time(
    bot, store, clock
):
    call, put = two_legs(bot, store)
    way = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        clock.advance(WITHDRAW_SECONDS)
        bot.step()
        assert asked_to_cancel(store) == []
        put = store.orders.of_alert(call.alert_id)[-1]
        assert put.attempt == attempt
        sent = way if attempt > 1 else ()
        walk(store, put, *sent, T.OUTCOME_UNKNOWN, T.NOT_PLACED)
    clock.advance(WITHDRAW_SECONDS)

    bot.step()

    assert asked_to_cancel(store) == [call.order_id]


def test_each_leg_of_an_exit_or_adjustment_works_on_alone(bot, store, clock):
    _, put = two_legs(bot, store, execution_type="adjust")
    walk(store, put, T.REJECTED)
    clock.advance(WITHDRAW_SECONDS)

    bot.step()

    assert asked_to_cancel(store) == []


def test_half_an_entry_works_on_where_that_is_configured(new_bot, store, clock):
    bot = new_bot(all_or_nothing=False)
    _, put = two_legs(bot, store)
    walk(store, put, T.REJECTED)
    clock.advance(WITHDRAW_SECONDS)

    bot.step()

    assert asked_to_cancel(store) == []
