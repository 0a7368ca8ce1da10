"""Brings an order to the broker's truth, whatever the order its news comes in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shoonya_platform.brokers.base import BrokerOrder, BrokerTrade
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    Fill,
    Order,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.domain.terms import Terms, terms_of
from shoonya_platform.logging import ServiceLogger
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
_UNANSWERED = (OrderStatus.SUBMITTED, OrderStatus.OUTCOME_UNKNOWN)


def bring_up_to(
    store: OrderStore,
    order: Order,
    claim: BrokerOrder,
    fills: Sequence[Fill],
    *,
    is_current: bool = False,
    is_whole: bool = True,
    shares_number: bool = False,
) -> Order:
    """
    Record what the broker claims and our row does not show yet.

    Fills already recorded are passed over, so a doubled report changes nothing.  An
    end is recorded only once every fill before it is here; until then the books
    have to be read.

    Args:
        is_whole: The fills are all that the trade book has of the order.  Only then
            more than was ordered is booked: one report may be a mistake, what the
            trade book says is money.

        is_current: Nothing has touched the row since the claim was read, so that
            terms which differ were changed elsewhere.

        shares_number: The number is another order's too, and stays with that.

    Returns:
        The order after it, the same object if nothing was new.
    """
    is_found = revives(order, claim)
    number = None if shares_number else claim.broker_order_id
    if (order.broker_order_id, order.is_number_confirmed) != (
        number,
        not shares_number,
    ):
        order = store.orders.note_number(order, number, is_confirmed=not shares_number)
    if order.status in _UNANSWERED or is_found:
        order = store.orders.record(
            order,
            OrderTrigger.FOUND if is_found else OrderTrigger.ACCEPTED,
            text=f"broker order {claim.broker_order_id}",
            reason="",
        )
    was_replacing = order.status is OrderStatus.PENDING_REPLACE
    if _terms_hold(store, order, claim, fills, is_current=is_current):
        order = store.orders.replace(order, claimed_terms(order, claim))
    most = max(order.quantity, traded_quantity(fills) if is_whole else 0)
    for fill in fills:
        if order.traded_quantity + fill.quantity <= most:
            order = store.orders.fill(order, fill) or order
    trigger = _ENDS.get(claim.status)
    if (
        trigger is not None
        and not order.is_closed
        and order.traded_quantity >= claim.filled_quantity
    ):
        order = store.orders.record(order, trigger, reason=claim.reason)
    elif not order.is_closed and order.filled_quantity == order.quantity:
        # The new quantity was what had been filled by then.
        order = store.orders.record(order, OrderTrigger.FILLED)
    if was_replacing and order.is_closed:
        store.modifies.finish(order.order_id, result=f"the order is {order.status}")
    return order


def revives(order: Order, claim: BrokerOrder) -> bool:
    """
    Return whether a row shows that an order exists which we took for unsent or refused.

    An order that has ended under a confirmed number stays as it ended: the row may be
    older than its end.
    """
    if order.status in BEFORE_BROKER or order.status is OrderStatus.NOT_PLACED:
        return True
    if claim.status in _ENDS and not claim.filled_quantity:
        return False
    return order.status is OrderStatus.DENIED or (
        order.status is OrderStatus.REJECTED and not order.is_number_confirmed
    )


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


def tell_overfilled(logger: ServiceLogger, order: Order) -> None:
    logger.error(
        "Order %d was filled %d beyond the %d that were ordered; '%s' holds it, "
        "exit it or take it up with your broker",
        order.order_id,
        order.overfilled_quantity,
        order.quantity,
        order.strategy,
        extra={**order.log_context, "event": "order_overfilled"},
    )


def differs(order: Order, claim: BrokerOrder, *, shares_number: bool) -> bool:
    """
    Return whether the broker claims something that our row does not show.

    Args:
        shares_number: As `bring_up_to` takes it.
    """
    if order.is_number_confirmed is shares_number or order.status in _UNANSWERED:
        return True
    if order.traded_quantity < claim.filled_quantity:
        return True
    if order.status in _REPLACEABLE and claimed_terms(order, claim) != terms_of(order):
        return True
    return claim.status in _ENDS and not order.is_closed


def traded_quantity(fills: Sequence[Fill]) -> int:
    """Return how many units these fills are, a doubled one counted once."""
    return sum({fill.trade_id: fill.quantity for fill in fills}.values())


def fills_of(claim: BrokerOrder, trades: Iterable[BrokerTrade]) -> list[Fill]:
    """Return one order's fills out of the trade book: by number, and by id."""
    name = claim.client_order_id
    return [
        trade.fill
        for trade in trades
        if trade.broker_order_id == claim.broker_order_id
        # A number may be given twice.
        and (None in (name, trade.client_order_id) or name == trade.client_order_id)
    ]
