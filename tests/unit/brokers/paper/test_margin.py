"""What paper orders would need: what they block once they are placed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Side
from tests.contract.broker_worlds import CASH, LOT, WORLDS, a_limit_order, an_order


@pytest.fixture
def world(tmp_path):
    made = WORLDS["paper"](tmp_path)
    yield made
    made.close()


def test_margin_is_what_the_order_blocks_when_it_is_placed(world):
    broker = world.open()
    world.move_price("100")

    margin = broker.margin([a_limit_order(price="90")])
    broker.place(a_limit_order(price="90"))

    assert (margin.required, margin.available) == (90 * LOT, CASH)
    assert broker.limits().margin_used == margin.required
    assert broker.margin([a_limit_order(price="90")]).available == CASH - 90 * LOT


def test_margin_is_in_rupees_before_the_first_order_and_after_it(world):
    broker = world.open()
    gold = replace(
        a_limit_order(price="90", quantity=2),
        exchange=Exchange.MCX,
        tradingsymbol="GOLD05FEB27",
    )

    assert broker.margin([gold]).required == 2 * 90 * 100
    broker.place(gold)

    assert broker.margin([gold]).required == 2 * 90 * 100
    assert broker.limits().margin_used == 2 * 90 * 100


def test_margin_of_several_orders_is_the_sum(world):
    broker = world.open()

    margin = broker.margin([a_limit_order(price="90"), a_limit_order(price="80")])

    assert margin.required == 170 * LOT


def test_order_that_closes_needs_none(world):
    broker = world.open()
    world.move_price("100")
    broker.place(an_order())

    closing = an_order(side=Side.SELL, price=Decimal(100))

    assert broker.margin([closing]).required == 0


def test_each_segment_has_its_products(world):
    products = world.open().products()

    assert products[Exchange.NSE] == {Product.CNC, Product.MIS}
    assert products[Exchange.MCX] == {Product.NRML, Product.MIS}
    assert set(products) == set(Exchange)
