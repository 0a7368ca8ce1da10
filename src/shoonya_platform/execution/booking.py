"""
Books what the broker's rows say about our orders, one row at a time.

A row that cannot be booked affects only itself: it is undone, and noted as a
discrepancy.  So is every order that turns up where none was expected, and everything
filled beyond what a leg asked for; trading_bot cancels or closes that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shoonya_platform.brokers.base import BrokerOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import copy_name
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.legs import surplus_of
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    Fill,
    IllegalTransition,
    Intent,
    NewOrder,
    Order,
    OrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.errors import NotAllowed, StoreBusy, StoreDamaged, StoreError
from shoonya_platform.execution.claims import Matched, Verdict
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.reports import bring_up_to, refuse_replace
from shoonya_platform.execution.taking_back import FOR_EXIT, TakingBack
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore

K = DiscrepancyKind

#: Working, as far as the answer to the request said.
_ANSWERED = (
    OrderStatus.ACCEPTED,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.PENDING_REPLACE,
)
#: Given up by us, or refused as far as we knew.
_GIVEN_UP = (OrderStatus.NOT_PLACED, OrderStatus.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is to be booked: a claim with its fills, and how it was read."""

    matched: Matched
    fills: Sequence[Fill]
    #: Nothing has touched the order since the row was read.
    is_current: bool
    #: The fills are all that the trade book has of the order.
    is_whole: bool
    is_replace_refused: bool = False


class Booking:
    """Books rows inside a transaction of the store."""

    def __init__(self, store: OrderStore, clock: Clock, logger: ServiceLogger) -> None:
        self._store = store
        self._logger = logger
        self._discrepancies = Discrepancies(store, logger)
        self._taking_back = TakingBack(store, clock, self._discrepancies)

    def book(self, row: Row) -> tuple[Order, Order] | None:
        """
        Book one row; return the order before and after it.

        Returns:
            None if the row is not about an order of ours, or could not be booked.
        """
        claim = row.matched.claim
        try:
            with self._store.savepoint():
                return self._book(row)
        except (StoreBusy, StoreDamaged):
            raise
        except (IllegalTransition, NotAllowed, StoreError, ArithmeticError) as e:
            order = row.matched.order
            self._discrepancies.note(
                K.ORDER_CONTRADICTED,
                claim.broker_order_id,
                f"the broker's order {claim.broker_order_id} cannot be booked: {e}",
                "compare it with the broker's order book and trade book",
                order,
            )
            return None

    def _book(self, row: Row) -> tuple[Order, Order] | None:
        matched = row.matched
        order = matched.order
        if matched.verdict is Verdict.FOREIGN:
            self.note_foreign(matched)
            return None
        if order is None or matched.verdict is Verdict.NEEDS_BOOK:
            return None
        before = order
        if matched.wrong_holder is not None:
            self._release(matched.wrong_holder, order)
        if matched.shares_with is not None:
            self._note_shared_number(order, matched.claim, matched.shares_with)
        if matched.verdict is Verdict.DUPLICATE:
            before = order = self._adopt_duplicate(order, matched.claim)
            self._taking_back.withdraw_copy(order)
        elif matched.verdict is Verdict.OTHER_NUMBER:
            self._note_wrong_number(order, matched.claim)
        after = bring_up_to(
            self._store,
            order,
            matched.claim,
            row.fills,
            is_current=row.is_current,
            is_whole=row.is_whole,
            shares_number=matched.shares_number,
        )
        if row.is_replace_refused:
            after = refuse_replace(self._store, after, matched.claim.reason)
        self._note_turned_up(before, after)
        if after.traded_quantity > before.traded_quantity:
            surplus = self._note_surplus(after)
            self._taking_back.look(before, after, surplus)
        return before, after

    def note_foreign(self, matched: Matched) -> None:
        claim, order = matched.claim, matched.order
        whose = "an id of ours" if order is None else f"order {order.order_id}'s id"
        self._discrepancies.note(
            K.FOREIGN_CLAIM,
            claim.broker_order_id,
            f"the broker's order {claim.broker_order_id} ({claim.side} "
            f"{claim.quantity} {claim.exchange}:{claim.tradingsymbol}) has {whose}, "
            f"but {matched.why}: it is not booked",
            "find out who placed it; close its position where it was placed",
            order,
        )

    def _release(self, holder: Order, owner: Order) -> None:
        """Take a number away from the order whose answer carried it wrongly."""
        number = holder.broker_order_id
        released = self._store.orders.note_number(holder, None, is_confirmed=False)
        text = (
            f"the answer to order {holder.order_id} carried the number {number}, "
            f"which is order {owner.order_id}'s"
        )
        if released.status in _ANSWERED:
            self._store.orders.record(
                released, OrderTrigger.OUTCOME_UNKNOWN, reason=text
            )
        self._discrepancies.note(
            K.WRONG_NUMBER,
            holder.client_order_id,
            text,
            f"nothing, if 'shoonyactl trace {holder.order_id}' ends well",
            holder,
        )

    def _note_wrong_number(self, order: Order, claim: BrokerOrder) -> None:
        self._discrepancies.note(
            K.WRONG_NUMBER,
            order.client_order_id,
            f"the answer to order {order.order_id} carried the number "
            f"{order.broker_order_id}; the order book has it as "
            f"{claim.broker_order_id}",
            f"nothing, if 'shoonyactl trace {order.order_id}' ends well",
            order,
        )

    def _note_shared_number(
        self, order: Order, claim: BrokerOrder, holder: Order
    ) -> None:
        self._discrepancies.note(
            K.WRONG_NUMBER,
            order.client_order_id,
            f"the broker has order {order.order_id} as {claim.broker_order_id}, the "
            f"number of order {holder.order_id}: it is booked by our id, no new terms "
            "can be sent for it, and no cancel while the other one works",
            f"look at both in the broker's terminal: 'shoonyactl trace "
            f"{order.order_id}'",
            order,
        )

    def _adopt_duplicate(self, order: Order, claim: BrokerOrder) -> Order:
        """Store the second order of the broker's under one id as one of its own."""
        siblings = [
            other
            for other in self._store.orders.of_alert(order.alert_id)
            if (other.leg, other.part) == (order.leg, order.part)
        ]
        name = copy_name(order.client_order_id, len(siblings))
        adopted = self._store.orders.adopt(
            NewOrder(
                client_order_id=name,
                alert_id=order.alert_id,
                leg=order.leg,
                attempt=max(other.attempt for other in siblings) + 1,
                part=order.part,
                strategy=order.strategy,
                intent=order.intent,
                exchange=order.exchange,
                tradingsymbol=order.tradingsymbol,
                side=order.side,
                quantity=claim.quantity,
                order_type=order.order_type,
                price=claim.price if order.order_type.needs_price else None,
                trigger_price=order.trigger_price,
                product=order.product,
                time_in_force=order.time_in_force,
                reference_price=order.reference_price,
                price_factor=order.price_factor,
            ),
            claim.broker_order_id,
            alerted_at=order.alerted_at,
            text=f"broker order {claim.broker_order_id}, under the id of order "
            f"{order.order_id}",
        )
        self._discrepancies.note(
            K.DUPLICATE_ORDER,
            name,
            f"the broker has a second order under the id of order {order.order_id}: "
            f"{claim.broker_order_id} beside {order.broker_order_id}; it is order "
            f"{adopted.order_id} now, canceled or closed if it is too much",
            f"check positions with the broker: 'shoonyactl trace {adopted.order_id}'",
            adopted,
        )
        return adopted

    def _note_turned_up(self, before: Order, after: Order) -> None:
        """Note an order that exists against what we knew of it."""
        if after.status is before.status:
            return
        if before.status in BEFORE_BROKER | {OrderStatus.DENIED}:
            self._discrepancies.note(
                K.ORDER_ADOPTED,
                after.client_order_id,
                f"the broker has order {after.order_id} as {after.broker_order_id}, "
                f"and here it was {before.status}: the store was behind",
                "check that the store is not an old copy; compare positions",
                after,
            )
        elif before.status in _GIVEN_UP or self._is_overtaken(before):
            wanted = after.intent is Intent.EXIT
            self._discrepancies.note(
                K.ORDER_REAPPEARED,
                after.client_order_id,
                f"order {after.order_id} was {before.status}, and the broker has it "
                f"as {after.broker_order_id}; what is too much of it is canceled or "
                f"closed{'' if wanted else ', as nothing waits for it any more'}",
                f"check positions with the broker: 'shoonyactl trace {after.order_id}'",
                after,
            )

    def note_revived(self, before: Order, after: Order) -> None:
        """Note an order that works at the broker long after its end here."""
        self._discrepancies.note(
            K.CANCEL_IGNORED,
            after.client_order_id,
            f"order {after.order_id} was {before.status}, and the broker still shows "
            f"it at work as {after.broker_order_id}; its cancel is asked for again",
            f"cancel {after.broker_order_id} in the broker's own terminal",
            after,
        )

    def _is_overtaken(self, before: Order) -> bool:
        """Return whether it was unknown when its exit went past it."""
        if (
            before.status is not OrderStatus.OUTCOME_UNKNOWN
            or before.intent is Intent.EXIT
        ):
            return False
        request = self._store.orders.cancel_request(before.order_id)
        return request is not None and request.requested_by.startswith(FOR_EXIT)

    def _note_surplus(self, order: Order) -> int:
        """Note what an order's leg has too much; return how much that is."""
        leg = [
            other
            for other in self._store.orders.of_alert(order.alert_id)
            if other.leg == order.leg
        ]
        unwanted = unwanted_of(self._store, leg)
        surplus = surplus_of(leg, unwanted)
        if not surplus.quantity:
            return 0
        self._discrepancies.note(
            K.LEG_OVERFILLED,
            f"{order.alert_id}-{order.leg}",
            f"leg {order.leg} of alert {order.alert_id} has {surplus.quantity} more "
            f"{order.exchange}:{order.tradingsymbol} than it asked for; trading_bot "
            "closes the excess",
            f"check positions with the broker: 'shoonyactl trace {order.order_id}'",
            order,
        )
        return surplus.quantity


def unwanted_of(store: OrderStore, leg: Sequence[Order]) -> set[OrderId]:
    """Return the orders of a leg that turned up after they were given up."""
    return store.discrepancies.orders_with(
        K.ORDER_REAPPEARED, [order.order_id for order in leg]
    )
