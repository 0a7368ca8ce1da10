"""
Which of our orders a row of the broker's is about, if any.

A row is believed of an order only if our id, the instrument, the side and the product
agree.  The number in the answer to a request is a claim like any other until such a row
confirms it: answers get mixed up on the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from shoonya_platform.brokers.base import BrokerOrder
from shoonya_platform.domain.alerts import named_order, sent_name
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Order,
    OrderTrigger,
)
from shoonya_platform.store.base import OrderStore


class Verdict(Enum):
    OURS = "ours"
    #: Ours; the number that its answer carried belongs to another order.
    OTHER_NUMBER = "other number"
    #: A second order of the broker's under one of our ids.
    DUPLICATE = "duplicate"
    #: A report that only the whole order book can explain.
    NEEDS_BOOK = "needs book"
    #: Our id, and another order's terms.
    FOREIGN = "foreign"
    #: An id of our making that the store does not know.
    UNKNOWN_ID = "unknown id"
    #: An order of another program.
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class Matched:
    """A row, and the order it is about."""

    claim: BrokerOrder
    verdict: Verdict
    order: Order | None = None
    why: str = ""  #: one sentence for FOREIGN
    #: Holds the row's number through an answer that was not its own.
    wrong_holder: Order | None = None
    #: Has the row's number too: the broker gave it twice.
    shares_with: Order | None = None

    @property
    def shares_number(self) -> bool:
        return self.shares_with is not None


#: What tells a row of the order book from the others: a number may be given twice.
RowKey = tuple[BrokerOrderId, ClientOrderId | None]


def key_of(claim: BrokerOrder) -> RowKey:
    return claim.broker_order_id, claim.client_order_id


Numbers = Mapping[ClientOrderId, Mapping[BrokerOrderId, BrokerOrder]]


def numbers_of(
    claims: Iterable[BrokerOrder],
) -> dict[ClientOrderId, dict[BrokerOrderId, BrokerOrder]]:
    """Return the rows that a whole order book has under each id, by their numbers."""
    found: dict[ClientOrderId, dict[BrokerOrderId, BrokerOrder]] = {}
    for claim in claims:
        if claim.client_order_id is not None:
            found.setdefault(claim.client_order_id, {})[claim.broker_order_id] = claim
    return found


def match(store: OrderStore, claim: BrokerOrder, numbers: Numbers | None) -> Matched:
    """
    Find the order that a row is about.

    Args:
        numbers: Of the whole order book the row was read from; None for a report.
    """
    name = claim.client_order_id
    holder = store.orders.by_broker_order_id(claim.broker_order_id)
    if holder is not None and name in (None, sent_name(holder.client_order_id)):
        why = _difference(holder, claim)
        if why:
            return Matched(claim, Verdict.FOREIGN, holder, why)
        if name is None and not holder.is_number_confirmed:
            return Matched(claim, Verdict.EXTERNAL)
        return Matched(claim, Verdict.OURS, holder)
    if name is None:
        return Matched(claim, Verdict.EXTERNAL)
    order = store.orders.by_client_order_id(name)
    if order is None:
        is_made_here = named_order(name) is not None
        return Matched(claim, Verdict.UNKNOWN_ID if is_made_here else Verdict.EXTERNAL)
    return _match_name(store, order, claim, holder, numbers)


def _match_name(
    store: OrderStore,
    order: Order,
    claim: BrokerOrder,
    holder: Order | None,
    numbers: Numbers | None,
) -> Matched:
    """Match a row that has an order's id, but not the number known for it."""
    why = _difference(order, claim) or _other_quantity(store, order, claim)
    if not why and holder is not None and holder.is_number_confirmed:
        if not order.is_number_confirmed and claim.quantity == order.quantity:
            return Matched(claim, Verdict.OURS, order, shares_with=holder)
        why = f"order {holder.order_id} has its number, confirmed"
    if why:
        return Matched(claim, Verdict.FOREIGN, order, why)
    if order.broker_order_id is None and claim.quantity == order.quantity:
        return Matched(claim, Verdict.OURS, order, wrong_holder=holder)
    if numbers is None:
        return Matched(claim, Verdict.NEEDS_BOOK, order)
    if order.broker_order_id is None:
        # Changed or cut since the copy that the store was restored from, if it is the
        # only one under its id that may be about it.
        rows = numbers.get(order.client_order_id, {}).values()
        if sum(not _difference(order, row) for row in rows) <= 1:
            return Matched(claim, Verdict.OURS, order, wrong_holder=holder)
        return Matched(claim, Verdict.FOREIGN, order, _quantities(order, claim))
    if not order.is_number_confirmed and order.broker_order_id not in numbers.get(
        order.client_order_id, ()
    ):
        return Matched(claim, Verdict.OTHER_NUMBER, order, wrong_holder=holder)
    return Matched(claim, Verdict.DUPLICATE, order, wrong_holder=holder)


_OTHER_TERMS = (OrderTrigger.REPLACED, OrderTrigger.ADOPTED)


def _other_quantity(store: OrderStore, order: Order, claim: BrokerOrder) -> str:
    """
    Return what shows that a second row under our id is no copy of our request.

    A request that arrives twice has one quantity.  If the order has other terms by now,
    or was adopted with those of the day's book, nothing says which it was sent with.
    """
    if order.broker_order_id is None or claim.quantity == order.quantity:
        return ""
    events = store.orders.events(order_id=order.order_id)
    if any(event.trigger in _OTHER_TERMS for event in events):
        return ""
    return _quantities(order, claim)


def _quantities(order: Order, claim: BrokerOrder) -> str:
    return f"its quantity is {claim.quantity}, ours {order.quantity}"


def _difference(order: Order, claim: BrokerOrder) -> str:
    """Return what shows that a row is not about the order; empty if nothing does."""
    for name in ("exchange", "tradingsymbol", "side", "product"):
        ours, theirs = getattr(order, name), getattr(claim, name)
        if ours != theirs:
            return f"its {name} is {theirs}, ours {ours}"
    return ""
