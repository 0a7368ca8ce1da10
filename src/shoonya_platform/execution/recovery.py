"""
recovery_service: finds out what happened where nobody knows.

An order without an answer is looked for at the broker by the id that travelled
along.  Only several readings that all lack it, over longer than a request can take,
prove it absent; a reading that fails proves nothing.  Nothing is ever "mended" by
trading.  Each comparison with the broker's books is written down as a report; the first
that succeeds after a start of the platform lets entries out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from logging import ERROR, WARNING

from shoonya_platform.brokers.base import Broker, BrokerOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    WORKING,
    BrokerOrderId,
    Intent,
    Order,
    OrderId,
    OrderStatus,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.conditions import Conditions, PositionDifferences
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.outcomes import OutcomeSearch, RecoveryRules
from shoonya_platform.execution.reconciling import Found, Reconciler
from shoonya_platform.execution.recovery_report import (
    OrderNote,
    PositionNote,
    RecoveryReport,
)
from shoonya_platform.execution.replacements import ReplacementSearch
from shoonya_platform.execution.reports import tell_overfilled
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A row that its owner has not moved for this long is told of, and its owner rung.
STUCK_SECONDS = 60.0

_OWNERS: Mapping[OrderStatus, str] = {
    OrderStatus.INITIALIZED: "risk_manager",
    OrderStatus.RISK_PASSED: "execution_guard",
    OrderStatus.GUARD_PASSED: "command_service",
    OrderStatus.SUBMITTED: "command_service",
    OrderStatus.PENDING_REPLACE: "recovery_service",
    OrderStatus.PENDING_CANCEL: "command_service",
    OrderStatus.OUTCOME_UNKNOWN: "recovery_service",
}

_AT_BROKER = sorted(WORKING - IN_FLIGHT)


class RecoveryService:
    """
    The worker of `recovery_service`.

    Args:
        ring: Rings the named services' doorbells.

        instruments: As `Reconciler` takes it.

        keep: Writes a report where people find it; what it raises as `OSError` is
            told and tolerated.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        rules: RecoveryRules,
        clock: Clock,
        ring: Callable[..., None],
        *,
        instruments: Instruments,
        run_id: str = "",
        keep: Callable[[RecoveryReport], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._broker = broker
        self._rules = rules
        self._clock = clock
        self._ring = ring
        self._search = OutcomeSearch(store, broker, rules, clock, ring)
        self._replacements = ReplacementSearch(
            store,
            broker,
            clock,
            ring,
            reads=rules.absent_reads,
            seconds=rules.absent_seconds,
        )
        self._looked_at = float("-inf")
        self._told_stuck: set[tuple[OrderId, OrderStatus]] = set()
        self._run_id = run_id
        self._keep = keep
        self._logger = get_component_logger("recovery_service")
        self._reconciler = Reconciler(
            store,
            broker,
            clock,
            self._logger,
            instruments=instruments,
            absent_reads=rules.absent_reads,
            report=self._report_change,
        )
        self._has_looked = False
        self._told_order: set[tuple[str, OrderId | BrokerOrderId]] = set()
        self._differences = PositionDifferences(store, clock)
        self._conditions = Conditions(store, self._logger)

    def begin(self) -> None:
        """Look at everything, so that "ready" means that it was."""
        self._look()

    def status(self) -> str:
        return (
            f"{self._search.unknown} unknown outcomes, {self._search.settled} settled, "
            f"{len(self._differences.confirmed)} positions differ from the broker"
        )

    def step(self) -> int:
        self._search.step()
        self._replacements.step()
        now = self._clock.monotonic()
        if now - self._looked_at >= self._rules.interval_seconds:
            self._look()
        # The next look is at the next poll: readings need time between them.
        return 0

    def _look(self) -> None:
        self._looked_at = self._clock.monotonic()
        began = self._clock.now()
        stuck = self._tell_stuck()
        old = self._tell_old()
        try:
            found = self._reconciler.compare(everything=not self._has_looked)
        except BrokerUnavailable as e:
            self._note(
                RecoveryReport(
                    began_at=began,
                    finished_at=self._clock.now(),
                    run_id=self._run_id,
                    failure=e.message,
                )
            )
            raise
        self._has_looked = True
        self._differences.look(found.differences)
        self._tell(found)
        self._conditions.note(found, self._differences.confirmed)
        unknown = self._store.orders.in_status(OrderStatus.OUTCOME_UNKNOWN)
        self._note(self._report(began, found, stuck, old, unknown))

    def _note(self, report: RecoveryReport) -> None:
        with self._store.transaction(durable=False):
            is_first = self._store.recovery.record(
                succeeded=report.succeeded,
                summary=report.summary,
                report=report.encode(),
            )
        if is_first:
            self._logger.info(
                "first reconciliation of this start: %s; entries may go out",
                report.summary,
                extra={"event": "reconciled"},
            )
            self._ring("execution_guard")
        try:
            self._keep(report)
        except OSError as e:
            self._logger.warning(
                "the report cannot be written: %s, ignoring",
                e,
                extra={"event": "report_unwritten"},
            )

    def _report(
        self,
        began: datetime,
        found: Found,
        stuck: Sequence[Order],
        old: Sequence[Order],
        unknown: Sequence[Order],
    ) -> RecoveryReport:
        now = self._clock.now()

        def age(order: Order) -> str:
            return (
                f"{order.status} for {(now - order.updated_at).total_seconds():.0f} s"
            )

        return RecoveryReport(
            began_at=began,
            finished_at=now,
            run_id=self._run_id,
            orders_at_broker=found.orders_at_broker,
            caught_up=[
                *(
                    _order_note(after, _change(before, after))
                    for before, after in found.caught_up
                ),
                *(_order_note(order, order.reason) for order in found.expired),
            ],
            contradicted=[
                _order_note(order, f"the broker claims it {claim.status}: {why}")
                for order, claim, why in found.contradicted
            ],
            foreign=[
                OrderNote(
                    order_id=None if row.order is None else row.order.order_id,
                    broker_order_id=row.claim.broker_order_id,
                    summary=_claimed(row.claim),
                    text=row.why,
                )
                for row in found.foreign
            ],
            missing=[
                _order_note(order, f"{order.status} here") for order in found.missing
            ],
            unknown=[_order_note(order, age(order)) for order in unknown],
            stuck=[_order_note(order, age(order)) for order in stuck],
            old=[_order_note(order, age(order)) for order in old],
            external=[
                OrderNote(
                    order_id=None,
                    broker_order_id=claim.broker_order_id,
                    summary=_claimed(claim),
                    text=str(claim.status),
                )
                for claim in found.external
            ],
            differences=[
                PositionNote(
                    exchange=key[0],
                    tradingsymbol=key[1],
                    product=key[2],
                    ours=own,
                    brokers=theirs,
                )
                for key, (own, theirs) in self._differences.confirmed.items()
            ],
        )

    def _report_change(self, before: Order, after: Order) -> None:
        if after.status is OrderStatus.EXPIRED:
            self._logger.warning(
                "Order %d is expired: %s",
                after.order_id,
                after.reason,
                extra={**after.log_context, "event": "order_expired"},
            )
            return
        if after.overfilled_quantity > before.overfilled_quantity:
            tell_overfilled(self._logger, after)
        self._logger.warning(
            "Order %d was behind the broker's books: %s becomes %s, %d of %d filled",
            after.order_id,
            before.status,
            after.status,
            after.filled_quantity,
            after.quantity,
            extra={**after.log_context, "event": "order_caught_up"},
        )

    def _tell(self, found: Found) -> None:
        if found.caught_up or found.expired:
            self._ring("order_watcher", "trading_bot", "command_service")

    def _is_new(self, matter: str, number: OrderId | BrokerOrderId) -> bool:
        """Return whether it was not told yet, and remember that it is now."""
        if (matter, number) in self._told_order:
            return False
        self._told_order.add((matter, number))
        return True

    def _tell_stuck(self) -> list[Order]:
        now = self._clock.now()
        stuck = []
        for order in self._store.orders.in_status(*sorted(BEFORE_BROKER | IN_FLIGHT)):
            seconds = (now - order.updated_at).total_seconds()
            if seconds < STUCK_SECONDS:
                continue
            stuck.append(order)
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
        return stuck

    def _tell_old(self) -> list[Order]:
        """Escalate what works at the broker for too long; an exit more loudly."""
        limit = self._rules.old_order_seconds
        if not limit:
            return []
        now = self._clock.now()
        old = []
        for order in self._store.orders.in_status(*_AT_BROKER):
            seconds = (now - order.created_at).total_seconds()
            if seconds < limit:
                continue
            old.append(order)
            if self._is_new("old", order.order_id):
                self._logger.log(
                    ERROR if order.intent is Intent.EXIT else WARNING,
                    "Order %d works for %.0f s already, %d of %d filled: "
                    "'shoonyactl order cancel %d', or let it work",
                    order.order_id,
                    seconds,
                    order.filled_quantity,
                    order.quantity,
                    order.order_id,
                    extra={**order.log_context, "event": "order_old"},
                )
        return old


def _change(before: Order, after: Order) -> str:
    text = f"{before.status} becomes {after.status}"
    return f"{text}: {after.reason}" if after.overfilled_quantity else text


def _order_note(order: Order, text: str) -> OrderNote:
    return OrderNote(
        order_id=order.order_id,
        broker_order_id=order.broker_order_id,
        summary=order.summary,
        text=text,
    )


def _claimed(claim: BrokerOrder) -> str:
    return f"{claim.side} {claim.quantity} {claim.exchange}:{claim.tradingsymbol}"
