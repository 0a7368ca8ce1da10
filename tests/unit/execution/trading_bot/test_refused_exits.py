"""An exit that is refused is tried again, with what the reason asks for."""

from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import UnreadableRow
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand, Product
from shoonya_platform.domain.orders import OrderType, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.execution.refusal_watch import POSITION_PATIENCE
from shoonya_platform.execution.refused import PAUSES
from shoonya_platform.execution.settling import REFUSAL_SECONDS
from shoonya_platform.testing.orders import SYMBOL, a_leg
from tests.unit.execution.rows import T, broker_holds
from tests.unit.execution.trading_bot.conftest import exit_alert, hold, outcome, walk

REFUSED = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.REJECTED)
OFF_TICK = "EXCH:16283:The order price is not multiple of the tick size"


def refuse(store, order, reason="RMS:Blocked", price=None):
    """Let an order be refused, after the guard gave it a limit."""
    order = walk(store, order, T.RISK_PASSED)
    with store.transaction(durable=False):
        if price is not None:
            order = store.orders.reprice(
                order, OrderType.LIMIT, Decimal(price), text="protected"
            )
    order = walk(store, order, T.GUARD_PASSED, T.SUBMITTED)
    with store.transaction(durable=False):
        return store.orders.record(order, T.REJECTED, reason=reason)


@pytest.fixture
def held(store, quotes):
    """A position of 130 that the broker shows too."""
    order = hold(store, 130)
    quotes.held = [broker_holds(order, 130)]
    return order


def exit_refused(bot, store, *legs, **refusal):
    alert_id = exit_alert(store, *legs)
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    refuse(store, order, **refusal)
    return alert_id


def newest(store, alert_id):
    return store.orders.of_alert(alert_id)[-1]


def refusal(store):
    found = store.discrepancies.open(DiscrepancyKind.EXIT_REFUSED)
    return found[0] if found else None


def step_after(bot, clock, seconds):
    clock.advance(seconds)
    bot.step()


def test_each_refusal_is_shown_and_tried_again_a_bounded_number_of_times(
    bot, store, clock, held
):
    alert_id = exit_refused(bot, store)
    bot.step()
    assert "RMS:Blocked; it is tried again, 4 tries are left" in refusal(store).text

    for number, pause in enumerate(PAUSES, start=2):
        step_after(bot, clock, pause - 0.5)
        assert len(store.orders.of_alert(alert_id)) == number - 1
        step_after(bot, clock, 0.6)
        order = newest(store, alert_id)
        assert (order.attempt, order.quantity, order.side) == (number, 130, Side.SELL)
        refuse(store, order)
    step_after(bot, clock, 1)

    assert len(store.orders.of_alert(alert_id)) == len(PAUSES) + 1
    assert "was refused 5 times" in refusal(store).text
    assert "its position is open" in refusal(store).text
    assert outcome(store, alert_id)[0] is AlertStatus.COMPLETED
    step_after(bot, clock, 3600)
    assert len(store.orders.of_alert(alert_id)) == len(PAUSES) + 1
    assert refusal(store) is not None


@pytest.mark.parametrize(
    ("at_broker", "planned"), [(200, 130), (50, 50), (0, None), (-130, None)]
)
def test_next_try_is_for_no_more_than_the_broker_shows(
    bot, store, quotes, clock, held, at_broker, planned
):
    alert_id = exit_refused(bot, store)
    quotes.held = [broker_holds(held, at_broker)]

    step_after(bot, clock, PAUSES[0])

    quantities = [order.quantity for order in store.orders.of_alert(alert_id)]
    assert quantities == [130, *([planned] if planned else [])]


def test_position_that_the_broker_no_longer_shows_is_given_up_after_a_while(
    bot, store, quotes, clock, held
):
    alert_id = exit_refused(bot, store)
    quotes.held = []

    step_after(bot, clock, PAUSES[0])
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED
    step_after(bot, clock, POSITION_PATIENCE.total_seconds())

    assert len(store.orders.of_alert(alert_id)) == 1
    assert outcome(store, alert_id)[0] is AlertStatus.COMPLETED
    assert refusal(store) is None


def test_refusal_is_over_once_a_later_try_is_taken(bot, store, clock, held):
    alert_id = exit_refused(bot, store)
    step_after(bot, clock, PAUSES[0])
    again = newest(store, alert_id)
    assert refusal(store).resolved_at is None

    walk(store, again, T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.ACCEPTED)
    step_after(bot, clock, REFUSAL_SECONDS)
    assert refusal(store) is None

    walk(store, again, T.CANCELED)
    step_after(bot, clock, REFUSAL_SECONDS)
    assert refusal(store) is None


def test_no_second_exit_while_another_may_close_the_position(
    bot, store, quotes, clock, held
):
    alert_id = exit_refused(bot, store)
    other = exit_alert(store)
    bot.step()
    (working,) = store.orders.of_alert(other)
    walk(store, working, T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED)

    step_after(bot, clock, PAUSES[0])

    assert len(store.orders.of_alert(alert_id)) == 1


def test_next_try_waits_for_the_brokers_positions(bot, store, quotes, clock, held):
    alert_id = exit_refused(bot, store)
    quotes.is_down = True
    step_after(bot, clock, PAUSES[0])
    assert len(store.orders.of_alert(alert_id)) == 1
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED
    quotes.is_down = False

    step_after(bot, clock, 1)

    assert len(store.orders.of_alert(alert_id)) == 2


def test_exit_is_tried_again_after_a_halt(bot, store, clock, held):
    alert_id = exit_refused(bot, store)
    with store.transaction(durable=True):
        store.trading.set(TradingState.HALTED, reason="test", by="priya")

    step_after(bot, clock, PAUSES[0])

    assert len(store.orders.of_alert(alert_id)) == 2


def test_canceled_exit_is_not_tried_again(bot, store, clock, held):
    alert_id = exit_refused(bot, store)
    with store.transaction(durable=False):
        store.orders.request_cancel(newest(store, alert_id).order_id, by="priya")

    step_after(bot, clock, PAUSES[0])

    assert len(store.orders.of_alert(alert_id)) == 1


@pytest.mark.parametrize(
    ("tick", "band", "last", "price"),
    [
        # 100 less 2 % is on the tick of 0.1, and not on 0.3.
        ("0.1", PriceBand(), "100.25", "99.2"),
        ("0.3", PriceBand(), "100.25", "99.0"),
        ("0.1", PriceBand(lower=Decimal("99.55")), "100.25", "99.6"),
        ("0.1", PriceBand(upper=Decimal("98.77")), "100.25", "98.7"),
    ],
)
def test_price_goes_on_the_tick_and_into_the_band_of_the_broker(
    bot, store, quotes, clock, held, tick, band, last, price
):
    quotes.instruments[SYMBOL] = Instrument(
        exchange=Exchange.NFO, tradingsymbol=SYMBOL, tick_size=Decimal(tick)
    )
    quotes.bands[SYMBOL] = band
    quotes.prices[SYMBOL] = Decimal(last)
    alert_id = exit_refused(bot, store, reason=OFF_TICK, price="99.25")

    step_after(bot, clock, PAUSES[0])

    order = newest(store, alert_id)
    assert (order.attempt, order.order_type) == (2, OrderType.LIMIT)
    expected = Decimal(price)
    assert order.price % Decimal(tick) == 0
    assert band.has(order.price)
    assert abs(order.price - expected) <= Decimal("1.5")


def test_limit_of_the_alert_is_kept_apart_from_its_tick(
    bot, store, quotes, clock, held
):
    quotes.instruments[SYMBOL] = Instrument(
        exchange=Exchange.NFO, tradingsymbol=SYMBOL, tick_size=Decimal("0.1")
    )
    leg = a_leg(order_type="LMT", price=120.25)
    alert_id = exit_refused(bot, store, leg, reason=OFF_TICK)

    step_after(bot, clock, PAUSES[0])

    order = newest(store, alert_id)
    assert (order.order_type, order.price) == (OrderType.LIMIT, Decimal("120.2"))


def test_position_under_another_product_at_the_broker_is_exited_there(
    bot, store, quotes, clock, held
):
    reason = "RMS:Rule: product type is not allowed for this instrument"
    alert_id = exit_refused(bot, store, reason=reason)
    other = Product.MIS if held.product is not Product.MIS else Product.NRML
    quotes.held = [broker_holds(held, 130, product=other)]

    step_after(bot, clock, PAUSES[0])

    order = newest(store, alert_id)
    assert (order.product, order.quantity, order.attempt) == (other, 130, 2)
    positions = store.positions.open()
    assert [(p.product, p.quantity) for p in positions] == [(other, 130)]
    assert positions[0].average_price == held.average_price


def test_other_reasons_do_not_look_for_another_product(bot, store, quotes, clock, held):
    alert_id = exit_refused(bot, store, reason="RMS:Blocked")
    other = Product.MIS if held.product is not Product.MIS else Product.NRML
    quotes.held = [broker_holds(held, 130, product=other)]

    step_after(bot, clock, PAUSES[0])

    assert len(store.orders.of_alert(alert_id)) == 1


def test_condition_ends_when_the_position_is_closed(bot, store, clock, held):
    exit_refused(bot, store)
    bot.step()
    assert refusal(store) is not None
    hold(store, 130, side=Side.SELL)

    step_after(bot, clock, REFUSAL_SECONDS)

    assert refusal(store) is None


def test_condition_ends_when_it_is_acknowledged(bot, store, clock, held):
    alert_id = exit_refused(bot, store)
    for pause in PAUSES:
        step_after(bot, clock, pause)
        refuse(store, newest(store, alert_id))
    step_after(bot, clock, 1)
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(refusal(store).discrepancy_id, by="priya")

    step_after(bot, clock, REFUSAL_SECONDS)

    assert refusal(store) is None


def test_try_that_is_denied_is_the_last_and_says_so(bot, store, clock, held):
    alert_id = exit_refused(bot, store)
    step_after(bot, clock, PAUSES[0])
    with store.transaction(durable=False):
        order = newest(store, alert_id)
        store.orders.record(order, T.DENIED, reason="MARKET_CLOSED")

    step_after(bot, clock, REFUSAL_SECONDS)
    step_after(bot, clock, REFUSAL_SECONDS)

    assert outcome(store, alert_id)[0] is AlertStatus.COMPLETED
    assert "MARKET_CLOSED; it is not tried again" in refusal(store).text


def test_refused_entry_is_not_tried_again(bot, store, clock):
    order = hold(store, 65)
    assert order.intent.value == "entry"

    step_after(bot, clock, 100)

    assert refusal(store) is None


def test_position_that_the_broker_shows_unreadably_is_exited_by_our_own_record(
    bot, store, quotes, clock, held
):
    alert_id = exit_refused(bot, store)
    quotes.held = []
    quotes.passed_over = [
        UnreadableRow(
            book="positions",
            subject=held.tradingsymbol,
            why="'netqty' is 'NA'",
            tradingsymbol=held.tradingsymbol,
        )
    ]

    step_after(bot, clock, PAUSES[0])

    quantities = [order.quantity for order in store.orders.of_alert(alert_id)]
    assert quantities == [130, 130]
