"""
Cancels orders at the broker, and asks again for as long as they work there.

A cancel goes out only under a number that a row with our id has shown: the number in
an answer may be another order's, and canceling that would be a stranger's loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    CLOSED,
    Order,
    OrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.errors import BrokerRejected, OutcomeUnknown
from shoonya_platform.execution.claims import Verdict, match, numbers_of
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import CancelRequest, OrderStore

#: Requests looked at in one step, and seconds it may take.
BATCH = 50
STEP_SECONDS = 10.0
#: A cancel that the broker took is asked for again while the order works.
AGAIN_SECONDS = 15.0
#: From this repetition on the operator is shown that it is ignored.
SHOWN_FROM = 2
#: Seconds between two readings of the order book to confirm numbers.
CONFIRM_SECONDS = 2.0

_CANCELABLE = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_REPLACE,
)


class Canceler:
    """
    The part of `command_service` that cancels.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self, store: OrderStore, broker: Broker, clock: Clock, ring: Callable[..., None]
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._ring = ring
        #: When a cancel was last asked for, monotonic, and how often.
        self._asked: dict[OrderId, tuple[float, int]] = {}
        self._confirmed_at = float("-inf")
        self._logger = get_component_logger("command_service")
        self._discrepancies = Discrepancies(store, self._logger)

    def begin(self) -> None:
        """Ask again for what an earlier run may have asked for; in a transaction."""
        for order in self._store.orders.in_status(OrderStatus.PENDING_CANCEL):
            # Asking again to cancel is safe.
            self._ask_again(order)

    def step(self) -> int:
        self._repeat()
        until = self._clock.monotonic() + STEP_SECONDS
        done = 0
        for request in self._store.orders.cancel_requests(limit=BATCH):
            done += self._cancel(request)
            if self._clock.monotonic() >= until:
                break
        return done

    def _repeat(self) -> None:
        """Ask again where the broker took a cancel and the order still works."""
        pending = self._store.orders.in_status(OrderStatus.PENDING_CANCEL)
        ids = {order.order_id for order in pending}
        for gone in self._asked.keys() - ids:
            del self._asked[gone]
        now = self._clock.monotonic()
        late = [
            order
            for order in pending
            if now - self._asked.get(order.order_id, (now, 0))[0] >= AGAIN_SECONDS
        ]
        if not late:
            return
        with self._store.transaction(durable=False):
            for order in late:
                self._ask_again(order)
                if self._asked[order.order_id][1] >= SHOWN_FROM:
                    self._discrepancies.note(
                        DiscrepancyKind.CANCEL_IGNORED,
                        order.client_order_id,
                        f"the broker took the cancel of order {order.order_id} "
                        f"({order.broker_order_id}), and the order still works",
                        f"cancel {order.broker_order_id} in the broker's own terminal",
                        order,
                    )

    def _ask_again(self, order: Order) -> None:
        by = self._store.orders.canceled_by(order.order_id) or "command_service"
        self._store.orders.request_cancel(order.order_id, by=by)

    def _cancel(self, request: CancelRequest) -> int:
        """Take a request as far as it goes now; return 0 if it has to wait."""
        with self._store.transaction(durable=True):
            order = self._store.orders.get(request.order_id)
            if order is None:
                return 0
            if order.status in BEFORE_BROKER:
                order = self._store.orders.record(
                    order,
                    OrderTrigger.CANCELED,
                    reason=f"canceled by {request.requested_by} before it was sent",
                )
            elif order.status in _CANCELABLE:
                order = self._store.orders.record(
                    order,
                    OrderTrigger.CANCEL_REQUESTED,
                    text=f"by {request.requested_by}",
                )
            if order.status in CLOSED:
                self._store.orders.finish_cancel(
                    order.order_id, result=f"the order is {order.status}"
                )
                self._logger.info(
                    "Order %d needs no cancel at the broker, it is %s",
                    order.order_id,
                    order.status,
                    extra={**order.log_context, "event": "cancel_done"},
                )
        if order.status in CLOSED:
            self._ring("trading_bot")
            return 1
        if order.status is not OrderStatus.PENDING_CANCEL:
            return 0
        return self._ask_cancel(order)

    def _ask_cancel(self, order: Order) -> int:
        if not order.is_number_confirmed:
            confirmed = self._confirm(order)
            if confirmed is None:
                return 0
            order = confirmed
        if order.broker_order_id is None:
            return 0
        asked = self._asked.get(order.order_id, (0.0, 0))[1]
        self._asked[order.order_id] = (self._clock.monotonic(), asked + 1)
        try:
            self._broker.cancel(order.broker_order_id)
        except BrokerRejected as e:
            self._cancel_rejected(order.order_id, e)
        except OutcomeUnknown as e:
            # Left open: asking again is safe, and the next step does.
            self._logger.warning(
                "Order %d: %s, asking again",
                order.order_id,
                e.sentence,
                extra={**order.log_context, "event": "cancel_unknown"},
            )
            return 0
        else:
            with self._store.transaction(durable=True):
                self._store.orders.finish_cancel(order.order_id, result="sent")
            self._logger.info(
                "Order %d: cancel sent to the broker",
                order.order_id,
                extra={**order.log_context, "event": "cancel_sent"},
            )
        self._ring("order_watcher")
        return 1

    def _confirm(self, order: Order) -> Order | None:
        """Look an order's number up in the order book; None if that has to wait."""
        now = self._clock.monotonic()
        if now - self._confirmed_at < CONFIRM_SECONDS:
            return None
        self._confirmed_at = now
        claims = self._broker.order_book()
        numbers = numbers_of(claims)
        for claim in claims:
            if claim.client_order_id != order.client_order_id:
                continue
            with self._store.transaction(durable=False):
                matched = match(self._store, claim, numbers)
                if matched.shares_with is not None:
                    # Under that number the broker may cancel the other one.
                    return (
                        replace(order, broker_order_id=claim.broker_order_id)
                        if matched.shares_with.is_closed
                        else None
                    )
                # Another number is for order_watcher and recovery_service to book.
                if matched.verdict is Verdict.OURS and matched.wrong_holder is None:
                    return self._store.orders.note_number(
                        order, claim.broker_order_id, is_confirmed=True
                    )
        return None

    def _cancel_rejected(self, order_id: OrderId, error: BrokerRejected) -> None:
        with self._store.transaction(durable=True):
            order = self._store.orders.get(order_id)
            if order is not None and order.status is OrderStatus.PENDING_CANCEL:
                order = self._store.orders.record(
                    order, OrderTrigger.CANCEL_REJECTED, text=error.message
                )
            self._store.orders.finish_cancel(order_id, result=error.message)
            if order is not None:
                self._logger.warning(
                    "Order %d: cancel rejected: %s",
                    order_id,
                    error.sentence,
                    extra={**order.log_context, "event": "cancel_rejected"},
                )
