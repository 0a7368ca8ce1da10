"""What is told of an order, whichever way and how often the news comes."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import BrokerOrder, BrokerTrade, ExecutionReport
from shoonya_platform.brokers.shoonya_reports import Told
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Fill,
    OrderStatus,
    Side,
    TradeId,
)

NOW = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
S = OrderStatus
NUMBER = BrokerOrderId("26112500000001")


def order(status: OrderStatus, filled: int = 0, number=NUMBER) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=number,
        client_order_id=ClientOrderId("O-1"),
        exchange=Exchange.NFO,
        tradingsymbol="NIFTY27JAN26C25700",
        side=Side.BUY,
        product=Product.NRML,
        quantity=30,
        status=status,
        filled_quantity=filled,
        average_price=Decimal(100) if filled else None,
        reason="",
        updated_at=NOW,
    )


def trade(n: int, number=NUMBER) -> BrokerTrade:
    return BrokerTrade(
        broker_order_id=number,
        client_order_id=ClientOrderId("O-1"),
        fill=Fill(
            trade_id=TradeId(f"{number}-{n}"),
            quantity=10,
            price=Decimal(100),
            filled_at=NOW,
        ),
    )


def message(status: OrderStatus, filled: int = 0, fill: int = 0) -> ExecutionReport:
    return ExecutionReport(
        order=order(status, filled), fill=trade(fill).fill if fill else None
    )


#: The messages of an order that is filled in three parts.
LIFE = [
    message(S.ACCEPTED),
    message(S.ACCEPTED),
    message(S.PARTIALLY_FILLED, 10, 1),
    message(S.PARTIALLY_FILLED, 20, 2),
    message(S.FILLED, 30, 3),
]


@pytest.fixture
def told() -> Told:
    begun = Told()
    begun.begin([], [])
    return begun


def statuses(reports) -> list[OrderStatus]:
    return [report.order.status for report in reports if report is not None]


def test_three_words_for_accepted_are_one_report(told):
    assert statuses(map(told.news, LIFE)) == [
        S.ACCEPTED,
        S.PARTIALLY_FILLED,
        S.PARTIALLY_FILLED,
        S.FILLED,
    ]


@pytest.mark.parametrize("seed", range(20))
def test_each_fill_is_told_once_whatever_the_order_and_however_often(told, seed):
    messages = LIFE * 2
    random.Random(seed).shuffle(messages)

    found = [report for report in map(told.news, messages) if report is not None]

    fills = [report.fill.trade_id for report in found if report.fill is not None]
    assert sorted(fills) == [f"{NUMBER}-{n}" for n in (1, 2, 3)]
    assert told.catch_up([order(S.FILLED, 30)], [trade(n) for n in (1, 2, 3)]) == []


def test_books_tell_the_whole_story_of_an_order_that_was_missed(told):
    found = told.catch_up([order(S.CANCELED, 20)], [trade(1), trade(2)])

    assert statuses(found) == [
        S.ACCEPTED,
        S.PARTIALLY_FILLED,
        S.PARTIALLY_FILLED,
        S.CANCELED,
    ]
    assert found[-1].order == order(S.CANCELED, 20)


def test_books_tell_the_rest_of_what_was_told_in_part(told):
    for report in LIFE[:3]:
        told.news(report)

    found = told.catch_up([order(S.FILLED, 30)], [trade(n) for n in (1, 2, 3)])

    assert [report.fill for report in found] == [trade(2).fill, trade(3).fill]
    assert found[-1].order == order(S.FILLED, 30)
    assert told.news(LIFE[-1]) is None


def test_trade_book_that_lags_behind_lets_the_order_be_told(told):
    found = told.catch_up([order(S.FILLED, 30)], [trade(1)])

    assert statuses(found) == [S.ACCEPTED, S.PARTIALLY_FILLED, S.FILLED]


def test_rejected_order_was_never_accepted(told):
    assert statuses(told.catch_up([order(S.REJECTED)], [])) == [S.REJECTED]


def test_late_word_takes_nothing_back(told):
    for report in LIFE:
        told.news(report)

    assert told.news(message(S.ACCEPTED)) is None
    assert told.news(message(S.PARTIALLY_FILLED, 20)) is None


def test_what_was_there_at_the_beginning_is_no_news_but_what_we_placed():
    told = Told()
    own = BrokerOrderId("26112500000002")
    told.note_placed(own)
    book = [order(S.FILLED, 30), order(S.ACCEPTED, number=own)]

    told.begin(book, [trade(n) for n in (1, 2, 3)])

    assert told.differs(book)
    (report,) = told.catch_up(book, [trade(n) for n in (1, 2, 3)])
    assert report.order == replace(book[1])
