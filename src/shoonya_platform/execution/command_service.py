"""
command_service: the only one that sends anything to the broker.

Write first, then act: the intention is on the disk, with the id that travels along,
before the broker hears of it.  An answer that does not come is an unknown outcome;
it is never sent again, and recovery_service finds out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from shoonya_platform.brokers.base import Broker, PlaceOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.denials import denied_by
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    CLOSED,
    WORKING,
    BrokerOrderId,
    Order,
    OrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.domain.positions import shrinks
from shoonya_platform.domain.trading import TradingState, TradingStatus
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    StoreError,
)
from shoonya_platform.execution.modifying import Modifier
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import CancelRequest, OrderStore

#: Intentions written at once.  A crash leaves at most this many outcomes to find out.
BATCH = 8
#: The next one is twice as large where the broker took one within GATHER_SECONDS, up
#: to this many: under a flood each commit would else wait for the disk and the lock.
LARGEST_BATCH = 32

#: Answers wait at most this long for company before they are written.
GATHER_SECONDS = 0.02

#: While orders wait and the broker is quick, batch follows batch for this long.
FLOW_SECONDS = 0.1

Answer = BrokerOrderId | BrokerError

_CANCELABLE = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_REPLACE,
)


class CommandService:
    """
    The worker of `command_service`.

    It needs to be the only one: what is `submitted` when it begins is taken for
    left behind by a run that died.

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
        self._modifier = Modifier(store, broker, ring)
        self._sent = 0
        #: Given by the broker, and not in the store yet.
        self._answers: list[tuple[Order, Answer]] = []
        self._logger = get_component_logger("command_service")

    def status(self) -> str:
        return f"{self._sent} orders sent to the {self._broker.name} broker"

    def begin(self) -> None:
        """Count as unknown what an earlier run sent, or was about to send."""
        with self._store.transaction(durable=True):
            left_behind = self._store.orders.in_status(OrderStatus.SUBMITTED)
            for order in left_behind:
                self._store.orders.record(
                    order,
                    OrderTrigger.OUTCOME_UNKNOWN,
                    reason="command_service ended before the broker's answer",
                )
            self._modifier.begin()
            for order in self._store.orders.in_status(OrderStatus.PENDING_CANCEL):
                # Asking again to cancel is safe.
                self._store.orders.request_cancel(order.order_id, by="command_service")
            for order in left_behind:
                self._logger.warning(
                    "Order %d: outcome unknown, an earlier run ended while sending it",
                    order.order_id,
                    extra={**order.log_context, "event": "outcome_unknown"},
                )
        if left_behind:
            self._ring("recovery_service")

    def step(self) -> int:
        # What the store did not take before: the rows still say `submitted`.
        self._write()
        return self._cancel() + self._modifier.step() + self._submit()

    def _submit(self) -> int:
        until = self._clock.monotonic() + FLOW_SECONDS
        done = 0
        most = BATCH
        while self._store.orders.in_status(OrderStatus.GUARD_PASSED, limit=1):
            ready, orders = self._take(most)
            done += len(ready)
            began = self._clock.monotonic()
            self._send(orders)
            now = self._clock.monotonic()
            if (
                len(ready) < most
                or now >= until
                or self._store.orders.cancel_requests(limit=1)
            ):
                break
            if now - began <= GATHER_SECONDS:
                most = min(2 * most, LARGEST_BATCH)
        self._write()
        return done

    def _take(self, most: int) -> tuple[list[Order], list[Order]]:
        """
        Write a batch of intentions down, in one commit with the answers so far.

        Returns:
            The orders that were ready, and those of them that may go out.
        """
        with self._store.transaction(durable=True):
            told = self._record_answers()
            trading = self._store.trading.status()
            ready = self._store.orders.ready(limit=most)
            orders = [
                self._store.orders.record(
                    order,
                    OrderTrigger.SUBMITTED,
                    text=f"to the {self._broker.name} broker",
                )
                for order in ready
                if self._allowed(order, trading)
            ]
            there = [order for order in orders if self._is_there(order)]
        self._written(told)
        if there:
            self._ring("recovery_service")
        return ready, [order for order in orders if order not in there]

    def _send(self, orders: list[Order]) -> None:
        """Ask the broker; some of the answers may still have to be written."""
        unavailable: BrokerUnavailable | None = None
        unsent = deque(orders)
        try:
            began = self._clock.monotonic()
            while unsent:
                order = unsent.popleft()
                answer = unavailable or self._place(order)
                if isinstance(answer, BrokerUnavailable):
                    unavailable = answer
                self._answers.append((order, answer))
                if self._clock.monotonic() - began > GATHER_SECONDS:
                    self._write()
                    began = self._clock.monotonic()
        except StoreError as e:
            nobody = BrokerUnavailable(f"not sent: {e.message}")
            self._answers += [(order, nobody) for order in unsent]
            raise
        if unavailable is not None:
            self._write()
            raise unavailable

    def _is_there(self, order: Order) -> bool:
        """What was taken for unsent may have arrived: the watcher has its number."""
        if order.broker_order_id is None:
            return False
        self._store.orders.record(
            order,
            OrderTrigger.OUTCOME_UNKNOWN,
            reason=f"the broker has it already, as {order.broker_order_id}",
        )
        self._logger.error(
            "Order %d is not sent again: the broker has it, as %s",
            order.order_id,
            order.broker_order_id,
            extra={**order.log_context, "event": "outcome_unknown"},
        )
        return True

    def _allowed(self, order: Order, trading: TradingStatus) -> bool:
        """Trading may have been halted after the guard looked."""
        if trading.state is TradingState.ACTIVE:
            return True
        if trading.state is TradingState.REDUCING and shrinks(
            order,
            self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            ),
            self._store.orders.in_status(*sorted(WORKING)),
        ):
            return True
        denial = denied_by(trading)
        self._store.orders.record(order, OrderTrigger.DENIED, reason=denial.text)
        self._logger.warning(
            "Order %d denied: %s",
            order.order_id,
            denial.text,
            extra={**order.log_context, "event": "order_denied", "code": denial.code},
        )
        return False

    def _place(self, order: Order) -> Answer:
        self._logger.info(
            "Order %d submitted: %s",
            order.order_id,
            order.summary,
            extra={**order.log_context, "event": "order_submitted"},
        )
        try:
            return self._broker.place(PlaceOrder.of(order))
        except BrokerError as e:
            return e

    def _write(self) -> None:
        if not self._answers:
            return
        with self._store.transaction(durable=True):
            told = self._record_answers()
        self._written(told)

    def _record_answers(self) -> list[tuple[Order, Answer]]:
        """Record what the broker answered, within a transaction; return that."""
        for order, answer in self._answers:
            self._record(order, answer)
            # Before the commit, so that no death leaves an answer untold.
            self._tell(order, answer)
        return self._answers

    def _written(self, answers: list[tuple[Order, Answer]]) -> None:
        """Forget answers that the store has, and say that there is news."""
        if not answers:
            return
        self._answers = []
        self._sent += sum(
            not isinstance(answer, BrokerUnavailable) for _, answer in answers
        )
        self._ring("order_watcher")
        if any(isinstance(answer, BrokerError) for _, answer in answers):
            self._ring("execution_guard", "trading_bot")
        if any(_is_unknown(answer) for _, answer in answers):
            self._ring("recovery_service")

    def _record(self, order: Order, answer: Answer) -> None:
        # A report may have overtaken the answer: read the row again.
        current = self._store.orders.get(order.order_id)
        if current is None:
            return
        orders = self._store.orders
        if current.status is OrderStatus.SUBMITTED:
            if isinstance(answer, str):
                orders.record(
                    current,
                    OrderTrigger.ACCEPTED,
                    broker_order_id=answer,
                    text=f"broker order {answer}",
                )
            elif isinstance(answer, BrokerRejected):
                orders.record(current, OrderTrigger.REJECTED, reason=answer.message)
            elif isinstance(answer, BrokerUnavailable):
                orders.record(current, OrderTrigger.UNSENT, text=answer.message)
            else:
                orders.record(
                    current, OrderTrigger.OUTCOME_UNKNOWN, reason=answer.message
                )
        elif isinstance(answer, str) and current.broker_order_id is None:
            orders.note_number(current, answer, is_confirmed=False)

    def _tell(self, order: Order, answer: Answer) -> None:
        if isinstance(answer, str):
            self._logger.info(
                "Order %d accepted as broker order %s",
                order.order_id,
                answer,
                extra={
                    **order.log_context,
                    "broker_order_id": answer,
                    "event": "order_accepted",
                },
            )
            return
        event, words = {
            BrokerRejected: ("order_rejected", "rejected by the broker"),
            BrokerUnavailable: ("order_unsent", "not sent, waiting for the broker"),
        }.get(type(answer), ("outcome_unknown", "outcome unknown, not sent again"))
        self._logger.warning(
            "Order %d %s: %s",
            order.order_id,
            words,
            answer.sentence,
            extra={**order.log_context, "event": event},
        )

    def _cancel(self) -> int:
        return sum(
            self._cancel_one(request)
            for request in self._store.orders.cancel_requests(limit=50)
        )

    def _cancel_one(self, request: CancelRequest) -> int:
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
        if order.broker_order_id is None:
            return 0
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


def _is_unknown(answer: Answer) -> bool:
    return not isinstance(answer, str | BrokerRejected | BrokerUnavailable)
