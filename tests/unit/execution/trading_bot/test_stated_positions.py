"""Alerts that state what their strategy holds."""

import json

import pytest

from shoonya_platform.domain.alert_form import decode, parse
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.same_moment import ARRIVAL
from shoonya_platform.execution.stated_positions import LOOK_SECONDS
from shoonya_platform.testing.orders import SYMBOL, store_alert
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import hold, outcome, walk


def send(store, action, contracts, before, after):
    """Send what TradingView sends of a strategy's order; sizes are signed."""

    def words(size):
        return "flat" if not size else "long" if size > 0 else "short"

    body = {
        "strategy_name": "straddle",
        "exchange": "NFO",
        "ticker": SYMBOL,
        "action": action,
        "contracts": contracts,
        "market_position": words(after),
        "market_position_size": abs(after),
        "prev_market_position": words(before),
        "prev_market_position_size": abs(before),
    }
    fields = {**body, "dedupe_id": f"{action}-{before}-{after}"}
    return store_alert(store, parse(decode(json.dumps(fields).encode())))


def orders(store, alert_id):
    return [(o.side, o.quantity, o.intent) for o in store.orders.of_alert(alert_id)]


def shown(store):
    return store.discrepancies.open(DiscrepancyKind.BELIEF_DIFFERS)


def fill(store, alert_id):
    for order in store.orders.of_alert(alert_id):
        if order.is_closed:
            continue
        walk(store, order, T.RISK_PASSED, T.GUARD_PASSED, T.CANCELED)
        hold(store, order.quantity, side=order.side)


def test_sell_of_a_long_position_that_is_not_held_opens_no_short(bot, store, clock):
    alert_id = send(store, "sell", 65, before=130, after=65)
    bot.step()
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED

    clock.advance(ARRIVAL.total_seconds())
    bot.step()

    assert orders(store, alert_id) == []
    status, text = outcome(store, alert_id)
    assert status is AlertStatus.NOT_DONE
    assert "goes from long 130 to long 65" in text
    assert text.endswith("and holds 0")
    assert len(shown(store)) == 1


def test_setting_brings_the_position_to_what_is_stated(new_bot, store, clock):
    bot = new_bot(reaches_stated=True)
    alert_id = send(store, "buy", 65, before=65, after=130)
    clock.advance(ARRIVAL.total_seconds())

    bot.step()

    assert orders(store, alert_id) == [(Side.BUY, 130, Intent.ADJUST)]
    assert len(shown(store)) == 1


def test_reversal_ends_at_the_stated_side_and_size(bot, store):
    hold(store, 65)
    alert_id = send(store, "sell", 200, before=65, after=-65)

    bot.step()

    assert [(side, q) for side, q, _ in orders(store, alert_id)] == [(Side.SELL, 130)]


@pytest.mark.parametrize("arrival", ["in order", "reversed"])
def test_two_closing_alerts_of_one_bar_end_flat(bot, store, clock, arrival):
    hold(store, 130)

    def half():
        return send(store, "sell", 65, before=130, after=65)

    def rest():
        return send(store, "sell", 65, before=65, after=0)

    first, second = (half, rest) if arrival == "in order" else (rest, half)
    first_id, second_id = first(), second()
    for _ in range(4):
        bot.step()
        fill(store, first_id)
        fill(store, second_id)
        clock.advance(ARRIVAL.total_seconds())

    assert [position.quantity for position in store.positions.open()] == []
    assert AlertStatus.NOT_DONE not in (
        outcome(store, first_id)[0],
        outcome(store, second_id)[0],
    )


def test_alert_waits_for_the_order_that_makes_its_position(bot, store):
    first = send(store, "buy", 65, before=0, after=65)
    second = send(store, "buy", 65, before=65, after=130)
    bot.step()
    assert len(orders(store, first)) == 1
    assert orders(store, second) == []

    fill(store, first)
    bot.step()

    assert [(side, q) for side, q, _ in orders(store, second)] == [(Side.BUY, 65)]
    assert shown(store) == []


def test_alert_that_waits_is_overtaken_by_its_exit(bot, store, clock):
    """Else both would go out from the same position."""
    first = send(store, "buy", 65, before=0, after=65)
    turning = send(store, "sell", 130, before=65, after=-65)
    bot.step()
    leaving = send(store, "buy", 65, before=-65, after=0)
    again = send(store, "buy", 65, before=0, after=65)
    for _ in range(4):
        bot.step()
        for alert_id in (first, turning, leaving, again):
            fill(store, alert_id)
        clock.advance(1)

    assert outcome(store, turning)[0] is AlertStatus.SKIPPED
    held = [position.quantity for position in store.positions.open()]
    assert held in ([], [65])


def test_it_is_over_with_the_next_alert_that_agrees(bot, store, clock):
    send(store, "sell", 65, before=130, after=65)
    clock.advance(ARRIVAL.total_seconds())
    bot.step()
    assert len(shown(store)) == 1

    send(store, "buy", 65, before=0, after=65)
    bot.step()

    assert shown(store) == []


def test_it_is_over_once_it_is_acknowledged(bot, store, clock):
    send(store, "sell", 65, before=130, after=65)
    clock.advance(ARRIVAL.total_seconds())
    bot.step()
    (found,) = shown(store)
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(found.discrepancy_id, by="tests")

    clock.advance(LOOK_SECONDS)
    bot.step()

    assert shown(store) == []
