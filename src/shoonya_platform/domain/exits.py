"""What an exit waits for: nothing, a stop's trigger, or a target's price."""

from __future__ import annotations

from enum import StrEnum

from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.orders import Intent, Order, OrderType


class ExitKind(StrEnum):
    """Which price an exit is for."""

    MARKET = "market"  #: any that the market gives, within its protection
    STOP = "stop"  #: the trigger's, once the position loses too much
    TARGET = "target"  #: the limit's, or better


def kind_of(order_type: OrderType) -> ExitKind:
    """Return what an exit of a type waits for, as its alert names the type."""
    if order_type is OrderType.MARKET:
        return ExitKind.MARKET
    return ExitKind.STOP if order_type.needs_trigger else ExitKind.TARGET


def exit_kind(order: Order, alert: Alert | None) -> ExitKind:
    """
    Return what an exit waits for.

    The guard gives a market order a limit, so its alert has to say what it was.

    Args:
        alert: The order's; None if it is not known.
    """
    if alert is None or order.leg > len(alert.legs):
        return kind_of(order.order_type)
    leg = alert.legs[order.leg - 1]
    if alert.intent is Intent.EXIT:
        return kind_of(leg.order_type)
    # It closes what its leg had too much, or was adopted from the broker's book.
    is_closing = order.side is not leg.side
    return ExitKind.MARKET if is_closing else kind_of(order.order_type)
