"""Which new terms of a working order have to pass the limits again."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.domain.orders import OrderType, Side
from shoonya_platform.domain.terms import (
    Terms,
    asks_for_more,
    terms_of,
    with_terms,
)
from tests.unit.domain.made import an_order


def more(order, **terms):
    """Return whether the order asks for more under these terms."""
    changed = replace(terms_of(order), **terms)
    return asks_for_more(order, with_terms(order, changed))


def limit(side, price):
    return an_order(side=side, order_type=OrderType.LIMIT, price=Decimal(price))


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("price", [Decimal(100), None], ids=["limit", "market"])
def test_only_a_larger_quantity_is_more(side, price):
    order = an_order(side=side, price=price)

    assert not more(order, quantity=99)
    assert not more(order, quantity=100)
    assert more(order, quantity=101)


@pytest.mark.parametrize(
    ("side", "price", "is_more"),
    [
        (Side.BUY, "100.05", True),
        (Side.BUY, "100", False),
        (Side.BUY, "99.95", False),
        (Side.SELL, "99.95", True),
        (Side.SELL, "100", False),
        (Side.SELL, "100.05", False),
    ],
)
def test_price_that_fills_sooner_is_more(side, price, is_more):
    assert more(limit(side, 100), price=Decimal(price)) is is_more


def test_later_price_does_not_make_up_for_a_larger_quantity():
    assert more(limit(Side.BUY, 100), quantity=101, price=Decimal(1))


@pytest.mark.parametrize("trigger", [Decimal(98), Decimal(102), None])
def test_any_other_trigger_is_more(trigger):
    order = an_order(order_type=OrderType.STOP_MARKET, trigger_price=Decimal(100))

    assert more(order, trigger_price=trigger)
    assert not more(order, trigger_price=Decimal("100.00"))


@pytest.mark.parametrize(
    ("before", "after"), [(None, Decimal(100)), (Decimal(100), None)]
)
def test_price_is_not_compared_where_one_is_missing(before, after):
    assert not more(an_order(price=before), price=after)


def test_terms_of_an_order_put_it_back_as_it_was():
    order = an_order(
        order_type=OrderType.STOP_LIMIT, price=Decimal(101), trigger_price=Decimal(100)
    )
    other = with_terms(order, Terms(quantity=1, price=None, trigger_price=None))

    assert (other.quantity, other.price, other.trigger_price) == (1, None, None)
    assert with_terms(other, terms_of(order)) == order


@pytest.mark.parametrize(
    ("price", "trigger", "text"),
    [
        (None, None, "65"),
        (Decimal("101.50"), None, "65 @ 101.50"),
        (None, Decimal(101), "65, trigger 101"),
        (Decimal("101.50"), Decimal(101), "65 @ 101.50, trigger 101"),
    ],
)
def test_text_names_only_the_terms_that_are_there(price, trigger, text):
    assert Terms(quantity=65, price=price, trigger_price=trigger).text == text
