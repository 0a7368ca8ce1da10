"""
Compares the store with the broker's books: orders, trades and positions.

What the broker claims of our orders is recorded; everything else is only reported.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from shoonya_platform.brokers.base import (
    Broker,
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    UnreadableRow,
)
from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import (
    CLOSED,
    WORKING,
    BrokerOrderId,
    Fill,
    Order,
    OrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.execution.adoption import Adoption
from shoonya_platform.execution.booking import Booking, Row
from shoonya_platform.execution.claims import (
    Matched,
    RowKey,
    Verdict,
    key_of,
    match,
    numbers_of,
)
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.reports import differs, fills_of, traded_quantity
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore

#: A row touched more recently is left to who touched it.
LAG = timedelta(seconds=10)

#: A book may be so old; what it has shown for longer is no old row.
STALE_SECONDS = 90.0

#: Instrument and product.
Holding = tuple[str, str, str]

_RESTING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_AT_BROKER = sorted(WORKING - {OrderStatus.SUBMITTED, OrderStatus.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a comparison found."""

    orders_at_broker: int
    caught_up: list[tuple[Order, Order]] = field(default_factory=list)
    #: Rows that could not be booked, and why.
    contradicted: list[tuple[Order, BrokerOrder, str]] = field(default_factory=list)
    #: Rows with one of our ids that are about another order.
    foreign: list[Matched] = field(default_factory=list)
    #: Working here, and in no row of the order book.
    missing: list[Order] = field(default_factory=list)
    #: Of an earlier day, and gone from the book with it.
    expired: list[Order] = field(default_factory=list)
    external: list[BrokerOrder] = field(default_factory=list)
    unreadable: list[UnreadableRow] = field(default_factory=list)
    #: Our quantity and the broker's, where orders in flight do not explain it.
    differences: dict[Holding, tuple[int, int]] = field(default_factory=dict)
    #: Our price factor and the broker's, where they differ.
    factors: dict[Holding, tuple[Decimal, Decimal]] = field(default_factory=dict)


class Reconciler:
    """
    Reads the books and compares.

    Args:
        instruments: Where an adopted order's price factor comes from.

        absent_reads: Readings that must all lack an order of an earlier day before
            it counts as expired.

        report: Gets an order before and after it was brought to the books, while that
            may still be undone: so no crash leaves it unreported.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        clock: Clock,
        logger: ServiceLogger,
        *,
        instruments: Instruments,
        absent_reads: int,
        report: Callable[[Order, Order], None],
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._absent_reads = absent_reads
        self._report = report
        self._booking = Booking(store, clock, logger)
        self._adoption = Adoption(store, instruments, clock, logger)
        self._absences: Counter[OrderId] = Counter()
        #: What agreed at its end, and how much had traded then.
        self._settled: dict[RowKey, int] = {}
        #: Ended here and working there, and since when that is seen; monotonic.
        self._undead: dict[BrokerOrderId, float] = {}

    def compare(self, *, everything: bool) -> Found:
        """
        Bring our orders to the books, and say what differs.

        Args:
            everything: As after a start, when no other service is about to deal with
                it: also what was touched a moment ago.

        Raises:
            BrokerUnavailable: A book could not be read; nothing was compared.
        """
        # Before the books: what is filled between the readings is in ours then.
        positions = self._broker.positions()
        claims = self._broker.order_book()
        trades = self._broker.trade_book()
        passed_over = self._broker.unreadable()
        found = Found(orders_at_broker=len(claims), unreadable=passed_over)
        self._compare_orders(found, claims, trades, everything=everything)
        self._look_for_missing(found, claims)
        found.differences.update(
            (key, quantities)
            for key, quantities in self._compare_positions(positions).items()
            # What cannot be read is shown as that, and may well agree.
            if not any(row.may_hide(key[1]) for row in passed_over)
        )
        found.factors.update(self._compare_factors(positions))
        return found

    def _compare_orders(
        self,
        found: Found,
        claims: Sequence[BrokerOrder],
        trades: Sequence[BrokerTrade],
        *,
        everything: bool,
    ) -> None:
        by_number: dict[BrokerOrderId, list[BrokerTrade]] = defaultdict(list)
        for trade in trades:
            by_number[trade.broker_order_id].append(trade)

        def fills(claim: BrokerOrder) -> list[Fill]:
            return fills_of(claim, by_number.get(claim.broker_order_id, ()))

        numbers = numbers_of(claims)
        behind = []
        undead: dict[BrokerOrderId, float] = {}
        for claim in claims:
            traded = traded_quantity(fills(claim))
            # The day's book grows; what agreed at its end is not looked up again.
            if self._settled.get(key_of(claim)) == traded:
                continue
            matched = match(self._store, claim, numbers)
            order = matched.order
            if matched.verdict is Verdict.UNKNOWN_ID:
                behind.append(claim)
            elif matched.verdict is Verdict.EXTERNAL:
                found.external.append(claim)
            elif order is None:
                continue
            elif matched.verdict is Verdict.FOREIGN:
                found.foreign.append(matched)
                behind.append(claim)
            elif (
                matched.verdict is not Verdict.OURS
                or differs(order, claim, shares_number=matched.shares_number)
                or order.traded_quantity < traded
            ):
                if everything or order.updated_at <= self._clock.now() - LAG:
                    behind.append(claim)
            elif order.status in CLOSED and claim.status in CLOSED:
                self._settled[key_of(claim)] = traded
            elif order.status in CLOSED:
                undead[claim.broker_order_id] = self._undead.get(
                    claim.broker_order_id, self._clock.monotonic()
                )
        self._undead = undead
        self._revive(found, claims)
        if not behind:
            return
        with self._store.transaction(durable=True):
            # As they came, so that an exit finds what it closed.
            for claim in sorted(behind, key=lambda claim: claim.broker_order_id):
                matched = match(self._store, claim, numbers)
                if matched.verdict is Verdict.UNKNOWN_ID:
                    matched = self._adoption.adopt(claim)
                if matched.verdict is Verdict.FOREIGN and matched not in found.foreign:
                    # Of an order that was only just adopted.
                    found.foreign.append(matched)
                self._catch_up(found, matched, fills(claim))

    def _catch_up(self, found: Found, matched: Matched, fills: list[Fill]) -> None:
        # A row touched lately is not looked at, so what it shows is old news.
        row = Row(matched=matched, fills=fills, is_current=True, is_whole=True)
        booked = self._booking.book(row)
        claim = matched.claim
        if booked is None:
            if matched.order is not None and matched.verdict is not Verdict.FOREIGN:
                found.contradicted.append((matched.order, claim, "it cannot be booked"))
            return
        before, after = booked
        if after != before:
            self._report(before, after)
            found.caught_up.append((before, after))
        elif claim.filled_quantity > max(after.quantity, after.traded_quantity):
            text = (
                f"{claim.filled_quantity} filled of the {after.quantity} that were "
                "ordered, and its trade book lacks them"
            )
            found.contradicted.append((after, claim, text))

    def _revive(self, found: Found, claims: Sequence[BrokerOrder]) -> None:
        """Take back what has ended here, and is shown at work for too long there."""
        now = self._clock.monotonic()
        long_ago = {
            number
            for number, since in self._undead.items()
            if now - since >= STALE_SECONDS
        }
        for claim in claims:
            if claim.broker_order_id not in long_ago:
                continue
            with self._store.transaction(durable=True):
                order = self._store.orders.by_broker_order_id(claim.broker_order_id)
                if order is None or order.status not in CLOSED:
                    continue
                if order.status is OrderStatus.FILLED:
                    continue
                after = self._store.orders.record(
                    order,
                    OrderTrigger.FOUND,
                    text=f"shown at work for {STALE_SECONDS:.0f} s after it was "
                    f"{order.status}",
                )
                self._booking.note_revived(order, after)
                self._store.orders.request_cancel(
                    order.order_id, by="recovery_service, as it works after its end"
                )
                self._report(order, after)
            found.caught_up.append((order, after))

    def _look_for_missing(self, found: Found, claims: Sequence[BrokerOrder]) -> None:
        numbers = {claim.broker_order_id for claim in claims}
        names = {claim.client_order_id for claim in claims}
        # A row that cannot be read is there all the same.
        hidden = [row for row in found.unreadable if row.book == "order_book"]
        numbers |= {BrokerOrderId(row.subject) for row in hidden}
        now = self._clock.now()
        missing = [
            order
            for order in self._store.orders.in_status(*_AT_BROKER)
            if order.broker_order_id not in numbers
            and order.client_order_id not in names
            and order.updated_at <= now - LAG
        ]
        for gone in self._absences.keys() - {order.order_id for order in missing}:
            del self._absences[gone]
        for order in missing:
            self._absences[order.order_id] += 1
            if (
                trading_day(order.created_at) < trading_day(now)
                and self._absences[order.order_id] >= self._absent_reads
                and not any(row.may_be_ours for row in hidden)
            ):
                self._expire(found, order, now)
            else:
                found.missing.append(order)

    def _expire(self, found: Found, order: Order, now: datetime) -> None:
        """A day order does not outlive its day, nor does the book that named it."""
        with self._store.transaction(durable=True):
            current = self._store.orders.get(order.order_id)
            if current is None or current.status is not order.status:
                return
            after = self._store.orders.record(
                current,
                OrderTrigger.EXPIRED,
                reason=f"a day order of {trading_day(order.created_at)}, absent from "
                f"the order book of {trading_day(now)}",
            )
            self._report(current, after)
        found.expired.append(after)

    def _compare_factors(
        self, positions: Sequence[BrokerPosition]
    ) -> dict[Holding, tuple[Decimal, Decimal]]:
        """Return where our rupees and the broker's are not the same."""
        theirs = {
            (row.exchange, row.tradingsymbol, row.product): row.price_factor
            for row in positions
            if row.quantity and row.price_factor is not None
        }
        differ: dict[Holding, tuple[Decimal, Decimal]] = {}
        for held in self._store.positions.open():
            key = (held.exchange, held.tradingsymbol, held.product)
            factor = theirs.get(key)
            if factor is not None and factor != held.price_factor:
                differ[key] = (held.price_factor, factor)
        return differ

    def _compare_positions(
        self, positions: Sequence[BrokerPosition]
    ) -> dict[Holding, tuple[int, int]]:
        """Return what differs by more than orders in flight may have filled."""
        ours: Counter[Holding] = Counter()
        for held in self._store.positions.open():
            ours[held.exchange, held.tradingsymbol, held.product] += held.quantity
        theirs: Counter[Holding] = Counter()
        for position in positions:
            theirs[position.exchange, position.tradingsymbol, position.product] += (
                position.quantity
            )
        # What an order on its way may have added at the broker without our knowledge.
        most: Counter[Holding] = Counter()
        least: Counter[Holding] = Counter()
        rests_since = self._clock.now() - timedelta(seconds=STALE_SECONDS)
        for order in self._store.orders.in_status(*sorted(WORKING)):
            if order.status in _RESTING and order.updated_at < rests_since:
                # A stop that rests for long explains nothing: the books would show
                # its fill by now, and what a person has closed must be seen.
                continue
            key = (order.exchange, order.tradingsymbol, order.product)
            change = order.side.sign * order.leaves_quantity
            (most if change > 0 else least)[key] += change
        return {
            key: (ours[key], theirs[key])
            for key in sorted({*ours, *theirs})
            if not least[key] <= theirs[key] - ours[key] <= most[key]
        }
