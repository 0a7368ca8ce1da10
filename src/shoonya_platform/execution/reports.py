"""Brings an order to the broker's truth, whatever the order its news comes in."""

from __future__ import annotations

from collections.abc import Sequence

from shoonya_platform.brokers.base import BrokerOrder, BrokerTrade
from shoonya_platform.domain.orders import (
    Fill,
    Order,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.domain.terms import Terms, terms_of
from shoonya_platform.store.base import OrderStore

_ENDS = {
    OrderStatus.CANCELED: OrderTrigger.CANCELED,
    OrderStatus.REJECTED: OrderTrigger.REJECTED,
    OrderStatus.EXPIRED: OrderTrigger.EXPIRED,
}
_REPLACEABLE = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_REPLACE,
    OrderStatus.PENDING_CANCEL,
)
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
    store: OrderStore,
    order: Order,
    claim: BrokerOrder,
    fills: Sequence[Fill],
    *,
    is_current: bool = False,
) -> Order:
    """
    Record what the broker claims and our row does not show yet.

    Fills already recorded are passed over, so a doubled report changes nothing.  An
    end is recorded only once every fill before it is here; until then the books
    have to be read.

    Args:
        is_current: Nothing has touched the row since the claim was read, so that
            terms which differ were changed elsewhere.

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
    was_replacing = order.status is OrderStatus.PENDING_REPLACE
    if _terms_hold(store, order, claim, fills, is_current=is_current):
        order = store.orders.replace(order, claimed_terms(order, claim))
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
    elif not order.is_closed and order.filled_quantity == order.quantity:
        # The new quantity was what had been filled by then.
        order = store.orders.record(order, OrderTrigger.FILLED)
    if was_replacing and order.is_closed:
        store.modifies.finish(order.order_id, result=f"the order is {order.status}")
    return order


def refuse_replace(store: OrderStore, order: Order, reason: str) -> Order:
    """Record that new terms were refused, if any are outstanding."""
    if order.status is not OrderStatus.PENDING_REPLACE:
        return order
    store.modifies.finish(order.order_id, result=f"rejected: {reason}")
    return store.orders.record(order, OrderTrigger.REPLACE_REJECTED, text=reason)


def claimed_terms(order: Order, claim: BrokerOrder) -> Terms:
    """Return the terms that the broker claims; where it says none, ours."""
    needs = order.order_type
    return Terms(
        quantity=claim.quantity,
        price=claim.price if needs.needs_price and claim.price else order.price,
        trigger_price=(
            claim.trigger_price
            if needs.needs_trigger and claim.trigger_price
            else order.trigger_price
        ),
    )


def _terms_hold(
    store: OrderStore,
    order: Order,
    claim: BrokerOrder,
    fills: Sequence[Fill],
    *,
    is_current: bool,
) -> bool:
    """Return whether terms that differ from the row's are to be believed."""
    terms = claimed_terms(order, claim)
    if terms == terms_of(order) or order.status not in _REPLACEABLE:
        return False
    if claim.quantity < order.filled_quantity:
        return False
    if order.status is OrderStatus.PENDING_REPLACE:
        request = store.modifies.get(order.order_id)
        if request is not None and request.terms == terms:
            return True
    # A late report has old terms, and must not undo newer ones.  But what trades
    # beyond our quantity was ordered, whoever did.
    return is_current or (bool(fills) and claim.quantity > order.quantity)


def differs(order: Order, claim: BrokerOrder) -> bool:
    """Return whether the broker claims something that our row does not show."""
    if order.broker_order_id is None or order.status in _UNANSWERED:
        return True
    if order.filled_quantity < claim.filled_quantity:
        return True
    if order.status in _REPLACEABLE and claimed_terms(order, claim) != terms_of(order):
        return True
    return claim.status in _ENDS and not order.is_closed


def fills_of(claim: BrokerOrder, trades: Sequence[BrokerTrade]) -> list[Fill]:
    """Return one order's fills out of the trade book."""
    return [
        trade.fill for trade in trades if trade.broker_order_id == claim.broker_order_id
    ]
