"""An exit that ends without closing its position is shown until that is closed."""

import pytest

from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.refusal_watch import POSITION_PATIENCE
from shoonya_platform.execution.settling import REFUSAL_SECONDS
from shoonya_platform.testing.orders import a_leg
from tests.unit.execution.rows import T, broker_holds
from tests.unit.execution.trading_bot.conftest import exit_alert, hold, walk

SENT = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED)


@pytest.fixture
def held(store, quotes):
    """A position of 130 that the broker shows too."""
    order = hold(store, 130)
    quotes.held = [broker_holds(order, 130)]
    return order


def end(bot, store, *way, reason="", leg=None, cancel_by=None):
    """Let an exit end in a way, and its alert be settled."""
    alert_id = exit_alert(store, *([] if leg is None else [leg]))
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    order = walk(store, order, *way[:-1])
    with store.transaction(durable=False):
        if cancel_by is not None:
            store.orders.request_cancel(order.order_id, by=cancel_by)
        store.orders.record(order, way[-1], reason=reason)
    bot.step()
    return order


def shown(store):
    return store.discrepancies.open(DiscrepancyKind.EXIT_FAILED)


def look(bot, clock, seconds=REFUSAL_SECONDS):
    clock.advance(seconds)
    bot.step()


def test_denied_exit_is_shown_until_its_position_is_closed(bot, store, clock, held):
    order = end(bot, store, T.RISK_PASSED, T.DENIED, reason="MARKET_CLOSED")
    look(bot, clock)

    (found,) = shown(store)
    assert found.order_id == order.order_id
    assert "is denied: MARKET_CLOSED" in found.text

    hold(store, 130, side=Side.SELL, intent=Intent.EXIT)
    look(bot, clock)

    assert shown(store) == []


@pytest.mark.parametrize("trigger", [T.CANCELED, T.EXPIRED])
def test_exit_that_the_broker_ends_is_shown(bot, store, held, trigger):
    end(bot, store, *SENT, T.ACCEPTED, trigger)

    assert len(shown(store)) == 1


def test_canceled_by_a_person_is_not_shown(bot, store, held):
    end(bot, store, *SENT, T.ACCEPTED, T.CANCELED, cancel_by="priya")

    assert shown(store) == []


def test_limit_that_lasted_its_day_is_not_shown(bot, store, held):
    leg = a_leg(direction="SELL", order_type="LMT", price=120.0)
    end(bot, store, *SENT, T.ACCEPTED, T.EXPIRED, leg=leg)

    assert shown(store) == []


def test_acknowledged_one_is_over(bot, store, clock, held):
    end(bot, store, T.RISK_PASSED, T.DENIED)
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(shown(store)[0].discrepancy_id, by="priya")

    look(bot, clock)

    assert shown(store) == []


def test_position_that_the_broker_shows_no_longer_ends_it(
    bot, store, quotes, clock, held
):
    end(bot, store, T.RISK_PASSED, T.DENIED)
    quotes.held = []

    look(bot, clock)
    assert len(shown(store)) == 1
    look(bot, clock, POSITION_PATIENCE.total_seconds())

    assert shown(store) == []
