"""A market exit that rests follows the market until it is filled."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import PriceBand
from shoonya_platform.domain.orders import Intent, OrderType, Side
from shoonya_platform.domain.terms import ModifyStage
from shoonya_platform.execution.chase import PACE_SECONDS, REPORT_SECONDS, TRIES
from shoonya_platform.testing.orders import SYMBOL, a_leg
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import (
    asked_to_cancel,
    exit_alert,
    hold,
    walk,
)

STOP = {"order_type": "SL-M", "trigger_price": 95.0}


def rest(bot, store, limit="98", side=Side.BUY, **leg):
    """Return an exit with the guard's limit, as the broker has it."""
    hold(store, 65, side=side)
    alert_id = exit_alert(store, a_leg(**leg))
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    order = walk(store, order, T.RISK_PASSED)
    if limit is not None and order.price is None:
        with store.transaction(durable=False):
            order_type = OrderType.LIMIT
            if order.order_type is OrderType.STOP_MARKET:
                order_type = OrderType.STOP_LIMIT
            order = store.orders.reprice(order, order_type, Decimal(limit), text="")
    order = walk(store, order, T.GUARD_PASSED, T.SUBMITTED, T.ACCEPTED)
    bot.step()
    return order


def step_after(bot, clock, seconds=PACE_SECONDS):
    clock.advance(seconds)
    bot.step()


def asked(store, order):
    request = store.modifies.get(order.order_id)
    return None if request is None else request.terms.price


def take(store, order):
    """Let the broker take the terms that were asked for."""
    request = store.modifies.get(order.order_id)
    with store.transaction(durable=False):
        order = store.orders.get(order.order_id)
        order = store.orders.record(order, T.REPLACE_REQUESTED)
        order = store.orders.replace(order, request.terms)
        store.modifies.finish(order.order_id, result="taken")
    return order


def refuse(store, order):
    with store.transaction(durable=False):
        store.modifies.finish(order.order_id, result="rejected: no")


def shown(store):
    return [d.order_id for d in store.discrepancies.open(DiscrepancyKind.EXIT_RESTS)]


@pytest.mark.parametrize(
    ("side", "limit", "last", "better"),
    [
        # Within 2 % of a price below 100, and 1 % of one below 500, as protection is.
        (Side.BUY, "98", "90", "88.20"),
        (Side.SELL, "102", "110", "111.10"),
        # Others traded there, and it was not filled: a step beyond its own limit.
        (Side.BUY, "98", "99", "96.00"),
    ],
)
def test_limit_follows_the_market(
    bot, store, quotes, clock, rings, side, limit, last, better
):
    order = rest(bot, store, limit, side)
    quotes.prices[SYMBOL] = Decimal(last)

    step_after(bot, clock, PACE_SECONDS - 0.1)
    assert asked(store, order) is None
    step_after(bot, clock, 0.1)

    assert asked(store, order) == Decimal(better)
    assert "risk_manager" in rings


def test_it_stays_within_the_band(bot, store, quotes, clock):
    order = rest(bot, store)
    quotes.prices[SYMBOL] = Decimal(90)
    quotes.bands[SYMBOL] = PriceBand(lower=Decimal("89.97"), upper=Decimal(110))

    step_after(bot, clock)
    assert asked(store, order) == Decimal(90)

    # Locked at its circuit: nothing better can be asked for.
    take(store, order)
    quotes.prices[SYMBOL] = Decimal(90)
    step_after(bot, clock)
    assert store.modifies.waiting(ModifyStage.REQUESTED, limit=9) == []


def test_it_goes_on_at_its_pace(bot, store, quotes, clock):
    order = rest(bot, store)
    for last, better in (("90", "88.20"), ("80", "78.40")):
        quotes.prices[SYMBOL] = Decimal(last)
        step_after(bot, clock)
        assert asked(store, order) == Decimal(better)
        order = take(store, order)


@pytest.mark.parametrize(
    "leg", [{"order_type": "LMT", "price": 120.0}, {**STOP, "order_type": "SL"}]
)
def test_target_and_stop_are_not_chased(bot, store, quotes, clock, leg):
    leg = {"price": 94.0, **leg}
    order = rest(bot, store, None, **leg)
    quotes.prices[SYMBOL] = Decimal(90)
    with store.transaction(durable=False):
        store.positions.note_prices({(order.exchange, SYMBOL): Decimal(90)})

    step_after(bot, clock)

    assert asked(store, order) is None
    assert shown(store) == []


def test_without_a_quote_nothing_is_asked(bot, store, quotes, clock):
    order = rest(bot, store)
    quotes.is_down = True

    step_after(bot, clock)

    assert asked(store, order) is None


def test_terms_that_are_not_taken_lead_to_another_exit(bot, store, quotes, clock):
    order = rest(bot, store)
    quotes.prices[SYMBOL] = Decimal(90)
    for _ in range(TRIES):
        step_after(bot, clock)
        refuse(store, order)
    assert asked_to_cancel(store) == []

    step_after(bot, clock)
    bot.step()

    assert asked_to_cancel(store) == [order.order_id]
    walk(store, order, T.CANCELED)
    bot.step()
    newest = store.orders.recent(limit=1)[0]
    assert (newest.intent, newest.side, newest.quantity) == (Intent.EXIT, Side.SELL, 65)


def test_stop_that_the_price_jumped_over_is_taken_over(bot, store, quotes, clock):
    order = rest(bot, store, "94", **STOP)
    quotes.prices[SYMBOL] = Decimal(94)
    with store.transaction(durable=False):
        store.positions.note_prices({(order.exchange, SYMBOL): Decimal("94.5")})
    step_after(bot, clock)
    step_after(bot, clock)
    assert asked_to_cancel(store) == []

    with store.transaction(durable=False):
        store.positions.note_prices({(order.exchange, SYMBOL): Decimal(90)})
    bot.step()
    step_after(bot, clock)
    bot.step()

    assert asked_to_cancel(store) == [order.order_id]


def test_operator_sees_what_rests_for_long_until_it_is_filled(
    bot, store, quotes, clock
):
    order = rest(bot, store)
    for _ in range(int(REPORT_SECONDS / PACE_SECONDS) - 1):
        step_after(bot, clock)
    assert shown(store) == []

    step_after(bot, clock)
    assert shown(store) == [order.order_id]

    walk(store, order, T.CANCELED)
    bot.step()
    assert shown(store) == []
