"""
Orders without an answer: found at the broker by the id that travelled along.

Only several readings that all lack an order, over longer than a request can take,
prove it absent; a reading that fails proves nothing.  They are counted in the store:
a service that is killed again and again comes to an end all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import Order, OrderStatus, OrderTrigger
from shoonya_platform.execution.reports import bring_up_to, fills_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import Absence, OrderStore


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
        #: How many are being looked for.
        self.unknown = 0
        self.settled = 0
        self._logger = get_component_logger("recovery_service")

    def step(self) -> None:
        """Ask for what is unknown; settle what the books tell of it."""
        unknown = self._store.orders.in_status(OrderStatus.OUTCOME_UNKNOWN)
        self.unknown = len(unknown)
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
                self._store.recovery.forget_absence(order.order_id)
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
        with self._store.transaction(durable=False):
            search = self._store.recovery.note_absence(order, read_at=read_at)
        if (
            search.reads < self._rules.absent_reads
            or read_at - search.first_at < self._rules.absent_seconds
        ):
            return
        with self._store.transaction(durable=True):
            current = self._store.orders.get(order.order_id)
            if current is None or current.status is not order.status:
                return
            self._store.recovery.forget_absence(order.order_id)
            sent_on = trading_day(current.updated_at)
            if sent_on < trading_day(self._clock.now()):
                self._give_up(current, sent_on)
            else:
                self._absent(current, search, read_at)
        self.settled += 1
        self._ring("trading_bot")

    def _absent(self, order: Order, search: Absence, read_at: float) -> None:
        self._store.orders.record(
            order,
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

    def _give_up(self, order: Order, sent_on: date) -> None:
        """The book of its day is gone: what is not in today's was perhaps in that."""
        self._store.orders.record(
            order,
            OrderTrigger.EXPIRED,
            reason=f"its outcome of {sent_on} is not in today's order book, which "
            "proves nothing",
        )
        self._logger.error(
            "Order %d was sent on %s and nobody knows whether it was placed: compare "
            "that day's trades and your positions with your broker",
            order.order_id,
            sent_on,
            extra={**order.log_context, "event": "outcome_lost"},
        )
