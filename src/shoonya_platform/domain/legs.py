"""
What one leg of an alert has ordered, and what of it is too much.

A leg is ordered once.  It can still end up with several orders: a lost one that turns
up after another took its place, or two under one id because something on the way sent
the request twice.  All of them count against the quantity that the leg asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shoonya_platform.domain.alerts import sent_name
from shoonya_platform.domain.orders import (
    OPEN,
    REFUSED,
    WORKING,
    Intent,
    Order,
    OrderId,
    Side,
)


@dataclass(frozen=True, slots=True)
class Surplus:
    """What a leg has beyond its quantity."""

    #: Orders to cancel: with them it may get more than it asked for.
    cancel: tuple[Order, ...]
    #: Filled beyond the quantity, in units, less what was and is being closed; or
    #: closed beyond that.
    quantity: int
    #: Orders on their way that close what was filled beyond it.
    closing: tuple[Order, ...]
    side: Side  #: of the order that closes

    @property
    def is_settled(self) -> bool:
        return not (self.cancel or self.closing or self.quantity)


def ordering_of(orders: Sequence[Order]) -> list[Order]:
    """
    Return the orders that do what their legs asked for, in their order.

    The others close what a leg had too much.

    Args:
        orders: Of one alert.
    """
    sides: dict[int, Side] = {}
    for order in sorted(orders, key=lambda order: (order.attempt, order.part)):
        sides.setdefault(order.leg, order.side)
    return [order for order in orders if order.side is sides[order.leg]]


def surplus_of(orders: Sequence[Order], unwanted: Collection[OrderId]) -> Surplus:
    """
    Return what one leg has too much.

    Args:
        orders: All of one leg, at least one.

        unwanted: Entries that nothing waits for any more: given up, or overtaken by
            their exit.
    """
    ordering = ordering_of(orders)
    side = ordering[0].side
    closing = [order for order in orders if order.side is not side]
    wanted = _wanted(ordering, unwanted)
    filled = _traded(ordering)
    overclosed = _traded(closing) - max(0, filled - wanted)
    if overclosed > 0:
        return _overclosed(overclosed, side, ordering, closing)
    working = [order for order in ordering if order.status in WORKING]
    excess = filled + sum(order.leaves_quantity for order in working) - wanted
    cancel = []
    for order in sorted(
        working, key=lambda o: (o.order_id in unwanted, o.attempt, o.part), reverse=True
    ):
        if excess <= 0:
            break
        cancel.append(order)
        excess -= order.leaves_quantity
    closed = sum(order.traded_quantity + order.leaves_quantity for order in closing)
    return Surplus(
        cancel=tuple(cancel),
        quantity=max(0, filled - wanted - closed),
        closing=tuple(order for order in closing if order.status in OPEN),
        side=side.opposite,
    )


def _overclosed(
    quantity: int, side: Side, ordering: Sequence[Order], closing: Sequence[Order]
) -> Surplus:
    """Return what was closed beyond what was too much: a closing order came twice."""
    first = min(order.attempt for order in closing)
    taking_back = [
        order for order in ordering if order.attempt > first and order.status in OPEN
    ]
    under_way = sum(order.leaves_quantity for order in taking_back)
    return Surplus(
        cancel=tuple(order for order in closing if order.status in WORKING),
        quantity=max(0, quantity - under_way),
        closing=tuple(taking_back),
        side=side,
    )


def _traded(orders: Sequence[Order]) -> int:
    return sum(order.traded_quantity for order in orders)


def _wanted(ordering: Sequence[Order], unwanted: Collection[OrderId]) -> int:
    """Return how many units the leg asked for, in its terms of now."""
    parts: dict[int, list[Order]] = {}
    for order in sorted(ordering, key=lambda order: order.attempt):
        if order.client_order_id == sent_name(order.client_order_id):
            parts.setdefault(order.part, []).append(order)
    total = 0
    for first, *later in parts.values():
        if first.intent is Intent.EXIT or first.order_id not in unwanted:
            total += first.quantity
            continue
        total += next(
            (
                order.quantity
                for order in later
                if order.order_id not in unwanted and order.status not in REFUSED
            ),
            0,
        )
    return total
