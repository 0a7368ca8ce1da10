"""How much an exit may close: the broker's net figure and what our book adds to it."""

import pytest

from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import WORKING, Intent, Side
from shoonya_platform.execution.closable import closable, held_at_broker
from shoonya_platform.execution.holdings import holdings_of
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.rows import S, broker_holds


@pytest.fixture
def exit_order(store):
    """The exit of a strategy that is long 65."""
    store_order(store, S.FILLED, strategy="long", quantity=65)
    return store_order(
        store, strategy="long", quantity=65, side=Side.SELL, intent=Intent.EXIT
    )


def held(order, quantity, **changes):
    return holdings_of([broker_holds(order, quantity, **changes)])


def short(store, quantity, **changes):
    store_order(
        store, S.FILLED, strategy="short", side=Side.SELL, quantity=quantity, **changes
    )


@pytest.mark.parametrize(("net", "shown"), [(65, 65), (130, 130), (0, 0), (-65, 0)])
def test_net_position_alone(store, exit_order, net, shown):
    assert held_at_broker(store, exit_order, held(exit_order, net)) == shown


@pytest.mark.parametrize(("net", "shown"), [(0, 65), (65, 130), (-65, 0), (-30, 35)])
def test_opposite_of_another_strategy_is_hidden_in_the_net(
    store, exit_order, net, shown
):
    short(store, 65)

    assert held_at_broker(store, exit_order, held(exit_order, net)) == shown


def test_other_products_hide_nothing(store, exit_order):
    short(store, 65, product=Product.MIS)

    assert held_at_broker(store, exit_order, held(exit_order, 0)) == 0


def test_what_is_held_under_another_product(store, exit_order):
    short(store, 65, product=Product.MIS)
    found = held(exit_order, 0, product=Product.MIS)

    assert held_at_broker(store, exit_order, found, Product.MIS) == 65


def test_exits_of_the_same_side_come_first(store, exit_order):
    found = held(exit_order, 130)
    store_order(store, S.ACCEPTED, quantity=100, side=Side.SELL, intent=Intent.EXIT)

    assert closable(store, exit_order, found) == 30


@pytest.mark.parametrize(
    "changes", [{"intent": Intent.ENTRY}, {"side": Side.BUY}, {"product": Product.MIS}]
)
def test_orders_that_close_nothing_there_take_nothing(store, exit_order, changes):
    fields = {"side": Side.SELL, "intent": Intent.EXIT} | changes
    store_order(store, S.ACCEPTED, quantity=100, **fields)

    assert closable(store, exit_order, held(exit_order, 65)) == 65


def test_only_exits_that_come_before(store, exit_order):
    other = store_order(store, quantity=65, side=Side.SELL, intent=Intent.EXIT)
    found = held(exit_order, 65)

    assert closable(store, exit_order, found) == 0
    assert closable(store, exit_order, found, before=WORKING) == 65
    assert closable(store, exit_order, found, before=WORKING, sent=[other]) == 0
