"""trading_bot: an alert becomes orders, and an exit leaves nothing behind."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import Quote
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
from shoonya_platform.domain.orders import (
    CLOSED,
    OPEN,
    Intent,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.bands import (
    BAND_SECONDS,
    PATIENCE_SECONDS,
    RETRY_SECONDS,
)
from shoonya_platform.execution.settling import (
    BATCH,
    MAX_ATTEMPTS,
    WITHDRAW_SECONDS,
    describe_outcome,
)
from shoonya_platform.execution.trading_bot import (
    CANCEL_AGAIN_SECONDS,
    PRICE_PATIENCE_SECONDS,
    TradingBot,
)
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import (
    SYMBOL,
    a_fill,
    a_leg,
    an_alert,
    store_alert,
    store_order,
)

S, T = OrderStatus, OrderTrigger
NFO = Exchange.NFO
REPLAN_SECONDS = 60.0
CALL, PUT = "NIFTY28DEC27C26000", "NIFTY28DEC27P26000"


class Quotes:
    """Prices as the test sets them."""

    def __init__(self):
        self.prices: dict[str, Decimal] = {}
        self.noted: dict[str, Decimal] = {}
        self.bands: dict[str, PriceBand] = {}
        self.quoted: list[str] = []
        self.is_down = False

    def last_price(self, exchange, tradingsymbol):
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.prices.get(tradingsymbol)

    def quote(self, exchange, tradingsymbol):
        self.quoted.append(tradingsymbol)
        if self.is_down:
            raise BrokerUnavailable("down")
        last = self.prices.get(tradingsymbol)
        band = self.bands.get(tradingsymbol, PriceBand())
        return Quote(last_price=last, band=band)

    def note_price(self, exchange, tradingsymbol, price):
        if self.is_down:
            raise BrokerUnavailable("down")
        self.noted[tradingsymbol] = price


@pytest.fixture
def quotes() -> Quotes:
    return Quotes()


@pytest.fixture
def new_bot(store, quotes, clock, rings):
    """Make a bot, as a new process of the service would."""

    def make(replan_seconds=REPLAN_SECONDS, **settings):
        return TradingBot(
            store, quotes, clock, rings, replan_seconds=replan_seconds, **settings
        )

    return make


@pytest.fixture
def bot(new_bot):
    return new_bot()


def exit_alert(store, *legs, **fields):
    return store_alert(store, an_alert(*legs, execution_type="exit", **fields))


def hold(store, quantity=65, **changes):
    return store_order(store, S.FILLED, quantity=quantity, **changes)


def walk(store, order, *triggers):
    with store.transaction(durable=False):
        order = store.orders.get(order.order_id)
        for trigger in triggers:
            order = store.orders.record(order, trigger)
    return order


def outcome(store, alert_id):
    stored = store.alerts.get(alert_id)
    return stored.status, stored.outcome


def asked_to_cancel(store):
    return [each.order_id for each in store.orders.cancel_requests(limit=99)]


# -- planning ------------------------------------------------------------------


def test_entry_becomes_one_order_for_each_leg(bot, store, rings):
    alert_id = store_alert(
        store,
        an_alert(
            a_leg(CALL, direction="SELL", qty=130, product_type="I"),
            a_leg(PUT, order_type="SL", price=90, trigger_price="90.5"),
            strategy_name="straddle",
        ),
    )

    assert bot.step() == 2

    call, put = store.orders.of_alert(alert_id)
    assert (call.tradingsymbol, call.side, call.quantity) == (CALL, Side.SELL, 130)
    assert (call.order_type, call.price) == (OrderType.MARKET, None)
    assert (call.product, put.product) == (Product.MIS, Product.NRML)
    assert (put.order_type, put.price) == (OrderType.STOP_LIMIT, 90)
    assert put.trigger_price == Decimal("90.5")
    assert {order.status for order in (call, put)} == {S.INITIALIZED}
    assert {order.intent for order in (call, put)} == {Intent.ENTRY}
    assert [order.client_order_id for order in (call, put)] == [
        f"O{alert_id[1:]}-1",
        f"O{alert_id[1:]}-2",
    ]
    assert outcome(store, alert_id) == (AlertStatus.PLANNED, "")
    assert "risk_manager" in rings


def test_adjustment_is_taken_as_it_stands(bot, store):
    hold(store, 130)
    alert_id = store_alert(
        store, an_alert(a_leg(direction="SELL", qty=65), execution_type="adjust")
    )

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.intent, order.side, order.quantity) == (Intent.ADJUST, Side.SELL, 65)


def test_alert_is_planned_once_however_often_it_is_looked_at(bot, new_bot, store):
    alert_id = store_alert(store)

    bot.step()
    bot.step()
    new_bot().step()

    assert len(store.orders.of_alert(alert_id)) == 1


def test_alerts_are_planned_oldest_first_and_in_batches(bot, store):
    ids = [store_alert(store) for _ in range(BATCH + 2)]

    assert bot.step() == BATCH
    assert store.orders.of_alert(ids[-1]) == []
    assert bot.step() == 2


def test_order_is_as_old_as_its_alert_was_when_it_was_sent(bot, store):
    sent = BEGIN - timedelta(seconds=90)
    late = store_alert(store, an_alert(timenow=sent.isoformat()))
    future = BEGIN + timedelta(hours=1)
    wrong = store_alert(store, an_alert(timenow=future.isoformat()))

    bot.step()

    assert store.orders.of_alert(late)[0].alerted_at == sent
    assert store.orders.of_alert(wrong)[0].alerted_at == BEGIN


# -- prices --------------------------------------------------------------------


def test_price_of_the_alert_is_the_reference_and_is_passed_on(bot, store, quotes):
    alert_id = store_alert(store, an_alert(a_leg(price="101.5")))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.price, order.reference_price) == (None, Decimal("101.5"))
    assert quotes.noted == {SYMBOL: Decimal("101.5")}


def test_price_that_no_alert_names_is_asked_for(bot, store, quotes):
    quotes.prices[SYMBOL] = Decimal(102)
    alert_id = store_alert(store)

    bot.step()

    assert store.orders.of_alert(alert_id)[0].reference_price == 102


def test_price_that_the_broker_does_not_know_is_the_last_one_heard_of(bot, store):
    with store.transaction(durable=False):
        store.positions.note_prices({(NFO, SYMBOL): Decimal(103)})
    alert_id = store_alert(store)

    bot.step()

    assert store.orders.of_alert(alert_id)[0].reference_price == 103


def test_entry_waits_for_a_quote_that_failed_once(bot, store, quotes):
    alert_id = store_alert(store, an_alert(a_leg(price="0")))
    other_id = store_alert(store, an_alert(a_leg("NIFTY28DEC27C25000", price="55")))
    known = {(NFO, SYMBOL): PriceBand(), (NFO, "NIFTY28DEC27C25000"): PriceBand()}
    with store.transaction(durable=False):
        store.positions.note_bands(known)
    quotes.is_down = True

    assert bot.step() == 1
    assert store.orders.of_alert(alert_id) == []
    assert len(store.orders.of_alert(other_id)) == 1

    quotes.is_down = False
    quotes.prices[SYMBOL] = Decimal(101)
    assert bot.step() == 1
    (order,) = store.orders.of_alert(alert_id)
    assert order.reference_price == 101


def test_exit_does_not_wait_for_a_quote(bot, store, quotes):
    hold(store, 65)
    quotes.is_down = True
    alert_id = exit_alert(store, a_leg(price="0"))

    assert bot.step() == 1
    assert len(store.orders.of_alert(alert_id)) == 1


# -- price bands -----------------------------------------------------------------


def test_band_is_noted_before_the_guard_looks(bot, store, quotes):
    quotes.bands[SYMBOL] = PriceBand(lower=Decimal(80), upper=Decimal(120))
    store_alert(store)

    bot.step()

    found = store.positions.band(NFO, SYMBOL, since=BEGIN)
    assert found == quotes.bands[SYMBOL]


def test_flood_of_alerts_asks_once_for_a_band_until_it_has_aged(
    bot, store, quotes, clock
):
    for _ in range(20):
        store_alert(store)
    bot.step()
    store_alert(store)
    bot.step()
    assert quotes.quoted == [SYMBOL]

    clock.advance(BAND_SECONDS)
    store_alert(store)
    bot.step()

    assert quotes.quoted == [SYMBOL, SYMBOL]


def test_entry_waits_a_little_for_a_band_that_cannot_be_had(bot, store, quotes, clock):
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price="101")))
    bot.step()
    assert len(quotes.quoted) == 1
    bot.step()
    assert len(quotes.quoted) == 1
    assert store.orders.of_alert(alert_id) == []

    quotes.is_down = False
    clock.advance(RETRY_SECONDS)
    bot.step()

    assert store.positions.band(NFO, SYMBOL, since=BEGIN) == PriceBand()
    assert len(store.orders.of_alert(alert_id)) == 1


def test_entry_goes_to_the_guard_without_a_band_once_it_has_waited(
    bot, store, quotes, clock
):
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price="101")))
    bot.step()
    clock.advance(PATIENCE_SECONDS)

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1
    assert store.positions.band(NFO, SYMBOL, since=BEGIN) is None


def test_band_of_today_serves_while_the_broker_is_away(bot, store, quotes, clock):
    store_alert(store, an_alert(a_leg(price="101")))
    bot.step()
    quotes.is_down = True
    clock.advance(BAND_SECONDS)
    alert_id = store_alert(store, an_alert(a_leg(price="101")))

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1


@pytest.mark.parametrize("price", ["0", "101"])
def test_alert_is_planned_although_no_price_can_be_had(
    bot, store, quotes, clock, price
):
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price=price)))

    planned = bot.step()
    clock.advance(PRICE_PATIENCE_SECONDS)

    assert planned + bot.step() == 1

    expected = None if price == "0" else Decimal(price)
    assert store.orders.of_alert(alert_id)[0].reference_price == expected


# -- exits ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bought", "side"), [(Side.BUY, Side.SELL), (Side.SELL, Side.BUY)]
)
def test_exit_takes_side_and_quantity_from_the_position(bot, store, bought, side):
    hold(store, 195, side=bought)
    # The alert carries the side and size it once entered with.
    alert_id = exit_alert(store, a_leg(direction=str(bought), qty=65))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.intent, order.side, order.quantity) == (Intent.EXIT, side, 195)


def test_exit_closes_the_product_that_is_held(bot, store):
    hold(store, 65, product=Product.MIS)
    alert_id = exit_alert(store, a_leg(product_type="M"))

    bot.step()

    assert store.orders.of_alert(alert_id)[0].product is Product.MIS


def test_exit_closes_its_own_product_first(bot, store):
    hold(store, 65, product=Product.MIS)
    hold(store, 130, product=Product.NRML)
    alert_id = exit_alert(store, a_leg(product_type="M"))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.product, order.quantity) == (Product.NRML, 130)


def test_exit_of_what_is_flat_is_skipped_and_says_so(bot, store, rings):
    hold(store, 65, strategy="other")
    alert_id = exit_alert(store)

    assert bot.step() == 0

    assert outcome(store, alert_id) == (
        AlertStatus.SKIPPED,
        "nothing to exit: 'straddle' is flat",
    )
    assert store.orders.of_alert(alert_id) == []
    event = store.orders.events(alert_id=alert_id)[-1]
    assert event.trigger == "alert_skipped"


def test_exit_plans_the_legs_that_are_held_and_names_the_others(bot, store):
    hold(store, 65, tradingsymbol=CALL)
    alert_id = exit_alert(store, a_leg(PUT), a_leg(CALL))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.leg, order.tradingsymbol) == (2, CALL)
    assert store.orders.events(alert_id=alert_id)[-1].text == f"1 order, flat in {PUT}"


def test_two_exits_do_not_turn_the_position(bot, store):
    hold(store, 65)
    first, second = exit_alert(store), exit_alert(store)

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(first)] == [65]
    assert store.orders.of_alert(second) == []
    assert outcome(store, second)[0] is AlertStatus.SKIPPED


def test_two_legs_of_one_exit_do_not_turn_the_position(bot, store):
    hold(store, 65)
    alert_id = exit_alert(store, a_leg(), a_leg())

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(alert_id)] == [65]


def test_exit_closes_what_an_exit_under_way_leaves(bot, store):
    hold(store, 195)
    store_order(
        store,
        S.PARTIALLY_FILLED,
        intent=Intent.EXIT,
        side=Side.SELL,
        quantity=130,
        filled_quantity=30,
    )
    # 165 are left, 100 of them under way.
    alert_id = exit_alert(store)

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(alert_id)] == [65]


def test_exit_after_an_exit_that_ended_without_a_fill_closes_it_all(bot, store):
    hold(store, 65)
    store_order(store, S.REJECTED, intent=Intent.EXIT, side=Side.SELL)
    alert_id = exit_alert(store)

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(alert_id)] == [65]


@pytest.mark.parametrize("status", sorted(OPEN))
@pytest.mark.parametrize("intent", [Intent.ENTRY, Intent.ADJUST])
def test_exit_has_unfinished_entries_canceled_and_waits(
    bot, store, rings, status, intent
):
    entry = store_order(store, status, intent=intent, quantity=130)
    alert_id = exit_alert(store)

    assert bot.step() == 0

    assert asked_to_cancel(store) == [entry.order_id]
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED
    assert "command_service" in rings
    assert bot.status() == "1 exits wait for entries to be canceled"


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_exit_does_not_wait_for_what_is_at_an_end(new_bot, store, status):
    store_order(store, status)
    alert_id = exit_alert(store)

    new_bot(replan_seconds=0.0).step()

    assert asked_to_cancel(store) == []
    assert outcome(store, alert_id)[0] is not AlertStatus.RECEIVED


def test_exit_goes_on_with_what_was_filled_before_the_cancel(bot, store):
    entry = store_order(store, S.PARTIALLY_FILLED, quantity=130, filled_quantity=65)
    alert_id = exit_alert(store)
    bot.step()
    bot.step()
    assert store.orders.of_alert(alert_id) == []

    walk(store, entry, T.CANCELED)
    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.side, order.quantity) == (Side.SELL, 65)


def test_exit_is_skipped_when_the_canceled_entry_had_no_fill(bot, store):
    entry = store_order(store, S.ACCEPTED)
    alert_id = exit_alert(store)
    bot.step()

    walk(store, entry, T.CANCELED)
    bot.step()

    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED


def test_exit_that_waits_asks_for_the_cancel_once(bot, store):
    entry = store_order(store, S.ACCEPTED)
    exit_alert(store)
    bot.step()
    with store.transaction(durable=False):
        store.orders.finish_cancel(entry.order_id, result="sent")

    bot.step()

    assert asked_to_cancel(store) == []


def test_exit_asks_again_when_the_broker_refused_the_cancel(bot, store, clock):
    entry = store_order(store, S.ACCEPTED)
    exit_alert(store)
    bot.step()
    with store.transaction(durable=False):
        store.orders.finish_cancel(entry.order_id, result="refused")

    clock.advance(CANCEL_AGAIN_SECONDS)
    bot.step()

    assert asked_to_cancel(store) == [entry.order_id]


def test_exit_that_waited_is_taken_up_by_the_next_process(bot, new_bot, store):
    entry = store_order(store, S.ACCEPTED)
    alert_id = exit_alert(store)
    bot.step()
    again = new_bot()

    again.step()
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED
    walk(store, entry, T.CANCELED)
    again.step()

    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"strategy": "other"}, id="another-strategy"),
        pytest.param({"tradingsymbol": CALL}, id="another-instrument"),
        pytest.param({"exchange": Exchange.BFO}, id="another-exchange"),
    ],
)
def test_exit_does_not_wait_for_other_entries(bot, store, changes):
    hold(store)
    store_order(store, S.ACCEPTED, **changes)
    alert_id = exit_alert(store)

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1
    assert asked_to_cancel(store) == []


def test_exit_does_not_wait_for_entries_that_came_after_it(bot, store):
    entry = store_order(store, S.ACCEPTED)
    alert_id = exit_alert(store)
    bot.step()
    later = store_order(store, S.ACCEPTED, intent=Intent.ADJUST)

    walk(store, entry, T.CANCELED)
    bot.step()

    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED
    assert later.order_id not in asked_to_cancel(store)


# -- planning anew -------------------------------------------------------------


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


def test_lost_entry_is_not_planned_anew_after_its_exit(bot, store, lost):
    # Otherwise the strategy would enter after its exit, and nobody would leave.
    alert_id = exit_alert(store)

    bot.step()
    bot.step()

    assert store.orders.of_alert(lost.alert_id) == [lost]
    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED
    assert outcome(store, lost.alert_id)[0] is AlertStatus.COMPLETED


def test_lost_exit_is_planned_anew_with_what_is_held_by_then(bot, store):
    hold(store, 130)
    alert_id = exit_alert(store)
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    way = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.OUTCOME_UNKNOWN, T.NOT_PLACED)
    walk(store, order, *way)
    hold(store, 65, side=Side.SELL)

    bot.step()

    assert [o.quantity for o in store.orders.of_alert(alert_id)] == [130, 65]


def test_lost_exit_is_not_planned_anew_when_nothing_is_held_any_more(bot, store):
    hold(store, 65)
    alert_id = exit_alert(store)
    bot.step()
    (order,) = store.orders.of_alert(alert_id)
    way = (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.OUTCOME_UNKNOWN, T.NOT_PLACED)
    walk(store, order, *way)
    hold(store, 65, side=Side.SELL)

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1
    assert outcome(store, alert_id)[0] is AlertStatus.COMPLETED


# -- all or nothing ------------------------------------------------------------


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


# -- outcomes ------------------------------------------------------------------


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
