"""
All or nothing: when one leg of an entry fails at the broker, the others are exited.

A straddle of one leg is a naked position that nobody meant to hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.orders import Intent, Order, OrderStatus

#: Failures that nobody here asked for; a leg that an operator canceled is his.
_FAILED = (OrderStatus.REJECTED, OrderStatus.NOT_PLACED, OrderStatus.EXPIRED)


def undoing(orders: Sequence[Order]) -> Alert | None:
    """
    Return the exit that undoes a half-made entry.

    Args:
        orders: Of one alert whose orders are all at an end, by leg, part and attempt.

    Returns:
        None if there is nothing to undo: no entry of several orders, none failed, or
        none was filled.
    """
    newest = list({(order.leg, order.part): order for order in orders}.values())
    filled = [order for order in newest if order.filled_quantity]
    failed = [order for order in newest if order.status in _FAILED]
    if not filled or not failed or newest[0].intent is not Intent.ENTRY:
        return None
    first = newest[0]
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
