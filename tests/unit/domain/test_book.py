"""Orders of a batch are judged by what they would meet in their own instrument."""

import pytest

from shoonya_platform.domain.book import Book
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.orders import SYMBOL
from tests.unit.domain.made import an_order, held

OTHERS = [
    pytest.param({"tradingsymbol": "BANKNIFTY28DEC27F"}, id="symbol"),
    pytest.param({"exchange": Exchange.BFO}, id="exchange"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_each_instrument_has_its_own_positions_and_orders(other):
    mine, theirs = [held(65), held(-10, strategy="iron")], [held(30, **other)]
    working, elsewhere = (
        [an_order(1), an_order(2, strategy="iron")],
        an_order(3, **other),
    )

    book = Book([*mine, *theirs], [*working, elsewhere])

    asked = an_order(9)
    assert list(book.positions(asked)) == mine
    assert list(book.working(asked)) == working
    assert list(book.positions(elsewhere)) == theirs
    assert list(book.working(elsewhere)) == [elsewhere]


def test_order_that_passed_is_met_by_the_next():
    book = Book([], [an_order(1)])

    book.add(an_order(2))

    assert [order.order_id for order in book.working(an_order(9))] == [1, 2]


def test_instrument_that_is_not_in_the_book_has_nothing():
    book = Book([held(65)], [an_order(1)])
    other = an_order(2, tradingsymbol=f"{SYMBOL}X")

    assert (list(book.positions(other)), list(book.working(other))) == ([], [])
