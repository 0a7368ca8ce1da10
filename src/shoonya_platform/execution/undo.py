"""
All or nothing: when one leg of an entry fails at the broker, the others are exited.

A straddle of one leg is a naked position that nobody meant to hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.legs import ordering_of
from shoonya_platform.domain.orders import Intent, Order, OrderStatus

#: Failures that nobody here asked for; a leg that an operator canceled is his.
_FAILED = (
    # Also of what had come back unsent, and was too old by the next look.
    OrderStatus.DENIED,
    OrderStatus.REJECTED,
    OrderStatus.NOT_PLACED,
    OrderStatus.EXPIRED,
)


def attempts_that_count(orders: Iterable[Order]) -> list[Order]:
    """
    Return one attempt of each part of a leg: the newest that filled the most.

    Args:
        orders: By leg, part and attempt.
    """
    found: dict[tuple[int, int], Order] = {}
    for order in ordering_of(list(orders)):
        earlier = found.setdefault((order.leg, order.part), order)
        # A lost one may have turned up after all, and its replacement is canceled.
        if order.filled_quantity >= earlier.filled_quantity:
            found[order.leg, order.part] = order
    return list(found.values())


def failed(orders: Iterable[Order]) -> list[Order]:
    """Return what came to nothing in parts of an entry, ordered as above."""
    return [o for o in attempts_that_count(orders) if o.status in _FAILED]


def failed_exits(orders: Iterable[Order]) -> list[Order]:
    """
    Return the exits that ended unfilled, those refused by the broker excepted.

    Args:
        orders: Of one alert whose orders are all at an end, by leg, part and attempt.
    """
    return [
        order
        for order in attempts_that_count(orders)
        if order.intent is Intent.EXIT
        and order.status not in (OrderStatus.FILLED, OrderStatus.REJECTED)
    ]


def undoing(orders: Sequence[Order]) -> Alert | None:
    """
    Return the exit that undoes a half-made entry.

    Args:
        orders: Of one alert whose orders are all at an end, by leg, part and attempt.

    Returns:
        None if there is nothing to undo: no entry of several orders, none failed, or
        none was filled.
    """
    filled = [order for order in ordering_of(orders) if order.filled_quantity]
    if not filled or not failed(orders) or filled[0].intent is not Intent.ENTRY:
        return None
    first = filled[0]
    # The parts of a leg are exited together: in one instrument, and perhaps many.
    quantities: Counter[int] = Counter()
    for order in filled:
        quantities[order.leg] += order.filled_quantity
    legs = {order.leg: order for order in filled}
    return parse(
        {
            "execution_type": Intent.EXIT.value,
            "strategy_name": first.strategy,
            "exchange": first.exchange.value,
            # Once, however often the end of the alert is looked at.
            "dedupe_id": f"undo-{first.alert_id}",
            "legs": [
                {
                    "tradingsymbol": order.tradingsymbol,
                    "direction": order.side.opposite.value,
                    "qty": quantities[leg],
                    "product_type": order.product.value,
                }
                for leg, order in legs.items()
            ],
        }
    )
