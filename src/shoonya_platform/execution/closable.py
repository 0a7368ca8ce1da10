"""
How much an exit may close of what the broker shows.

The broker nets all strategies of an account: where one is long and another short in the
same instrument and product, it shows the difference, which may be nothing at all.  So
what others hold the other way, by our book, counts as hidden in the broker's figure.
What exits on their way may still close there is left to them.
"""

from __future__ import annotations

from collections.abc import Iterable

from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import OPEN, Intent, Order, OrderId, OrderStatus
from shoonya_platform.execution.holdings import Holdings
from shoonya_platform.store.base import OrderStore


def held_at_broker(
    store: OrderStore, order: Order, held: Holdings, product: Product | None = None
) -> int:
    """
    Return how much the broker holds of what an exit closes, in units; at least 0.

    Args:
        product: Another product than the order's to look under.
    """
    product = order.product if product is None else product
    net = held.get((order.exchange, order.tradingsymbol, product), 0)
    hidden = sum(
        max(0, position.quantity * order.side.sign)
        for position in store.positions.open()
        if position.strategy != order.strategy
        and (position.exchange, position.tradingsymbol, position.product)
        == (order.exchange, order.tradingsymbol, product)
    )
    return max(0, hidden - net * order.side.sign)


def closable(
    store: OrderStore,
    order: Order,
    held: Holdings,
    product: Product | None = None,
    *,
    before: Iterable[OrderStatus] = OPEN,
    sent: Iterable[Order] = (),
) -> int:
    """
    Return how much an exit may close, in units: what other exits leave of it.

    Args:
        product: As `held_at_broker` takes it.

        before: The exits that come before this one are those in these states.

        sent: Orders that may have filled since the positions were read.
    """
    product = order.product if product is None else product
    closing: dict[OrderId, int] = {}
    for other in store.orders.in_status(*sorted(before)):
        if _closes(other, order, product):
            closing[other.order_id] = other.leaves_quantity
    for other in sent:
        if _closes(other, order, product):
            closing[other.order_id] = other.quantity
    left = held_at_broker(store, order, held, product) - sum(closing.values())
    return max(0, left)


def _closes(other: Order, order: Order, product: Product) -> bool:
    return (
        other.order_id != order.order_id
        and other.intent is not Intent.ENTRY
        and (other.exchange, other.tradingsymbol, other.product, other.side)
        == (order.exchange, order.tradingsymbol, product, order.side)
    )
