"""Alerts of one moment end in what they mean, in whatever order they arrive."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import Side
from shoonya_platform.execution.same_moment import ARRIVAL, EXIT_PATIENCE
from shoonya_platform.testing.orders import SYMBOL, a_leg, an_alert, store_alert
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    asked_to_cancel,
    exit_alert,
    hold,
    outcome,
    walk,
)


def entry_alert(store, side="SELL", symbol=SYMBOL, **fields):
    return store_alert(store, an_alert(a_leg(symbol, direction=side), **fields))


def sides(store, alert_id):
    return [order.side for order in store.orders.of_alert(alert_id)]


def close(store, alert_id):
    """Let an exit fill."""
    (order,) = store.orders.of_alert(alert_id)
    walk(store, order, T.RISK_PASSED, T.GUARD_PASSED, T.CANCELED)
    hold(store, 65, side=order.side)


@pytest.mark.parametrize("arrival", ["exit first", "entry first"])
def test_entry_that_reverses_waits_for_the_exit(bot, store, clock, arrival):
    hold(store, 65)
    if arrival == "exit first":
        leaving, entering = exit_alert(store), entry_alert(store)
        bot.step()
    else:
        entering = entry_alert(store)
        bot.step()
        clock.advance(ARRIVAL.total_seconds() - 0.1)
        bot.step()
        leaving = exit_alert(store)
        bot.step()
    assert sides(store, leaving) == [Side.SELL]
    assert sides(store, entering) == []
    clock.advance(EXIT_PATIENCE.total_seconds() - ARRIVAL.total_seconds())
    bot.step()
    assert outcome(store, entering)[0] is AlertStatus.RECEIVED

    close(store, leaving)
    bot.step()

    assert sides(store, entering) == [Side.SELL]
    assert asked_to_cancel(store) == []


def test_entry_waits_only_so_long_for_an_exit_to_arrive(bot, store, clock):
    hold(store, 65)
    entering = entry_alert(store)
    bot.step()
    assert sides(store, entering) == []

    clock.advance(ARRIVAL.total_seconds())
    bot.step()

    # The guard says what it thinks of an entry against what is held.
    assert sides(store, entering) == [Side.SELL]


def test_entry_waits_only_so_long_for_an_exit_to_fill(bot, store, clock):
    hold(store, 65)
    exit_alert(store)
    entering = entry_alert(store)
    bot.step()

    clock.advance(EXIT_PATIENCE.total_seconds())
    bot.step()

    assert sides(store, entering) == [Side.SELL]


@pytest.mark.parametrize(
    "fields",
    [{"side": "BUY", "symbol": CALL}, {"strategy_name": "other"}],
    ids=["instrument", "strategy"],
)
def test_others_do_not_wait(bot, store, fields):
    hold(store, 65)
    exit_alert(store)
    entering = entry_alert(store, **fields)

    bot.step()

    assert len(sides(store, entering)) == 1


def test_entry_of_what_is_flat_does_not_wait_for_a_later_exit(bot, store):
    """The exit is of that entry."""
    entering = entry_alert(store, side="BUY")
    leaving = exit_alert(store)

    bot.step()

    (order,) = store.orders.of_alert(entering)
    assert asked_to_cancel(store) == [order.order_id]
    assert outcome(store, leaving)[0] is AlertStatus.RECEIVED


def test_target_that_rests_makes_no_entry_wait(bot, store, clock):
    hold(store, 65)
    exit_alert(store, a_leg(order_type="LMT", price=120.0))
    bot.step()
    entering = entry_alert(store)
    clock.advance(ARRIVAL.total_seconds())

    bot.step()

    assert sides(store, entering) == [Side.SELL]
