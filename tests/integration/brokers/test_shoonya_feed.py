"""Order messages and prices over the websocket, however it behaves."""

from collections import Counter

import pytest

from shoonya_platform.brokers import shoonya, shoonya_feed
from shoonya_platform.brokers.base import ExecutionReport, UnreadableRow
from shoonya_platform.brokers.shoonya_words import place_fields
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderStatus, Side
from shoonya_platform.testing.waiting import eventually
from tests.contract.broker_worlds import LOT, SYMBOL, a_limit_order, an_order
from tests.integration.brokers.conftest import only_quickauth


def gather(broker, count: int) -> list[str]:
    """Return the statuses of the next reports, once there are so many."""
    found: list[str] = []

    def enough():
        found.extend(str(report.order.status) for report in broker.reports())
        return len(found) >= count

    eventually(enough, 15, message=f"{count} reports")
    return found


def listen(broker) -> None:
    broker.order_book()
    broker.reports()
    eventually(lambda: broker.feed.is_up)
    broker.reports()


def test_reports_come_by_the_feed_without_a_question(simulator, broker):
    listen(broker)
    asked = dict(simulator.app.asked)

    simulator.place_elsewhere(asked_of(simulator))

    assert gather(broker, 2) == ["accepted", "filled"]
    assert simulator.app.asked == asked


def asked_of(simulator) -> dict[str, str]:
    user_id = simulator.credentials.user_id
    return place_fields(an_order(""), user_id, user_id)


def test_doubled_message_is_told_once(simulator, broker):
    listen(broker)
    simulator.add_fault("double_report", count=4)

    broker.place(an_order())

    assert gather(broker, 2) == ["accepted", "filled"]
    assert broker.reports() == []


def test_messages_in_the_wrong_order_lose_no_fill(simulator, broker):
    simulator.account.limit_fills(LOT)
    listen(broker)
    placed = broker.place(an_order(quantity=3 * LOT))
    gather(broker, 3)
    simulator.add_fault("swap_reports")
    # The third fill is held back, until the next message has overtaken it.
    simulator.account.step()
    broker.place(a_limit_order("O-2", price="50"))
    fills: list[ExecutionReport] = []

    def all_there():
        fills.extend(
            report
            for report in broker.reports()
            if report.order.broker_order_id == placed and report.fill is not None
        )
        return fills

    eventually(all_there)
    assert [report.order.status for report in fills] == [OrderStatus.FILLED]


def test_lost_feed_is_made_up_for_by_the_books(simulator, broker):
    listen(broker)
    resting = broker.place(a_limit_order(price="90"))
    assert gather(broker, 1) == ["accepted"]

    simulator.add_fault("drop_feed")
    simulator.set_price(Exchange.NFO, SYMBOL, "90")

    assert gather(broker, 1) == ["filled"]
    eventually(lambda: broker.feed.is_up, 15)
    assert broker.reports() == []
    assert {trade.broker_order_id for trade in broker.trade_book()} == {resting}


def test_what_happened_during_an_outage_is_told_once_it_is_over(simulator, broker):
    listen(broker)
    broker.place(a_limit_order("O-1", price="90"))
    gather(broker, 1)

    simulator.go_down()
    simulator.set_price(Exchange.NFO, SYMBOL, "90")
    simulator.place_elsewhere(asked_of(simulator))
    simulator.start()
    eventually(lambda: broker.feed.is_up, 15)

    assert Counter(gather(broker, 3)) == {"filled": 2, "accepted": 1}


def test_feed_that_stays_silent_is_given_up_and_the_books_are_read(simulator, broker):
    simulator.add_fault("silent_feed")
    broker.order_book()
    broker.reports()
    assert not broker.feed.is_up

    broker.place(an_order())

    assert gather(broker, 2) == ["accepted", "filled"]
    eventually(lambda: broker.feed.is_up, 15)


def test_refused_feed_is_not_knocked_at_again_with_the_same_token(simulator, broker):
    simulator.add_fault("refuse_feed", count=100)
    broker.order_book()
    broker.reports()
    eventually(lambda: broker.feed.refused_token is not None)

    broker.place(an_order())

    assert gather(broker, 2) == ["accepted", "filled"]
    assert simulator.faults.waiting()[0].count == 99


@only_quickauth
def test_feed_takes_the_new_session_after_a_log_in(simulator, broker):
    listen(broker)
    simulator.expire_session()
    eventually(lambda: not broker.feed.is_up)

    broker.place(an_order())

    assert gather(broker, 2) == ["accepted", "filled"]
    eventually(lambda: broker.feed.is_up, 15)
    assert simulator.access.logins == 2


def test_prices_come_by_the_feed_once_they_were_asked_for(simulator, broker):
    listen(broker)
    assert broker.last_price(Exchange.NFO, SYMBOL) == 100
    eventually(lambda: simulator.hub.connections()[0].scrips)
    simulator.set_price(Exchange.NFO, SYMBOL, "101.5")
    eventually(lambda: broker.last_price(Exchange.NFO, SYMBOL) == 101.5)
    asked = simulator.app.asked["GetQuotes"]

    for _ in range(5):
        assert broker.last_price(Exchange.NFO, SYMBOL) == 101.5

    assert simulator.app.asked["GetQuotes"] == asked


def test_price_of_a_silent_feed_is_replaced_by_a_quote(simulator, broker, monkeypatch):
    listen(broker)
    broker.last_price(Exchange.NFO, SYMBOL)
    eventually(lambda: simulator.hub.connections()[0].scrips)
    simulator.set_price(Exchange.NFO, SYMBOL, "101.5")
    eventually(lambda: broker.last_price(Exchange.NFO, SYMBOL) == 101.5)
    asked = simulator.app.asked["GetQuotes"]
    monkeypatch.setattr(shoonya_feed, "_SILENT_SECONDS", -1.0)
    monkeypatch.setattr(shoonya, "_FEED_PRICE_SECONDS", -1.0)

    assert broker.last_price(Exchange.NFO, SYMBOL) == 101.5

    assert simulator.app.asked["GetQuotes"] == asked + 1


def test_new_token_makes_a_new_connection(simulator, broker, monkeypatch):
    listen(broker)
    old = broker.feed.local_port
    token = broker.feed._token()
    answers = iter([f"{token}-next"])
    monkeypatch.setattr(broker.feed, "_token", lambda: next(answers, token))

    eventually(lambda: broker.feed.is_up and broker.feed.local_port != old, 15)

    assert broker.feed.take_reread()


def test_prices_are_subscribed_again_after_a_reconnection(simulator, broker):
    listen(broker)
    broker.last_price(Exchange.NFO, SYMBOL)
    eventually(lambda: simulator.hub.connections()[0].scrips)

    simulator.hub.close_all()
    eventually(lambda: not broker.feed.is_up)
    eventually(lambda: broker.feed.is_up, 15)

    eventually(
        lambda: any(connection.scrips for connection in simulator.hub.connections())
    )


def test_close_ends_the_feed(simulator, broker):
    listen(broker)

    broker.close()

    eventually(lambda: simulator.hub.connections() == [])


def test_partial_fills_and_the_cancel_after_them_are_told(simulator, broker):
    simulator.account.limit_fills(LOT)
    listen(broker)

    placed = broker.place(an_order(side=Side.SELL, quantity=4 * LOT))
    gathered = gather(broker, 3)
    broker.cancel(placed)

    assert gathered == ["accepted", "partially_filled", "partially_filled"]
    assert gather(broker, 1) == ["canceled"]
    (order,) = broker.order_book()
    assert (order.status, order.filled_quantity) == (OrderStatus.CANCELED, 2 * LOT)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("[" * 100_000, id="too-deep"),
        pytest.param("{", id="cut"),
        pytest.param("", id="empty"),
        pytest.param("7", id="a-scalar"),
        pytest.param('{"t": ["om"]}', id="no-kind"),
        pytest.param('{"t": "om"}', id="no-order"),
        pytest.param('{"t": "om", "norenordno": "7", "qty": {}}', id="wrong-types"),
        pytest.param('{"t": "om", "norenordno": "\\ud800"}', id="surrogate"),
    ],
)
def test_frame_that_cannot_be_used_is_listed_and_the_feed_goes_on(
    simulator, broker, frame
):
    listen(broker)
    port = broker.feed.local_port
    asked = simulator.app.asked["OrderBook"]
    # Nothing but an end is queued as empty text.
    simulator.hub.connections()[0]._put(frame or " ")
    found: list[UnreadableRow] = []

    def is_listed():
        broker.reports()
        found.extend(broker.unreadable())
        return found

    eventually(is_listed)
    broker.reports()
    broker.place(an_order())
    assert gather(broker, 2) == ["accepted", "filled"]
    assert broker.feed.local_port == port
    assert [row.book for row in found] == ["reports"]
    found[0].why.encode()
    # It may have been an order message: the books have it.
    assert simulator.app.asked["OrderBook"] == asked + 1
    assert broker.unreadable() == []


def test_odd_price_is_listed_and_none_is_better_than_the_one_before(simulator, broker):
    listen(broker)
    broker.last_price(Exchange.NFO, SYMBOL)
    eventually(lambda: simulator.hub.connections()[0].scrips)
    (key,) = simulator.hub.connections()[0].scrips
    exchange, _, token = key.partition("|")
    frame = {"t": "tf", "e": exchange, "tk": token}
    eventually(lambda: broker.feed.last_price(key) == 100)

    simulator.hub.tell_price(key, {**frame, "lp": "1e400"})

    eventually(lambda: broker.feed.last_price(key) is None)
    assert [row.why for row in broker.unreadable()] == ["'lp' is '1e400'"]
    simulator.hub.tell_price(key, {**frame, "lp": "99.5"})
    eventually(lambda: broker.feed.last_price(key) == 99.5)


@pytest.mark.parametrize(
    "error", [RuntimeError("a secret"), MemoryError(), SystemExit()]
)
def test_thread_that_dies_is_reported_and_started_again(
    simulator, broker, told, monkeypatch, error
):
    listen(broker)

    def fail(content):
        raise error

    monkeypatch.setattr(broker.feed, "_take", fail)
    simulator.place_elsewhere(asked_of(simulator))
    eventually(lambda: not broker.feed._thread.is_alive())
    monkeypatch.undo()

    assert Counter(gather(broker, 2)) == {"accepted": 1, "filled": 1}
    eventually(lambda: broker.feed.is_up, 15)
    (sentence,) = told
    assert type(error).__name__ in sentence
    assert "a secret" not in sentence


def test_thread_that_dies_over_and_over_is_started_again_with_pauses(
    broker, told, monkeypatch
):
    def fail():
        raise RuntimeError

    monkeypatch.setattr(broker.feed, "_run", fail)
    for _ in range(20):
        broker.feed.begin(0)
        broker.feed._thread.join()

    # At once, and then not within the first second.
    assert len(told) == 1
    broker.feed._started_at -= 1
    broker.feed.begin(0)
    assert len(told) == 2
