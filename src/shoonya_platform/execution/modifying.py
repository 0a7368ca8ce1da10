"""
Other terms for working orders, sent to the broker: written first, as orders are.

A request that the checks have passed is sent once.  Without a clear answer nobody
knows which terms hold; recovery_service reads the books.
"""

from __future__ import annotations

from collections.abc import Callable

from shoonya_platform.brokers.base import Broker, ModifyOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.denials import Denial, DenialCode, denied_by
from shoonya_platform.domain.orders import CLOSED, Order, OrderStatus, OrderTrigger
from shoonya_platform.domain.terms import ModifyRequest, ModifyStage
from shoonya_platform.domain.trading import TradingStatus, lets_out
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
)
from shoonya_platform.execution.reports import refuse_replace
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Requests taken in one step, and seconds it may take.
BATCH = 50
STEP_SECONDS = 10.0

_WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class Modifier:
    """
    The part of `command_service` that sends new terms.

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
        self._logger = get_component_logger("command_service")

    def begin(self) -> None:
        """Count as unknown what an earlier run was sending; in a transaction."""
        for request in self._store.modifies.waiting(ModifyStage.SENDING, limit=BATCH):
            order = self._store.orders.get(request.order_id)
            if order is not None:
                self._store.modifies.pass_on(order, ModifyStage.UNKNOWN)

    def step(self) -> int:
        until = self._clock.monotonic() + STEP_SECONDS
        done = 0
        for request in self._store.modifies.waiting(
            ModifyStage.GUARD_PASSED, limit=BATCH
        ):
            done += self._send(request)
            if self._clock.monotonic() >= until:
                break
        return done

    def _send(self, request: ModifyRequest) -> int:
        """Take a request as far as it goes now; return 0 if it has to wait."""
        with self._store.transaction(durable=True):
            order = self._store.orders.get(request.order_id)
            if order is None or (
                order.status not in _WORKING and order.status not in CLOSED
            ):
                return 0
            if not self._may_be_sent(order, request):
                return 1
            order = self._store.orders.record(
                order,
                OrderTrigger.REPLACE_REQUESTED,
                text=f"{request.terms.text}, by {request.requested_by}",
            )
            self._store.modifies.pass_on(order, ModifyStage.SENDING)
        self._logger.info(
            "Order %d: asking for %s",
            order.order_id,
            request.terms.text,
            extra={**order.log_context, "event": "replace_requested"},
        )
        self._record(order, self._ask(order, request))
        return 1

    def _may_be_sent(self, order: Order, request: ModifyRequest) -> bool:
        """Look once more, as much may have happened since the guard did."""
        if order.is_closed:
            self._store.modifies.finish(
                order.order_id, result=f"the order is {order.status}"
            )
            return False
        denial = None
        trading = self._store.trading.status()
        if not _is_let_out(order, trading):
            denial = denied_by(trading)
        elif request.terms.quantity <= order.filled_quantity:
            denial = Denial(
                DenialCode.QUANTITY_FILLED_ALREADY,
                {"quantity": request.terms.quantity, "filled": order.filled_quantity},
            )
        if denial is None:
            return True
        self._store.modifies.deny(order, denial.text)
        self._logger.warning(
            "Order %d: new terms denied: %s",
            order.order_id,
            denial.text,
            extra={
                **order.log_context,
                "event": "replace_denied",
                "code": denial.code,
            },
        )
        return False

    def _ask(self, order: Order, request: ModifyRequest) -> BrokerError | None:
        if order.broker_order_id is None or not order.is_number_confirmed:
            return BrokerUnavailable("not sent: the broker's number is not known yet")
        change = ModifyOrder(
            broker_order_id=order.broker_order_id,
            exchange=order.exchange,
            tradingsymbol=order.tradingsymbol,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            quantity=request.terms.quantity,
            price=request.terms.price,
            trigger_price=request.terms.trigger_price,
        )
        with self._store.trading.sending() as trading:
            if not _is_let_out(order, trading):
                return BrokerUnavailable(denied_by(trading).text)
            try:
                self._broker.modify(change)
            except BrokerError as e:
                return e
            except Exception as e:  # noqa: BLE001 it was sent: the worst is "unknown"
                return OutcomeUnknown(
                    f"the answer could not be used: {type(e).__name__}: {e}"
                )
        return None

    def _record(self, order: Order, error: BrokerError | None) -> None:
        with self._store.transaction(durable=True):
            # A report may have overtaken the answer: read the row again.
            current = self._store.orders.get(order.order_id) or order
            if isinstance(error, BrokerRejected):
                refuse_replace(self._store, current, error.message)
            elif isinstance(error, BrokerUnavailable):
                refuse_replace(self._store, current, f"not sent: {error.message}")
            elif current.status is OrderStatus.PENDING_REPLACE:
                stage = ModifyStage.SENT if error is None else ModifyStage.UNKNOWN
                self._store.modifies.pass_on(current, stage)
        if error is None:
            self._logger.info(
                "Order %d: the broker took the new terms",
                order.order_id,
                extra={**order.log_context, "event": "replace_sent"},
            )
        else:
            known = isinstance(error, BrokerRejected | BrokerUnavailable)
            self._logger.warning(
                "Order %d: new terms %s: %s",
                order.order_id,
                "refused" if known else "may hold or not, asking the books",
                error.sentence,
                extra={
                    **order.log_context,
                    "event": "replace_rejected" if known else "replace_unknown",
                },
            )
        self._ring("order_watcher", "recovery_service")


def _is_let_out(order: Order, trading: TradingStatus) -> bool:
    # What may only shrink a position the guard has judged.
    return lets_out(trading.state, order, lambda: True)
