"""
recovery_service: finds out what happened where nobody knows.

An order without an answer is looked for at the broker by the id that travelled
along.  Only several readings that all lack it, over longer than a request can take,
prove it absent; a reading that fails proves nothing.  Nothing is ever "mended" by
trading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    Order,
    OrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.execution.reports import bring_up_to, fills_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A row that its owner has not moved for this long is told of, and its owner rung.
STUCK_SECONDS = 60.0

_OWNERS: Mapping[OrderStatus, str] = {
    OrderStatus.INITIALIZED: "risk_manager",
    OrderStatus.RISK_PASSED: "execution_guard",
    OrderStatus.GUARD_PASSED: "command_service",
    OrderStatus.SUBMITTED: "command_service",
    OrderStatus.PENDING_CANCEL: "command_service",
    OrderStatus.OUTCOME_UNKNOWN: "recovery_service",
}

Holding = tuple[str, str, str]  #: exchange, tradingsymbol, product


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


class RecoveryService:
    """
    The worker of `recovery_service`.

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
        self._looked_at = float("-inf")
        self._told_stuck: set[tuple[OrderId, OrderStatus]] = set()
        self._differences: dict[Holding, tuple[int, int]] = {}
        self._settled = 0
        self._logger = get_component_logger("recovery_service")

    def begin(self) -> None:
        """The first step looks at everything."""

    def status(self) -> str:
        return (
            f"{len(self._searches)} unknown outcomes, {self._settled} settled, "
            f"{len(self._differences)} positions differ from the broker"
        )

    def step(self) -> int:
        self._settle_unknown()
        now = self._clock.monotonic()
        if now - self._looked_at >= self._rules.interval_seconds:
            self._looked_at = now
            self._tell_stuck()
            self._compare_positions()
        # The next look is at the next poll: readings need time between them.
        return 0

    def _settle_unknown(self) -> None:
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
            self._settled += 1
            self._logger.warning(
                "Order %d found at the broker as %s: it is %s",
                order.order_id,
                claim.broker_order_id,
                after.status,
                extra={**after.log_context, "event": "outcome_found"},
            )
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
        self._settled += 1
        self._logger.warning(
            "Order %d was never placed: %d readings of the order book lack it",
            order.order_id,
            search.reads,
            extra={**order.log_context, "event": "not_placed"},
        )
        self._ring("trading_bot")

    def _tell_stuck(self) -> None:
        now = self._clock.now()
        for order in self._store.orders.in_status(*sorted(BEFORE_BROKER | IN_FLIGHT)):
            seconds = (now - order.updated_at).total_seconds()
            if seconds < STUCK_SECONDS:
                continue
            owner = _OWNERS[order.status]
            self._ring(owner)
            if (order.order_id, order.status) in self._told_stuck:
                continue
            self._told_stuck.add((order.order_id, order.status))
            self._logger.error(
                "Order %d is stuck: %s for %.0f s, %s should have moved it",
                order.order_id,
                order.status,
                seconds,
                owner,
                extra={**order.log_context, "event": "order_stuck"},
            )

    def _compare_positions(self) -> None:
        """Tell where our positions and the broker's differ, once for each change."""
        if self._store.orders.in_status(*sorted(IN_FLIGHT), limit=1):
            return
        ours: Counter[Holding] = Counter()
        for held in self._store.positions.open():
            ours[held.exchange, held.tradingsymbol, held.product] += held.quantity
        theirs: dict[Holding, int] = {
            (held.exchange, held.tradingsymbol, held.product): held.quantity
            for held in self._broker.positions()
        }
        differences = {
            key: (ours.get(key, 0), theirs.get(key, 0))
            for key in sorted({*ours, *theirs})
            if ours.get(key, 0) != theirs.get(key, 0)
        }
        for key, (own, broker) in differences.items():
            if self._differences.get(key) != (own, broker):
                self._logger.warning(
                    "%s:%s %s: we hold %d, the broker says %d, leaving it to you",
                    *key,
                    own,
                    broker,
                    extra={"event": "position_differs"},
                )
        for key in sorted(self._differences.keys() - differences.keys()):
            self._logger.info(
                "%s:%s %s agrees with the broker again",
                *key,
                extra={"event": "position_agrees"},
            )
        self._differences = differences
