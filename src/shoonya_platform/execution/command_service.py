"""
command_service: the only one that sends anything to the broker.

Write first, then act: the intention is on the disk, with the id that travels along,
before the broker hears of it.  An answer that does not come is an unknown outcome;
it is never sent again, and recovery_service finds out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from logging import ERROR, WARNING

from shoonya_platform.brokers.base import Broker, PlaceOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.denials import Denial
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    Intent,
    Order,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.domain.trading import TradingStatus
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    Denied,
    OutcomeUnknown,
    StoreError,
)
from shoonya_platform.execution.behind import BehindBroker
from shoonya_platform.execution.canceling import Canceler
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.exit_cap import ExitCap
from shoonya_platform.execution.modifying import Modifier
from shoonya_platform.execution.preconditions import SendPreconditions
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Intentions written at once.  A crash leaves at most this many outcomes to find out.
BATCH = 8
#: The next one is twice as large where the broker took one within GATHER_SECONDS, up
#: to this many: under a flood each commit would else wait for the disk and the lock.
LARGEST_BATCH = 32

#: Answers wait at most this long for company before they are written.
GATHER_SECONDS = 0.02

#: While orders wait and the broker is quick, batch follows batch for this long.
FLOW_SECONDS = 0.1

#: A batch goes on no longer: what is left of it goes back unsent, and a halt, a cancel
#: or an exit gets its turn.
BATCH_SECONDS = 10.0
#: An order that took longer than this is the only one of the next batch.
SLOW_SECONDS = 1.0

#: `Denied`: not sent, as something forbade it at the last moment.
Answer = BrokerOrderId | BrokerError | Denied


class CommandService:
    """
    The worker of `command_service`.

    It needs to be the only one: what is `submitted` when it begins is taken for
    left behind by a run that died.

    Args:
        ring: Rings the named services' doorbells.

        preconditions: Asked again for each order at the moment it is sent.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        clock: Clock,
        ring: Callable[..., None],
        preconditions: SendPreconditions,
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._ring = ring
        self._preconditions = preconditions
        self._modifier = Modifier(store, broker, clock, ring)
        self._canceler = Canceler(store, broker, clock, ring)
        self._behind = BehindBroker(store, broker, clock)
        self._cap = ExitCap(store, broker, clock, preconditions.awaits_market)
        self._sent = 0
        #: Ready, but not yet to be sent.
        self._held_back = 0
        self._is_slow = False
        #: Given by the broker, and not in the store yet.
        self._answers: list[tuple[Order, Answer]] = []
        self._logger = get_component_logger("command_service")
        self._discrepancies = Discrepancies(store, self._logger)

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
            self._canceler.begin()
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
        return self._canceler.step() + self._modifier.step() + self._submit()

    def _submit(self) -> int:
        until = self._clock.monotonic() + FLOW_SECONDS
        done = 0
        most = 1 if self._is_slow else BATCH
        while self._store.orders.in_status(OrderStatus.GUARD_PASSED, limit=1):
            self._behind.look()
            self._cap.look(limit=most + self._held_back)
            taken, orders = self._take(most)
            done += taken
            began = self._clock.monotonic()
            self._send(orders)
            now = self._clock.monotonic()
            self._is_slow = now - began > SLOW_SECONDS * max(1, len(orders))
            if (
                taken < most
                or now >= until
                or self._store.orders.cancel_requests(limit=1)
            ):
                break
            if now - began <= GATHER_SECONDS:
                most = min(2 * most, LARGEST_BATCH)
        self._write()
        return done

    def _take(self, most: int) -> tuple[int, list[Order]]:
        """
        Write a batch of intentions down, in one commit with the answers so far.

        Returns:
            How many orders were moved, and those of them that may go out.
        """
        with self._store.transaction(durable=True):
            recorded = self._record_answers()
            trading = self._store.trading.status()
            ready = self._store.orders.ready(limit=most + self._held_back)
            taken = [order for order in ready if not self._waits(order)][:most]
            self._held_back = sum(self._waits(order) for order in ready)
            orders = [
                self._store.orders.record(
                    allowed,
                    OrderTrigger.SUBMITTED,
                    text=f"to the {self._broker.name} broker",
                )
                for order in taken
                if (allowed := self._allowed(order, trading)) is not None
            ]
            there = [order for order in orders if self._is_there(order)]
        self._written(recorded)
        if there:
            self._ring("recovery_service")
        return len(taken), [order for order in orders if order not in there]

    def _waits(self, order: Order) -> bool:
        """Return whether an order has to wait until more is known."""
        if order.intent is Intent.EXIT:
            return self._preconditions.awaits_market(order) or self._cap.waits(order)
        return self._preconditions.is_awaiting() or self._behind.waits(order)

    def _send(self, orders: list[Order]) -> None:
        """Ask the broker; some of the answers may still have to be written."""
        unavailable: BrokerUnavailable | None = None
        unsent = deque(orders)
        first = self._clock.monotonic()
        try:
            began = first
            while unsent:
                order = unsent.popleft()
                answer = unavailable or self._place(order)
                if isinstance(answer, BrokerUnavailable):
                    unavailable = answer
                self._answers.append((order, answer))
                now = self._clock.monotonic()
                if unsent and unavailable is None and now - first > BATCH_SECONDS:
                    unavailable = BrokerUnavailable(
                        f"not sent: the broker took {now - first:.0f} s for "
                        f"{len(orders) - len(unsent)} orders"
                    )
                if now - began > GATHER_SECONDS:
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
        """Return whether the broker has it: what was taken for unsent may arrive."""
        number = order.broker_order_id or self._behind.number_of(order)
        if number is None:
            return False
        self._store.orders.record(
            order,
            OrderTrigger.OUTCOME_UNKNOWN,
            reason=f"the broker has it already, as {number}",
        )
        self._logger.error(
            "Order %d is not sent again: the broker has it, as %s",
            order.order_id,
            number,
            extra={**order.log_context, "event": "outcome_unknown"},
        )
        return True

    def _allowed(self, order: Order, trading: TradingStatus) -> Order | None:
        """Deny what may not go out any more, since the guard looked."""
        denial = self._preconditions.denial(order, trading)
        if denial is None:
            bound = self._cap.bound(order)
            if not isinstance(bound, Denial):
                return bound
            denial = bound
        self._store.orders.record(order, OrderTrigger.DENIED, reason=denial.text)
        self._logger.warning(
            "Order %d denied: %s",
            order.order_id,
            denial.text,
            extra={**order.log_context, "event": "order_denied", "code": denial.code},
        )
        return None

    def _place(self, order: Order) -> Answer:
        with self._store.trading.sending() as trading:
            denial = self._preconditions.denial(order, trading)
            if denial is not None:
                # The guard denies it, with that reason.
                return Denied(denial.text)
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
            except Exception as e:  # noqa: BLE001 it was sent: the worst is "unknown"
                return OutcomeUnknown(
                    f"the answer could not be used: {type(e).__name__}: {e}"
                )

    def _write(self) -> None:
        if not self._answers:
            return
        with self._store.transaction(durable=True):
            recorded = self._record_answers()
        self._written(recorded)

    def _record_answers(self) -> list[tuple[Order, Answer]]:
        """Record what the broker answered, within a transaction; return that."""
        recorded = []
        for order, given in self._answers:
            # One by one: two answers of a batch may carry one number.
            answer = self._checked(order, given)
            self._record(order, answer)
            # Logged before the commit: a crash in between may duplicate the line.
            self._tell(order, answer)
            recorded.append((order, answer))
        return recorded

    def _written(self, answers: list[tuple[Order, Answer]]) -> None:
        """Forget answers that the store has, and say that there is news."""
        if not answers:
            return
        self._answers = []
        self._sent += sum(
            not isinstance(answer, BrokerUnavailable | Denied) for _, answer in answers
        )
        self._ring("order_watcher")
        if any(not isinstance(answer, str) for _, answer in answers):
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
            elif isinstance(answer, BrokerUnavailable | Denied):
                orders.record(current, OrderTrigger.UNSENT, text=answer.message)
            else:
                orders.record(
                    current, OrderTrigger.OUTCOME_UNKNOWN, reason=answer.message
                )
        elif isinstance(answer, str) and current.broker_order_id is None:
            orders.note_number(current, answer, is_confirmed=False)

    def _checked(self, order: Order, answer: Answer) -> Answer:
        """Take an answer for none, and show it, if its number is another order's."""
        if not isinstance(answer, str):
            return answer
        holder = self._store.orders.by_broker_order_id(answer)
        if holder is None or holder.order_id == order.order_id:
            return answer
        text = (
            f"the answer carries the number {answer}, which is order "
            f"{holder.order_id}'s"
        )
        self._discrepancies.note(
            DiscrepancyKind.WRONG_NUMBER,
            order.client_order_id,
            f"order {order.order_id}: {text}; it is looked for by our id",
            f"nothing, if 'shoonyactl trace {order.order_id}' ends well",
            order,
        )
        return OutcomeUnknown(text)

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
            Denied: ("order_unsent", "not sent"),
        }.get(type(answer), ("outcome_unknown", "outcome unknown, not sent again"))
        is_refused_exit = event == "order_rejected" and order.intent is Intent.EXIT
        self._logger.log(
            ERROR if is_refused_exit else WARNING,
            "Order %d %s: %s",
            order.order_id,
            words,
            answer.sentence,
            extra={**order.log_context, "event": event},
        )


def _is_unknown(answer: Answer) -> bool:
    return not isinstance(answer, str | BrokerRejected | BrokerUnavailable | Denied)
