"""
New terms whose fate nobody told: the order book shows which hold.

Only several readings that all show the old terms, over longer than a request can
take, prove that the new ones were not taken; they are never asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shoonya_platform.brokers.base import Broker, BrokerOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import Order, OrderId, OrderStatus
from shoonya_platform.domain.terms import ModifyRequest, ModifyStage
from shoonya_platform.execution.reports import (
    bring_up_to,
    claimed_terms,
    fills_of,
    refuse_replace,
)
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

BATCH = 50


@dataclass(slots=True)
class _Search:
    """How often, and since when, the old terms were seen."""

    first_at: float
    reads: int = 0


class ReplacementSearch:
    """
    Settles new terms that the broker has taken, or may have.

    Args:
        reads: Readings that must all show the old terms.

        seconds: What those readings must span at least.

        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        clock: Clock,
        ring: Callable[..., None],
        *,
        reads: int,
        seconds: float,
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._ring = ring
        self._reads = reads
        self._seconds = seconds
        self._searches: dict[OrderId, _Search] = {}
        self._logger = get_component_logger("recovery_service")

    def step(self) -> None:
        open_requests = self._store.modifies.waiting(
            ModifyStage.SENT, ModifyStage.UNKNOWN, limit=BATCH
        )
        ids = {request.order_id for request in open_requests}
        for gone in self._searches.keys() - ids:
            del self._searches[gone]
        if not open_requests:
            return
        began = self._clock.monotonic()
        claims = {claim.broker_order_id: claim for claim in self._broker.order_book()}
        for request in open_requests:
            order = self._store.orders.get(request.order_id)
            if order is None:
                continue
            if order.status is not OrderStatus.PENDING_REPLACE:
                # Canceled or filled meanwhile: nobody waits for the terms any more.
                self._finish(order)
            elif order.broker_order_id in claims:
                self._compare(request, order, claims[order.broker_order_id], began)

    def _finish(self, order: Order) -> None:
        with self._store.transaction(durable=False):
            self._store.modifies.finish(
                order.order_id, result=f"the order is {order.status}"
            )

    def _compare(
        self, request: ModifyRequest, order: Order, claim: BrokerOrder, read_at: float
    ) -> None:
        if claimed_terms(order, claim) == request.terms:
            fills = fills_of(claim, self._broker.trade_book())
            with self._store.transaction(durable=True):
                current = self._store.orders.get(order.order_id)
                if current is None or current.status is not order.status:
                    return
                bring_up_to(self._store, current, claim, fills)
            self._tell(order, "found at the broker", "replace_found")
            return
        search = self._searches.setdefault(order.order_id, _Search(read_at))
        search.reads += 1
        if search.reads < self._reads or read_at - search.first_at < self._seconds:
            return
        reason = (
            f"{search.reads} readings of the order book over "
            f"{read_at - search.first_at:.0f} s show the old terms"
        )
        with self._store.transaction(durable=True):
            current = self._store.orders.get(order.order_id)
            if current is None or current.status is not order.status:
                return
            refuse_replace(self._store, current, reason)
        self._tell(order, f"do not hold: {reason}", "replace_absent")

    def _tell(self, order: Order, words: str, event: str) -> None:
        self._logger.warning(
            "Order %d: the new terms %s",
            order.order_id,
            words,
            extra={**order.log_context, "event": event},
        )
        self._ring("order_watcher", "trading_bot")
