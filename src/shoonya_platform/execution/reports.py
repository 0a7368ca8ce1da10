"""Brings an order to the broker's truth, whatever the order its news comes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shoonya_platform.brokers.base import BrokerOrder, BrokerTrade
from shoonya_platform.domain.orders import (
    Fill,
    Order,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.store.base import OrderStore

_ENDS = {
    OrderStatus.CANCELED: OrderTrigger.CANCELED,
    OrderStatus.REJECTED: OrderTrigger.REJECTED,
    OrderStatus.EXPIRED: OrderTrigger.EXPIRED,
}
_UNANSWERED = (
    OrderStatus.SUBMITTED,
    OrderStatus.OUTCOME_UNKNOWN,
    OrderStatus.NOT_PLACED,
)


def find(store: OrderStore, claim: BrokerOrder) -> Order | None:
    """Return our order for a broker's, or None if it is not ours."""
    if claim.client_order_id is not None:
        order = store.orders.by_client_order_id(claim.client_order_id)
        if order is not None:
            return order
    return store.orders.by_broker_order_id(claim.broker_order_id)


def bring_up_to(
    store: OrderStore, order: Order, claim: BrokerOrder, fills: Iterable[Fill]
) -> Order:
    """
    Record what the broker claims and our row does not show yet.

    Fills already recorded are passed over, so a doubled report changes nothing.  An
    end is recorded only once every fill before it is here; until then the books
    have to be read.

    Returns:
        The order after it, the same object if nothing was new.
    """
    if order.status in _UNANSWERED:
        order = store.orders.record(
            order,
            OrderTrigger.ACCEPTED,
            broker_order_id=claim.broker_order_id,
            text=f"broker order {claim.broker_order_id}",
            reason="",
        )
    elif order.broker_order_id is None:
        order = store.orders.note_broker_order_id(order, claim.broker_order_id)
    for fill in fills:
        if order.filled_quantity + fill.quantity <= order.quantity:
            order = store.orders.fill(order, fill) or order
    trigger = _ENDS.get(claim.status)
    if (
        trigger is not None
        and not order.is_closed
        and order.filled_quantity >= claim.filled_quantity
    ):
        order = store.orders.record(order, trigger, reason=claim.reason)
    return order


def differs(order: Order, claim: BrokerOrder) -> bool:
    """Return whether the broker claims something that our row does not show."""
    if order.broker_order_id is None or order.status in _UNANSWERED:
        return True
    if order.filled_quantity < claim.filled_quantity:
        return True
    return claim.status in _ENDS and not order.is_closed


def fills_of(claim: BrokerOrder, trades: Sequence[BrokerTrade]) -> list[Fill]:
    """Return one order's fills out of the trade book."""
    return [
        trade.fill for trade in trades if trade.broker_order_id == claim.broker_order_id
    ]
