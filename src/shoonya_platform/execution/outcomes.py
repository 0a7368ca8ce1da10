"""
Orders without an answer: found at the broker by the id that travelled along.

A request may still be on its way when its answer is long overdue: a repaired route
delivers what was buffered.  So absence is never proven, only given up on, after many
readings over longer than any plausible transit; each counts only if the book has all
that we know is there.  They are counted in the store: a service that is killed again
and again comes to an end all the same.  An exit is given up on much sooner, as waiting
leaves a position open.  What turns up after that is taken back (`booking`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from shoonya_platform.brokers.base import Broker, BrokerOrder, BrokerTrade
from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import Intent, Order, OrderStatus, OrderTrigger
from shoonya_platform.execution.booking import Booking, Row
from shoonya_platform.execution.claims import Numbers, Verdict, match, numbers_of
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.evidence import is_whole
from shoonya_platform.execution.reports import fills_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import Absence, OrderStore

#: An outcome unknown for longer is shown to the operator; most are found at once.
SHOWN_AFTER_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRules:
    """How much is needed to settle something."""

    interval_seconds: float
    absent_reads: int
    #: Readings must lack an entry for so long before it is given up.
    absent_seconds: float
    #: The same for an exit.
    exit_absent_seconds: float
    #: The same for one of several orders of an entry, when they are to be whole or
    #: nothing; None treats it like any entry.
    lost_leg_seconds: float | None = None
    #: An order that works at the broker for longer is reported; 0 never is.
    old_order_seconds: float = 0.0

    def absent_seconds_of(self, order: Order, alert: Sequence[Order]) -> float:
        """
        Return over how long readings must lack an order.

        Args:
            alert: All orders of its alert.
        """
        if order.intent is Intent.EXIT:
            return self.exit_absent_seconds
        if self.lost_leg_seconds is None or len(alert) == 1:
            return self.absent_seconds
        return min(self.lost_leg_seconds, self.absent_seconds)


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
        self._booking = Booking(store, clock, self._logger)
        self._discrepancies = Discrepancies(store, self._logger)
        #: None before the first look: an earlier run may have shown some.
        self._shown: set[str] | None = None

    def step(self) -> None:
        """Ask for what is unknown; settle what the books say of it."""
        unknown = self._store.orders.in_status(OrderStatus.OUTCOME_UNKNOWN)
        self.unknown = len(unknown)
        self._show(unknown)
        if not unknown:
            return
        began = self._clock.monotonic()
        claims = self._broker.order_book()
        trades = self._broker.trade_book()
        wanted = {order.client_order_id for order in unknown}
        numbers = numbers_of(claims)
        for claim in claims:
            if claim.client_order_id in wanted:
                self._found(claim, trades, numbers)
        counts = is_whole(self._store, claims, self._broker.unreadable(), self._clock)
        for order in unknown:
            self._not_found(order, began, counts=counts)

    def _show(self, unknown: Sequence[Order]) -> None:
        """Show the operator what is being looked for, and no longer what was found."""
        now = self._clock.now()
        late = [
            order
            for order in unknown
            if (now - order.updated_at).total_seconds() >= SHOWN_AFTER_SECONDS
        ]
        names = {str(order.client_order_id) for order in late}
        if self._shown is None:
            known = self._store.discrepancies.unresolved(
                DiscrepancyKind.OUTCOME_UNKNOWN
            )
            self._shown = {each.subject for each in known}
        if names == self._shown:
            return
        with self._store.transaction(durable=False):
            for order in late:
                self._discrepancies.note(
                    DiscrepancyKind.OUTCOME_UNKNOWN,
                    order.client_order_id,
                    f"order {order.order_id} was sent without a clear answer and is "
                    "not in the broker's order book; it may still arrive",
                    f"do not place it by hand; see 'shoonyactl trace {order.order_id}'",
                    order,
                )
            self._discrepancies.keep_only(DiscrepancyKind.OUTCOME_UNKNOWN, names)
        self._shown = names

    def _found(
        self,
        claim: BrokerOrder,
        trades: Sequence[BrokerTrade],
        numbers: Numbers,
    ) -> None:
        with self._store.transaction(durable=True):
            matched = match(self._store, claim, numbers)
            if matched.verdict not in (Verdict.OURS, Verdict.FOREIGN):
                # The whole comparison deals with it.
                return
            order = matched.order
            if order is None or order.status is not OrderStatus.OUTCOME_UNKNOWN:
                return
            booked = self._booking.book(
                Row(
                    matched=matched,
                    fills=fills_of(claim, trades),
                    is_current=False,
                    is_whole=True,
                )
            )
            if booked is None:
                return
            _, after = booked
            self._store.recovery.forget_absence(order.order_id)
            # Logged before the commit: a crash in between may duplicate the line.
            self._logger.warning(
                "Order %d found at the broker as %s: it is %s",
                order.order_id,
                claim.broker_order_id,
                after.status,
                extra={**after.log_context, "event": "outcome_found"},
            )
        self.settled += 1
        self._ring("order_watcher", "trading_bot", "command_service")

    def _not_found(self, order: Order, read_at: float, *, counts: bool) -> None:
        current = self._store.orders.get(order.order_id)
        if current is None or current.status is not OrderStatus.OUTCOME_UNKNOWN:
            return
        sent_on = trading_day(current.updated_at)
        is_past = sent_on < trading_day(self._clock.now())
        if not (counts or is_past):
            return
        with self._store.transaction(durable=False):
            search = self._store.recovery.note_absence(order, read_at=read_at)
        alert = self._store.orders.of_alert(order.alert_id)
        if (
            search.reads < self._rules.absent_reads
            or read_at - search.first_at < self._rules.absent_seconds_of(order, alert)
        ):
            return
        with self._store.transaction(durable=True):
            current = self._store.orders.get(order.order_id)
            if current is None or current.status is not order.status:
                return
            self._store.recovery.forget_absence(order.order_id)
            if is_past:
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
            "Order %d is given up: %d readings of the order book lack it",
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
        self._discrepancies.note(
            DiscrepancyKind.OUTCOME_LOST,
            order.client_order_id,
            f"order {order.order_id} was sent on {sent_on}, and it is unknown whether "
            "it was placed",
            "compare that day's trades and your positions with your broker",
            order,
        )
        # It lasts no longer; it stays open until it is acknowledged.
        self._store.discrepancies.resolve(
            DiscrepancyKind.OUTCOME_LOST, order.client_order_id
        )
        self._logger.error(
            "Order %d was sent on %s and it is unknown whether it was placed: compare "
            "that day's trades and your positions with your broker",
            order.order_id,
            sent_on,
            extra={**order.log_context, "event": "outcome_lost"},
        )
