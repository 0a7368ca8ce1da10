"""A stop and a target are a pair: the stop rests, the target is watched."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderType, Side
from shoonya_platform.execution.takeover import TRIM_SECONDS
from shoonya_platform.execution.watched_targets import LOOK_SECONDS
from shoonya_platform.testing.orders import SYMBOL, a_leg
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import (
    asked_to_cancel,
    exit_alert,
    hold,
    outcome,
    walk,
)
from tests.unit.execution.trading_bot.test_takeover import STOP, TARGET, orders_of, rest


def watched(store):
    return store.alerts.in_status(AlertStatus.WATCHED, limit=9)


def price(store, value):
    with store.transaction(durable=False):
        store.positions.note_prices({(Exchange.NFO, SYMBOL): Decimal(value)})


def look(bot, clock, seconds=LOOK_SECONDS):
    clock.advance(seconds)
    bot.step()
    bot.step()


@pytest.fixture
def pair(bot, store):
    """A stop that rests, and a target of the same 65 that is watched."""
    hold(store, 65)
    stop = rest(bot, store, **STOP)
    alert_id = exit_alert(store, a_leg(**TARGET))
    bot.step()
    return stop, alert_id


def test_target_beside_a_stop_is_watched_and_not_sent(store, pair):
    stop, alert_id = pair

    assert orders_of(store, alert_id) == []
    (target,) = watched(store)
    assert (target.alert.legs[0].price, target.alert.legs[0].quantity) == (120, 65)
    assert outcome(store, alert_id) == (
        AlertStatus.COMPLETED,
        f"watched as {target.alert_id}: a stop rests",
    )
    assert asked_to_cancel(store) == []
    assert stop.order_type is OrderType.STOP_LIMIT


def test_target_that_is_touched_takes_the_stop_over(bot, store, clock, pair):
    stop, _ = pair
    (target,) = watched(store)
    price(store, "119.95")
    look(bot, clock)
    assert asked_to_cancel(store) == []

    price(store, "120")
    look(bot, clock)
    assert asked_to_cancel(store) == [stop.order_id]
    status, text = outcome(store, target.alert_id)
    assert status is AlertStatus.COMPLETED
    assert text.startswith("target 120.0 was touched")

    walk(store, stop, T.CANCELED)
    bot.step()
    newest = store.orders.recent(limit=1)[0]
    assert (newest.side, newest.quantity) == (Side.SELL, 65)
    assert newest.order_type is OrderType.MARKET


def test_target_ends_with_its_position(bot, store, clock, pair):
    hold(store, 65, side=Side.SELL)

    look(bot, clock)

    assert watched(store) == []


def test_target_is_sent_once_no_stop_rests(bot, store, clock, pair):
    stop, _ = pair
    (target,) = watched(store)
    walk(store, stop, T.CANCELED)

    look(bot, clock)

    (order,) = store.orders.of_alert(target.alert_id)
    assert (order.order_type, order.price, order.quantity) == (
        OrderType.LIMIT,
        Decimal(120),
        65,
    )


def test_target_that_rests_gives_way_to_a_stop_and_is_watched(bot, store):
    hold(store, 65)
    target = rest(bot, store, **TARGET)
    alert_id = exit_alert(store, a_leg(**STOP))
    bot.step()
    assert asked_to_cancel(store) == [target.order_id]
    assert orders_of(store, alert_id) == []

    walk(store, target, T.CANCELED)
    bot.step()

    assert orders_of(store, alert_id) == [(Side.SELL, 65)]
    (found,) = watched(store)
    assert found.alert.legs[0].price == 120


def test_target_of_a_part_beside_a_stop_of_the_other(bot, store):
    hold(store, 130)
    rest(bot, store, **STOP, qty=50)
    alert_id = exit_alert(store, a_leg(**TARGET))

    bot.step()

    assert orders_of(store, alert_id) == [(Side.SELL, 80)]
    assert [each.alert.legs[0].quantity for each in watched(store)] == [50]


@pytest.mark.parametrize(("sold", "terms"), [(65, 65), (130, None)])
def test_stop_shrinks_with_its_position(bot, store, clock, sold, terms):
    hold(store, 130)
    stop = rest(bot, store, **STOP)
    hold(store, sold, side=Side.SELL)

    look(bot, clock, TRIM_SECONDS)

    request = store.modifies.get(stop.order_id)
    assert (request and request.terms.quantity) == terms
    assert asked_to_cancel(store) == [stop.order_id] * (terms is None)
