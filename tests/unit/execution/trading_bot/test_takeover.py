"""An exit takes over the exits that rest, and none of both fills what the other has."""

from typing import Any

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import OrderStatus, Side
from shoonya_platform.execution.takeover import AGAIN_SECONDS, RESTS_AFTER
from shoonya_platform.testing.orders import SYMBOL, a_leg
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    asked_to_cancel,
    exit_alert,
    hold,
    outcome,
    walk,
)

MARKET: dict[str, Any] = {"order_type": "MKT"}
TARGET: dict[str, Any] = {"order_type": "LMT", "price": 120.0}
STOP: dict[str, Any] = {"order_type": "SL", "price": 89.0, "trigger_price": 90.0}


def orders_of(store, alert_id):
    return [(o.side, o.quantity) for o in store.orders.of_alert(alert_id)]


def rest(bot, store, **terms):
    """Return an exit that the broker has, of everything that is held."""
    alert_id = exit_alert(store, a_leg(**terms))
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    return walk(store, order, T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.ACCEPTED)


@pytest.mark.parametrize("resting", [TARGET, STOP], ids=["target", "stop"])
def test_market_exit_waits_for_the_cancel_of_what_rests(bot, store, rings, resting):
    hold(store, 130)
    order = rest(bot, store, **resting)
    alert_id = exit_alert(store)

    bot.step()

    assert asked_to_cancel(store) == [order.order_id]
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED
    assert bot.status() == "1 exits wait for others to make way"
    assert "command_service" in rings

    walk(store, order, T.CANCELED)
    bot.step()

    assert orders_of(store, alert_id) == [(Side.SELL, 130)]
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED


def test_what_filled_before_the_cancel_is_not_exited_again(bot, store):
    hold(store, 130)
    order = rest(bot, store, **TARGET)
    alert_id = exit_alert(store)
    bot.step()

    filled = hold(store, 65, side=Side.SELL)
    assert filled.status is OrderStatus.FILLED
    walk(store, order, T.CANCELED)
    bot.step()

    assert orders_of(store, alert_id) == [(Side.SELL, 65)]


def test_market_exit_that_is_going_out_is_left_to_it(bot, store):
    hold(store, 65)
    first = rest(bot, store, **MARKET)
    alert_id = exit_alert(store)

    bot.step()

    assert asked_to_cancel(store) == []
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED
    assert first.status is OrderStatus.ACCEPTED


def test_market_exit_that_rests_is_taken_over(bot, store, clock):
    """The guard gave it a limit, and the price has run away from it."""
    hold(store, 65)
    order = rest(bot, store, **MARKET)
    exit_alert(store)
    bot.step()

    clock.advance(RESTS_AFTER.total_seconds())
    bot.step()

    assert asked_to_cancel(store) == [order.order_id]


@pytest.mark.parametrize("terms", [TARGET, STOP], ids=["target", "stop"])
def test_newer_one_of_the_same_kind_takes_over(bot, store, terms):
    hold(store, 65)
    order = rest(bot, store, **terms)
    alert_id = exit_alert(store, a_leg(**terms))
    bot.step()
    assert asked_to_cancel(store) == [order.order_id]

    walk(store, order, T.CANCELED)
    bot.step()

    assert orders_of(store, alert_id) == [(Side.SELL, 65)]


def test_target_does_not_take_over_a_stop(bot, store):
    hold(store, 65)
    rest(bot, store, **STOP)
    alert_id = exit_alert(store, a_leg(**TARGET))

    bot.step()

    assert asked_to_cancel(store) == []
    assert orders_of(store, alert_id) == []


def test_other_legs_do_not_wait(bot, store, clock):
    hold(store, 65)
    hold(store, 65, tradingsymbol=CALL)
    order = rest(bot, store, **TARGET)
    alert_id = exit_alert(store, a_leg(SYMBOL), a_leg(CALL))

    bot.step()
    (planned,) = store.orders.of_alert(alert_id)
    assert (planned.leg, planned.tradingsymbol) == (2, CALL)

    # Nor does it take over what it has planned itself.
    walk(store, planned, T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.ACCEPTED)
    clock.advance(2 * RESTS_AFTER.total_seconds())
    bot.step()
    assert planned.order_id not in asked_to_cancel(store)

    walk(store, order, T.CANCELED)
    bot.step()

    assert orders_of(store, alert_id) == [(Side.SELL, 65)] * 2
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED


def test_other_strategies_exits_are_not_touched(bot, store):
    hold(store, 65)
    hold(store, 65, strategy="other")
    rest(bot, store, **TARGET)
    alert_id = exit_alert(store, strategy_name="other")

    bot.step()

    assert asked_to_cancel(store) == []
    assert orders_of(store, alert_id) == [(Side.SELL, 65)]


def test_cancel_is_asked_for_again(bot, store, clock):
    hold(store, 65)
    order = rest(bot, store, **TARGET)
    exit_alert(store)
    bot.step()
    with store.transaction(durable=False):
        store.orders.finish_cancel(order.order_id, result="refused")
    bot.step()
    assert asked_to_cancel(store) == []

    clock.advance(AGAIN_SECONDS)
    bot.step()

    assert asked_to_cancel(store) == [order.order_id]
