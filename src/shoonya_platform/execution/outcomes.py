"""
Orders without an answer: found at the broker by the id that travelled along.

Only several readings that all lack an order, over longer than a request can take,
prove it absent; a reading that fails proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import Order, OrderId, OrderStatus, OrderTrigger
from shoonya_platform.execution.reports import bring_up_to, fills_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore


@dataclass(slots=True)
class _Search:
    """How often, and since when, an order was looked for in vain."""

    first_at: float
    reads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRules:
    """How much is needed to settle something."""

    interval_seconds: float
    absent_reads: int
    absent_seconds: float
    #: An order that works at the broker for longer is told of; 0 never is.
    old_order_seconds: float = 0.0


class OutcomeSearch:
    """
    Settles the orders whose outcome is unknown.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        rules: RecoveryRules,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._broker = broker
        self._rules = rules
        self._clock = clock
        self._ring = ring
        self._searches: dict[OrderId, _Search] = {}
        self.settled = 0
        self._logger = get_component_logger("recovery_service")

    @property
    def unknown(self) -> int:
        """How many are being looked for."""
        return len(self._searches)

    def step(self) -> None:
        """Ask for what is unknown; settle what the books tell of it."""
        unknown = self._store.orders.in_status(OrderStatus.OUTCOME_UNKNOWN)
        ids = {order.order_id for order in unknown}
        self._searches = {
            order_id: search
            for order_id, search in self._searches.items()
            if order_id in ids
        }
        if not unknown:
            return
        began = self._clock.monotonic()
        claims = {claim.client_order_id: claim for claim in self._broker.order_book()}
        trades = self._broker.trade_book()
        for order in unknown:
            claim = claims.get(order.client_order_id)
            if claim is None:
                self._not_found(order, began)
                continue
            with self._store.transaction(durable=True):
                current = self._store.orders.get(order.order_id)
                if current is None or current.status is not order.status:
                    continue
                after = bring_up_to(
                    self._store, current, claim, fills_of(claim, trades)
                )
                # Before the commit, so that no death leaves it untold.
                self._logger.warning(
                    "Order %d found at the broker as %s: it is %s",
                    order.order_id,
                    claim.broker_order_id,
                    after.status,
                    extra={**after.log_context, "event": "outcome_found"},
                )
            self.settled += 1
            self._ring("order_watcher", "trading_bot")

    def _not_found(self, order: Order, read_at: float) -> None:
        search = self._searches.setdefault(order.order_id, _Search(read_at))
        search.reads += 1
        if (
            search.reads < self._rules.absent_reads
            or read_at - search.first_at < self._rules.absent_seconds
        ):
            return
        with self._store.transaction(durable=True):
            current = self._store.orders.get(order.order_id)
            if current is None or current.status is not order.status:
                return
            self._store.orders.record(
                current,
                OrderTrigger.NOT_PLACED,
                reason=f"absent from {search.reads} readings of the order book "
                f"over {read_at - search.first_at:.0f} s",
            )
            self._logger.warning(
                "Order %d was never placed: %d readings of the order book lack it",
                order.order_id,
                search.reads,
                extra={**order.log_context, "event": "not_placed"},
            )
        self.settled += 1
        self._ring("trading_bot")
