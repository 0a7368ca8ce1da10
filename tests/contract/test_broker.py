"""
What every broker must do, as numbered cases.

A broker joins by a `World` of its own in `broker_worlds`: the account, the market
around it and the faults that may befall it.

Long, as the numbered cases are one list that every world is held to whole.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shoonya_platform.brokers.base import Broker, Quote
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
)
from tests.contract.broker_worlds import (
    CASH,
    EXAMPLES,
    LOT,
    ROUNDING,
    SYMBOL,
    WORLDS,
    World,
    a_change,
    a_limit_order,
    an_order,
    books_agree,
    in_book,
    named,
    statuses,
)
from tests.contract.noren_world import GOLD

#: How often the placing process is killed, each time at another moment.
KILLS = 8
WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


@pytest.fixture(params=WORLDS)
def world(request, tmp_path) -> Iterator[World]:
    made: World = WORLDS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def broker(world) -> Broker:
    opened: Broker = world.open()
    return opened


def test_b01_market_order_is_accepted_and_filled_at_the_last_price(world, broker):
    world.move_price("101.5")

    placed = broker.place(an_order())

    reports = broker.reports()
    assert [report.order.status for report in reports] == ["accepted", "filled"]
    assert {report.order.broker_order_id for report in reports} == {placed}
    assert reports[-1].fill is not None
    assert (reports[-1].fill.quantity, reports[-1].fill.price) == (
        LOT,
        Decimal("101.5"),
    )
    order = in_book(broker, placed)
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, LOT)
    assert order.average_price == Decimal("101.5")
    assert order.client_order_id == "O-1"
    books_agree(broker)


def test_b02_limit_order_away_from_the_price_rests_until_it_is_canceled(world, broker):
    world.move_price("100")

    placed = broker.place(a_limit_order(price="90"))
    assert statuses(broker, placed) == ["accepted"]
    assert in_book(broker, placed).status is OrderStatus.ACCEPTED

    broker.cancel(placed)

    assert statuses(broker, placed) == ["canceled"]
    assert in_book(broker, placed).status is OrderStatus.CANCELED
    assert broker.trade_book() == []


@pytest.mark.parametrize(
    ("side", "limit", "away", "touch"),
    [
        pytest.param(Side.BUY, "90", "90.05", "90", id="buy"),
        pytest.param(Side.SELL, "110", "109.95", "110", id="sell"),
    ],
)
def test_b03_resting_limit_order_fills_at_its_limit_once_touched(
    world, broker, side, limit, away, touch
):
    world.move_price("100")
    placed = broker.place(a_limit_order(price=limit, side=side))

    world.move_price(away)
    assert in_book(broker, placed).status is OrderStatus.ACCEPTED

    world.move_price(touch)
    order = in_book(broker, placed)
    assert (order.status, order.average_price) == (OrderStatus.FILLED, Decimal(limit))


def test_b04_limit_order_that_crosses_the_price_trades_at_the_better_price(
    world, broker
):
    world.move_price("100")

    placed = broker.place(a_limit_order(price="105"))

    assert in_book(broker, placed).average_price == Decimal(100)


@pytest.mark.parametrize(
    ("side", "trigger", "quiet", "touch"),
    [
        pytest.param(Side.SELL, "90", "90.05", "90", id="sell-stop-loss"),
        pytest.param(Side.BUY, "110", "109.95", "110", id="buy-stop-loss"),
    ],
)
def test_b05_stop_order_sleeps_until_its_trigger_price_trades(
    world, broker, side, trigger, quiet, touch
):
    world.move_price("100")
    placed = broker.place(
        an_order(side=side, order_type=OrderType.STOP_MARKET, trigger_price=trigger)
    )
    world.move_price(quiet)
    assert in_book(broker, placed).status is OrderStatus.ACCEPTED

    world.move_price(touch)

    assert in_book(broker, placed).status is OrderStatus.FILLED


def test_b06_triggered_stop_limit_order_keeps_to_its_limit(world, broker):
    world.move_price("100")
    placed = broker.place(
        an_order(order_type=OrderType.STOP_LIMIT, trigger_price="110", price="112")
    )

    world.move_price("115")
    assert in_book(broker, placed).status is OrderStatus.ACCEPTED

    # The trigger has done its work: below it the order is a plain limit order.
    world.move_price("105")
    order = in_book(broker, placed)
    assert (order.status, order.average_price) == (OrderStatus.FILLED, Decimal(112))


def test_b07_stop_limit_order_trades_at_the_price_that_triggers_it(world, broker):
    world.move_price("100")
    placed = broker.place(
        an_order(order_type=OrderType.STOP_LIMIT, trigger_price="110", price="112")
    )

    world.move_price("111")

    assert in_book(broker, placed).average_price == Decimal(111)


def test_b08_order_filled_in_part_can_be_canceled_and_keeps_its_fills(world):
    world.limit_fills(2 * LOT)
    broker = world.open()
    world.move_price("100")

    placed = broker.place(an_order(quantity=5 * LOT))
    assert statuses(broker, placed) == [
        "accepted",
        "partially_filled",
        "partially_filled",
    ]
    broker.cancel(placed)

    order = in_book(broker, placed)
    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELED, 4 * LOT)
    assert statuses(broker, placed) == ["canceled"]
    books_agree(broker)


def test_b09_immediate_order_cancels_what_it_did_not_get_at_once(world):
    world.limit_fills(LOT)
    broker = world.open()

    placed = broker.place(an_order(quantity=3 * LOT, time_in_force=TimeInForce.IOC))

    order = in_book(broker, placed)
    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELED, LOT)
    assert order.reason != ""


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(an_order(tradingsymbol="NOSUCHTHING"), id="unknown-instrument"),
        pytest.param(an_order(quantity=0), id="no-quantity"),
        pytest.param(an_order(quantity=-LOT), id="negative-quantity"),
        pytest.param(an_order(order_type=OrderType.LIMIT), id="limit-without-price"),
        pytest.param(
            an_order(order_type=OrderType.STOP_MARKET), id="stop-without-trigger"
        ),
        pytest.param(a_limit_order(price="-5"), id="negative-price"),
    ],
)
def test_b10_request_that_cannot_be_read_is_refused_at_once_with_a_reason(
    broker, order
):
    with pytest.raises(BrokerRejected) as refusal:
        broker.place(order)

    assert refusal.value.message != ""
    assert broker.order_book() == []
    assert broker.reports() == []


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(an_order(quantity=LOT + 1), id="not-in-lots"),
        pytest.param(an_order(quantity=28 * LOT), id="beyond-freeze"),
        pytest.param(a_limit_order(price="90.03"), id="off-tick"),
        pytest.param(a_limit_order(price="90000"), id="margin-shortfall"),
        pytest.param(
            an_order(order_type=OrderType.STOP_LIMIT, price="90", trigger_price="95"),
            id="trigger-beyond-limit",
        ),
    ],
)
def test_b11_order_the_exchange_refuses_is_accepted_and_rejected_by_report(
    broker, order
):
    placed = broker.place(order)

    report = broker.reports()[-1]
    assert (report.order.broker_order_id, report.order.status) == (placed, "rejected")
    assert report.order.reason != ""
    assert in_book(broker, placed) == report.order
    assert broker.limits().margin_used == 0


def test_b12_order_whose_answer_was_lost_is_found_by_its_client_order_id(world, broker):
    world.answer_too_late()

    with pytest.raises(OutcomeUnknown):
        broker.place(an_order("O-lost"))

    (order,) = named(broker, "O-lost")
    assert order.status is OrderStatus.FILLED


def test_b13_request_that_was_lost_is_absent_from_the_order_book(world, broker):
    world.lose_request()

    with pytest.raises(OutcomeUnknown):
        broker.place(an_order("O-lost"))

    assert named(broker, "O-lost") == []
    assert broker.reports() == []


def test_b14_same_client_order_id_sent_twice_is_two_orders(broker):
    first = broker.place(an_order("O-twice"))
    second = broker.place(an_order("O-twice"))

    assert first != second
    assert len(named(broker, "O-twice")) == 2
    books_agree(broker)


def test_b15_reports_lead_to_what_the_books_say(world, broker):
    world.move_price("100")
    resting = broker.place(a_limit_order("O-1", price="90"))
    broker.place(an_order("O-2", side=Side.SELL, quantity=2 * LOT))
    broker.place(an_order("O-3", quantity=LOT + 1))
    world.move_price("90")
    broker.place(a_limit_order("O-4", price="50"))
    broker.cancel(named(broker, "O-4")[0].broker_order_id)

    reports = broker.reports()

    last = {report.order.broker_order_id: report.order for report in reports}
    assert last == {order.broker_order_id: order for order in broker.order_book()}
    assert last[resting].status is OrderStatus.FILLED
    assert [report.fill for report in reports if report.fill is not None] == [
        trade.fill for trade in broker.trade_book()
    ]
    books_agree(broker)


def test_b16_order_of_another_program_is_shown_without_a_client_order_id(world, broker):
    placed = world.place_elsewhere(an_order())

    assert in_book(broker, placed).client_order_id is None
    assert [trade.client_order_id for trade in broker.trade_book()] == [None]
    assert {report.order.client_order_id for report in broker.reports()} == {None}
    assert [position.quantity for position in broker.positions()] == [LOT]


def test_b17_cancel_of_an_unknown_or_closed_order_is_refused(broker):
    filled = broker.place(an_order())

    for broker_order_id in (filled, "26112500009999", "no number", ""):
        with pytest.raises(BrokerRejected):
            broker.cancel(BrokerOrderId(broker_order_id))


def test_b18_cancel_without_an_answer_may_be_asked_again(world, broker):
    world.move_price("100")
    placed = broker.place(a_limit_order())

    world.lose_request()
    with pytest.raises(OutcomeUnknown):
        broker.cancel(placed)
    assert in_book(broker, placed).status is OrderStatus.ACCEPTED

    world.answer_too_late()
    with pytest.raises(OutcomeUnknown):
        broker.cancel(placed)
    assert in_book(broker, placed).status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda broker: broker.place(an_order()), id="place"),
        pytest.param(lambda broker: broker.cancel("26112500000001"), id="cancel"),
        pytest.param(lambda broker: broker.reports(), id="reports"),
        pytest.param(lambda broker: broker.order_book(), id="order_book"),
        pytest.param(lambda broker: broker.trade_book(), id="trade_book"),
        pytest.param(lambda broker: broker.positions(), id="positions"),
        pytest.param(lambda broker: broker.limits(), id="limits"),
        pytest.param(
            lambda broker: broker.margin([a_limit_order(price="90")]), id="margin"
        ),
        pytest.param(
            lambda broker: broker.last_price(Exchange.NFO, SYMBOL), id="last_price"
        ),
        pytest.param(lambda broker: broker.quote(Exchange.NFO, SYMBOL), id="quote"),
        pytest.param(
            lambda broker: broker.instrument(Exchange.NFO, SYMBOL), id="instrument"
        ),
    ],
)
def test_b19_broker_that_is_down_answers_nothing_and_takes_nothing(world, broker, call):
    world.go_down()

    with pytest.raises(BrokerUnavailable):
        call(broker)

    assert broker.order_book() == []


def test_b20_reports_begin_with_the_object_and_are_told_once(world, broker):
    broker.place(an_order("O-before"))

    later = world.open()
    assert later.reports() == []
    broker.place(an_order("O-after"))

    assert {report.order.client_order_id for report in later.reports()} == {"O-after"}
    assert later.reports() == []
    # The other one has a place of its own in the stream.
    assert {report.order.client_order_id for report in broker.reports()} == {
        "O-before",
        "O-after",
    }


def test_b21_limits_follow_orders_and_positions(world, broker):
    world.move_price("100")
    assert broker.limits().available == CASH

    resting = broker.place(a_limit_order(price="90"))
    assert broker.limits().margin_used == 90 * LOT
    broker.cancel(resting)
    assert broker.limits().margin_used == 0

    broker.place(an_order())
    assert broker.limits().margin_used == 100 * LOT
    world.move_price("110")
    broker.place(an_order(side=Side.SELL))

    limits = broker.limits()
    assert (limits.margin_used, limits.cash) == (0, CASH + 10 * LOT)


def test_b22_order_that_closes_a_position_needs_no_margin(world, broker):
    world.move_price("600")
    broker.place(an_order(quantity=25 * LOT))
    assert broker.limits().available < 600 * LOT * 2

    closing = broker.place(an_order(side=Side.SELL, quantity=25 * LOT))

    assert in_book(broker, closing).status is OrderStatus.FILLED
    assert broker.limits().available == CASH


def test_b23_position_is_closed_free_of_margin_only_once(world, broker):
    world.move_price("100")
    broker.place(an_order())
    broker.place(a_limit_order("O-2", side=Side.SELL, price="120"))
    assert broker.limits().margin_used == 100 * LOT

    broker.place(a_limit_order("O-3", side=Side.SELL, price="130"))

    assert broker.limits().margin_used == (100 + 130) * LOT


def test_b42_money_is_counted_by_the_price_factor(broker):
    gold = replace(an_order(quantity=2), exchange=Exchange.MCX, tradingsymbol=GOLD)
    before = broker.limits()

    broker.place(gold)

    (position,) = broker.positions()
    assert (position.quantity, position.price_factor) == (2, 100)
    value = 2 * position.average_price * 100
    # Paper money has to cover the value, a future at the broker a share of it.
    used = broker.limits().margin_used
    assert value / 10 < used <= min(value, before.available)

    broker.place(
        replace(gold, side=Side.SELL, quantity=1, client_order_id=ClientOrderId("O-2"))
    )

    (position,) = broker.positions()
    assert broker.limits().cash == CASH + position.realised_pnl
    books_agree(broker)


def test_b24_products_are_positions_of_their_own(broker):
    broker.place(an_order(product=Product.NRML))
    broker.place(an_order(product=Product.MIS, side=Side.SELL))

    assert {(p.product, p.quantity) for p in broker.positions()} == {
        (Product.NRML, LOT),
        (Product.MIS, -LOT),
    }
    books_agree(broker)


def test_b25_last_price_and_instrument_are_told(world, broker):
    world.move_price("101.5")

    assert broker.last_price(Exchange.NFO, SYMBOL) == Decimal("101.5")
    assert broker.last_price(Exchange.NFO, "NOSUCHTHING") is None
    instrument = broker.instrument(Exchange.NFO, SYMBOL)
    assert instrument is not None
    assert (instrument.tradingsymbol, instrument.lot_size) == (SYMBOL, LOT)
    assert broker.instrument(Exchange.NFO, "NOSUCHTHING") is None


def test_b26_times_are_aware_and_ids_are_distinct(broker):
    placed = [broker.place(an_order(f"O-{n}")) for n in range(5)]

    assert len(set(placed)) == 5
    for order in broker.order_book():
        assert order.updated_at.utcoffset() == timedelta(0)
    for trade in broker.trade_book():
        assert trade.fill.filled_at.utcoffset() == timedelta(0)


def test_b27_processes_that_place_at_once_lose_nothing(world):
    count = 100
    placers = [world.spawn_placer(name, count) for name in ("P", "Q", "R")]

    placed: list[str] = []
    for placer in placers:
        out, err = placer.communicate(timeout=60)
        assert placer.returncode == 0, err
        placed += out.split()

    broker = world.open()
    assert len(set(placed)) == 3 * count
    assert {order.broker_order_id for order in broker.order_book()} == set(placed)
    assert {order.client_order_id for order in broker.order_book()} == {
        f"{name}-{n}" for name in ("P", "Q", "R") for n in range(count)
    }
    assert [position.quantity for position in broker.positions()] == [0]
    books_agree(broker)


def test_b28_process_killed_while_placing_leaves_whole_orders_only(world):
    acknowledged: set[str] = set()
    for attempt in range(KILLS):
        placer = world.spawn_placer(f"K{attempt}", 100_000)
        assert placer.stdout is not None
        # Each time somewhere else: after so many answers, and within the next.
        for _ in range(1 + 7 * attempt):
            acknowledged.add(placer.stdout.readline().strip())
        placer.kill()
        acknowledged |= set(placer.stdout.read().split("\n")[:-1])
        placer.communicate(timeout=60)

        broker = world.open()
        books_agree(broker)
        book = {order.broker_order_id: order for order in broker.order_book()}
        assert acknowledged <= set(book)
        # One more may be there whose answer nobody has heard: that is all.
        assert len(book) <= len(acknowledged) + attempt + 1
        assert {order.status for order in book.values()} == {OrderStatus.FILLED}
        broker.close()


# -- other terms ---------------------------------------------------------------


def test_b30_resting_order_gets_a_price_and_fills_at_it(world, broker):
    world.move_price("100")
    placed = broker.place(a_limit_order(price="90"))
    broker.reports()

    broker.modify(a_change(placed, price="95"))

    order = in_book(broker, placed)
    assert (order.status, order.price, order.quantity) == (
        OrderStatus.ACCEPTED,
        Decimal(95),
        LOT,
    )
    (report,) = broker.reports()
    assert (report.order, report.fill) == (order, None)
    assert broker.limits().margin_used == 95 * LOT
    world.move_price("95")
    assert in_book(broker, placed).average_price == Decimal(95)
    books_agree(broker)


def test_b31_price_that_crosses_trades_at_once(world, broker):
    world.move_price("100")
    placed = broker.place(a_limit_order(price="90"))

    broker.modify(a_change(placed, price="105"))

    order = in_book(broker, placed)
    assert (order.status, order.average_price) == (OrderStatus.FILLED, Decimal(100))
    books_agree(broker)


def test_b32_quantity_is_the_total_with_what_is_filled(world):
    world.limit_fills(LOT)
    broker = world.open()
    world.move_price("100")
    placed = broker.place(a_limit_order(price="100", quantity=5 * LOT))
    filled = in_book(broker, placed).filled_quantity
    assert 0 < filled < 5 * LOT
    world.move_price("110")

    broker.modify(a_change(placed, price="100", quantity=filled + LOT))
    assert in_book(broker, placed).quantity == filled + LOT
    world.move_price("100")
    for _ in range(3):
        broker.order_book()

    order = in_book(broker, placed)
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, filled + LOT)
    books_agree(broker)


def test_b33_stop_order_gets_another_trigger(world, broker):
    world.move_price("100")
    placed = broker.place(
        an_order(
            side=Side.SELL,
            order_type=OrderType.STOP_LIMIT,
            price="80",
            trigger_price="90",
        )
    )

    broker.modify(
        a_change(
            placed, order_type=OrderType.STOP_LIMIT, price="85", trigger_price="95"
        )
    )

    assert in_book(broker, placed).trigger_price == Decimal(95)
    world.move_price("95")
    assert in_book(broker, placed).status is OrderStatus.FILLED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"quantity": LOT + 1}, id="not-in-lots"),
        pytest.param({"quantity": 28 * LOT}, id="beyond-freeze"),
        pytest.param({"quantity": 0}, id="no-quantity"),
        pytest.param({"price": "95.03"}, id="off-tick"),
        pytest.param({"price": "90000"}, id="margin-shortfall"),
        pytest.param({"price": "-5"}, id="negative-price"),
    ],
)
def test_b34_terms_the_exchange_would_not_take_are_refused_and_the_old_ones_hold(
    world, broker, changes
):
    world.move_price("100")
    placed = broker.place(a_limit_order(price="90"))
    before = in_book(broker, placed)

    with pytest.raises(BrokerRejected) as refusal:
        broker.modify(a_change(placed, **changes))

    assert refusal.value.message != ""
    assert in_book(broker, placed) == before
    books_agree(broker)


def test_b35_order_that_is_unknown_or_at_its_end_gets_no_terms(broker):
    filled = broker.place(an_order())

    for broker_order_id in (filled, "26112500009999", "no number", ""):
        with pytest.raises(BrokerRejected):
            broker.modify(a_change(BrokerOrderId(broker_order_id)))


def test_b36_terms_without_an_answer_stand_in_the_order_book_or_do_not(world, broker):
    world.move_price("100")
    placed = broker.place(a_limit_order(price="90"))

    world.lose_request()
    with pytest.raises(OutcomeUnknown):
        broker.modify(a_change(placed, price="95"))
    assert in_book(broker, placed).price == Decimal(90)

    world.answer_too_late()
    with pytest.raises(OutcomeUnknown):
        broker.modify(a_change(placed, price="95"))
    assert in_book(broker, placed).price == Decimal(95)


def test_b37_broker_that_is_down_takes_no_terms(world, broker):
    world.move_price("100")
    placed = broker.place(a_limit_order(price="90"))
    world.go_down()

    with pytest.raises(BrokerUnavailable):
        broker.modify(a_change(placed, price="95"))

    assert in_book(broker, placed).price == Decimal(90)


# -- the band of the day ---------------------------------------------------------


def test_b38_quote_has_the_price_and_the_band_of_the_day(world):
    world.set_band("80", "120")
    broker = world.open()
    world.move_price("101.5")

    quote = broker.quote(Exchange.NFO, SYMBOL)

    assert quote == Quote(
        last_price=Decimal("101.5"),
        band=PriceBand(lower=Decimal(80), upper=Decimal(120)),
    )
    assert broker.quote(Exchange.NFO, "NOSUCHTHING") is None
    world.go_down()
    with pytest.raises(BrokerUnavailable):
        broker.quote(Exchange.NFO, SYMBOL)


@pytest.mark.parametrize(
    ("price", "is_taken"),
    [("79.95", False), ("80", True), ("120", True), ("121", False)],
)
def test_b39_order_and_terms_beyond_the_band_are_not_taken(world, price, is_taken):
    world.set_band("80", "120")
    broker = world.open()
    world.move_price("100")
    side = Side.BUY if Decimal(price) < 100 else Side.SELL

    placed = broker.place(a_limit_order("O-1", price=price, side=side))

    order = in_book(broker, placed)
    assert (order.status is OrderStatus.ACCEPTED) is is_taken
    resting = broker.place(a_limit_order("O-2", price="90"))
    if Decimal(price) < 100:
        if is_taken:
            broker.modify(a_change(resting, price=price))
        else:
            with pytest.raises(BrokerRejected, match="outside"):
                broker.modify(a_change(resting, price=price))


# -- rows that cannot be used ----------------------------------------------------


def test_b40_books_whose_every_row_is_usable_have_nothing_unreadable(world, broker):
    assert broker.unreadable() == []
    world.move_price("101.5")
    broker.place(an_order())

    broker.reports()
    books_agree(broker)

    assert broker.unreadable() == []


def test_b41_unreadable_asks_the_broker_nothing(world, broker):
    world.go_down()

    assert broker.unreadable() == []

    with pytest.raises(BrokerUnavailable):
        broker.order_book()


LIMITS = st.integers(min_value=1, max_value=60).map(lambda n: str(Decimal(n) * 5))
IDS = st.integers(min_value=0, max_value=40)


class AnyTrading(RuleBasedStateMachine):
    """Places, modifies, cancels and moves the price at random."""

    world_class: Callable[[Path], World]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = type(self).world_class(self.folder)
        self.world.limit_fills(2 * LOT)
        self.broker = self.world.open()
        self.placed: list[BrokerOrderId] = []
        self.types: dict[BrokerOrderId, OrderType] = {}

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder)

    @rule(
        side=st.sampled_from(Side),
        lots=st.integers(min_value=1, max_value=6),
        price=LIMITS,
        trigger=LIMITS,
        order_type=st.sampled_from(OrderType),
        time_in_force=st.sampled_from(TimeInForce),
    )
    def place(self, side, lots, price, trigger, order_type, time_in_force):
        self.placed.append(
            self.broker.place(
                an_order(
                    f"O-{len(self.placed)}",
                    side=side,
                    quantity=lots * LOT,
                    price=price,
                    trigger_price=trigger,
                    order_type=order_type,
                    time_in_force=time_in_force,
                )
            )
        )
        self.types[self.placed[-1]] = order_type

    @precondition(lambda self: self.placed)
    @rule(which=IDS)
    def cancel(self, which):
        order = in_book(self.broker, self.placed[which % len(self.placed)])
        if order.status in WORKING:
            self.broker.cancel(order.broker_order_id)
        else:
            with pytest.raises(BrokerRejected):
                self.broker.cancel(order.broker_order_id)

    @precondition(lambda self: self.placed)
    @rule(which=IDS, lots=st.integers(min_value=1, max_value=6), price=LIMITS)
    def modify(self, which, lots, price):
        order = in_book(self.broker, self.placed[which % len(self.placed)])
        change = a_change(order.broker_order_id, price=price, quantity=lots * LOT)
        kind = self.types[order.broker_order_id]
        change = replace(change, order_type=kind, trigger_price=order.trigger_price)
        try:
            self.broker.modify(change)
        except BrokerRejected:
            assert in_book(self.broker, order.broker_order_id) == order
        else:
            assert order.status in WORKING
            assert order.filled_quantity < lots * LOT

    @rule(price=LIMITS)
    def move_price(self, price):
        self.world.move_price(price)

    @rule()
    def step(self):
        self.broker.order_book()

    @invariant()
    def the_books_agree(self):
        books_agree(self.broker)

    @invariant()
    def the_money_adds_up(self):
        book = self.broker.order_book()
        limits = self.broker.limits()
        positions = self.broker.positions()
        rounding = ROUNDING[self.broker.name]
        cash = CASH + sum(p.realised_pnl for p in positions)
        assert abs(limits.cash - cash) <= rounding * (len(positions) + 1)
        held = sum(abs(p.quantity) * p.average_price for p in positions)
        off = Decimal("0.01") + rounding * (1 + sum(abs(p.quantity) for p in positions))
        blocked = limits.margin_used - held
        assert blocked > -off
        if all(order.status not in WORKING for order in book):
            assert blocked < off


@pytest.mark.parametrize("kind", WORLDS)
def test_b29_whatever_is_traded_the_books_and_the_money_agree(kind):
    class Trading(AnyTrading):
        world_class = WORLDS[kind]

    run_state_machine_as_test(
        Trading,
        settings=hypothesis_settings(
            max_examples=EXAMPLES[kind], stateful_step_count=25
        ),
    )
