"""
order_watcher: turns the broker's news into fills, positions and ends.

Reports first, the books as a net below them: reports may be missing, doubled or
out of order, the order book and the trade book are the truth.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import ERROR, INFO

from shoonya_platform.brokers.base import Broker, BrokerOrder, ExecutionReport
from shoonya_platform.clock import Clock
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    CLOSED,
    REFUSED,
    WORKING,
    BrokerOrderId,
    Fill,
    Intent,
    Order,
    OrderStatus,
)
from shoonya_platform.execution.booking import Booking, Row
from shoonya_platform.execution.claims import (
    Numbers,
    RowKey,
    Verdict,
    key_of,
    match,
    numbers_of,
)
from shoonya_platform.execution.reports import (
    differs,
    fills_of,
    tell_overfilled,
)
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Seconds between two readings of the books while orders are working.
RECONCILE_SECONDS = 5.0

#: Seconds between two looks at what is held and what it is worth.
LOOK_SECONDS = 1.0
#: Prices asked for in one look, and seconds it may take: a slow broker is asked for
#: fewer.  The next look goes on with the others.
PRICES_A_LOOK = 100
PRICES_SECONDS = 2.0
#: Seconds between two readings of the order book that reports ask for.
REREAD_SECONDS = 1.0

_WORKING = sorted(WORKING)
_TRADED = (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)

#: So many different reports that cannot be read are logged, each once.
UNREADABLE_LOGGED = 200

#: A row that nobody has touched for this long before a reading agrees with it.
LAG = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class _News:
    """A claim with its fills, and when the book it was read from was asked for."""

    claim: BrokerOrder
    fills: list[Fill]
    read_at: datetime | None = None
    is_replace_refused: bool = False

    @classmethod
    def of(cls, report: ExecutionReport) -> _News:
        fills = [report.fill] if report.fill else []
        return cls(report.order, fills, is_replace_refused=report.is_replace_refused)

    def is_current(self, order: Order) -> bool:
        return self.read_at is not None and order.updated_at < self.read_at - LAG


class OrderWatcherEngine:
    """
    The worker of `order_watcher`.

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
        self._reconciled_at = float("-inf")
        self._external: set[BrokerOrderId] = set()
        #: A report came that only the whole order book can explain.
        self._needs_book = False
        self._settled: set[RowKey] = set()
        self._looked_at = float("-inf")
        self._asked_last: tuple[str, str] = ("", "")
        self._fills = 0
        self._working = 0
        self._unreadable = 0
        self._logged_rows: set[tuple[str, str]] = set()
        self._logger = get_component_logger("order_watcher")
        self._booking = Booking(store, clock, self._logger)

    def begin(self) -> None:
        """No report is replayed: the books tell what was missed."""
        self._reconcile()

    def status(self) -> str:
        text = f"watching {self._working} open orders, {self._fills} fills so far"
        if self._unreadable:
            text += f", {self._unreadable} reports could not be read"
        return text

    def step(self) -> int:
        reports = self._broker.reports()
        if reports:
            self._apply([_News.of(report) for report in reports])
        self._note_unreadable()
        now = self._clock.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._working = self._store.orders.count_in(*_WORKING)
            self._note_prices()
        wait = REREAD_SECONDS if self._needs_book else RECONCILE_SECONDS
        if (self._working or self._needs_book) and now - self._reconciled_at > wait:
            self._reconcile()
        return len(reports)

    def _reconcile(self) -> None:
        began = self._clock.now()
        self._reconciled_at = self._clock.monotonic()
        claims = self._broker.order_book()
        self._needs_book = False
        numbers = numbers_of(claims)
        behind = []
        for claim in claims:
            # The day's book grows; what agreed at its end is not looked up again.
            if key_of(claim) in self._settled:
                continue
            matched = match(self._store, claim, numbers)
            order = matched.order
            if order is None:
                self._note_external(claim)
            elif matched.verdict is not Verdict.OURS or differs(
                order, claim, shares_number=matched.shares_number
            ):
                behind.append(claim)
            elif order.is_closed and claim.status in CLOSED:
                self._settled.add(key_of(claim))
        if behind:
            trades = self._broker.trade_book()
            self._apply(
                [_News(claim, fills_of(claim, trades), began) for claim in behind],
                numbers,
            )

    def _apply(self, news: list[_News], numbers: Numbers | None = None) -> None:
        """
        Book claims in one transaction.

        Args:
            numbers: Of the whole order book they were read from; None for reports.
        """
        changes: list[tuple[Order, Order]] = []
        with self._store.transaction(durable=True):
            for item in news:
                changes += self._book(item, numbers)
            # Logged before the commit: a crash in between may duplicate the lines.
            for before, after in changes:
                self._tell(before, after)
        if any(after.is_closed for _, after in changes):
            self._ring("trading_bot")
        if any(_turned_up(before) for before, _ in changes):
            self._ring("trading_bot", "command_service")

    def _book(self, item: _News, numbers: Numbers | None) -> list[tuple[Order, Order]]:
        """Book one claim; return its order before and after, if that has changed."""
        matched = match(self._store, item.claim, numbers)
        if matched.verdict is Verdict.NEEDS_BOOK:
            self._needs_book = True
        if matched.order is None:
            self._note_external(item.claim)
            return []
        booked = self._booking.book(
            Row(
                matched=matched,
                fills=item.fills,
                is_current=item.is_current(matched.order),
                is_whole=item.read_at is not None,
                is_replace_refused=item.is_replace_refused,
            )
        )
        if booked is None or booked[0] == booked[1]:
            return []
        return [booked]

    def _tell(self, before: Order, after: Order) -> None:
        if _turned_up(before):
            self._logger.error(
                "Order %d was %s, and turned up as broker order %s",
                after.order_id,
                before.status,
                after.broker_order_id,
                extra={**after.log_context, "event": "order_turned_up"},
            )
        if after.overfilled_quantity > before.overfilled_quantity:
            tell_overfilled(self._logger, after)
        filled = after.filled_quantity - before.filled_quantity
        if filled:
            self._fills += 1
            self._logger.info(
                "Order %d filled %d of %d at an average of %s",
                after.order_id,
                after.filled_quantity,
                after.quantity,
                after.average_price,
                extra={**after.log_context, "event": "order_filled"},
            )
        if after.status is not before.status and after.status not in _TRADED:
            is_refused_exit = (
                after.status is OrderStatus.REJECTED and after.intent is Intent.EXIT
            )
            self._logger.log(
                ERROR if is_refused_exit else INFO,
                "Order %d is %s%s",
                after.order_id,
                after.status,
                f": {after.reason}" if after.reason else "",
                extra={**after.log_context, "event": f"order_{after.status}"},
            )

    def _note_external(self, claim: BrokerOrder) -> None:
        """Orders of other programs are shown once, and left alone."""
        if claim.broker_order_id in self._external:
            return
        self._external.add(claim.broker_order_id)
        self._logger.warning(
            "broker order %s (%s %d %s:%s) is not ours, leaving it alone",
            claim.broker_order_id,
            claim.side,
            claim.quantity,
            claim.exchange,
            claim.tradingsymbol,
            extra={
                "broker_order_id": claim.broker_order_id,
                "event": "external_order",
            },
        )

    def _note_unreadable(self) -> None:
        """Count reports that cannot be read, and log each once.

        What they were about is in the books, which recovery_service shows.
        """
        for row in self._broker.unreadable():
            if row.book != "reports":
                continue
            self._unreadable += 1
            key = (row.subject, row.why)
            if key in self._logged_rows or len(self._logged_rows) >= UNREADABLE_LOGGED:
                continue
            self._logged_rows.add(key)
            self._logger.warning(
                "a report of the broker's (%s) cannot be read: %s, reading the books",
                row.subject,
                row.why,
                extra={"event": "report_unreadable"},
            )

    def _note_prices(self) -> None:
        """Keep the last prices of what is held or works, for risk and new terms."""
        positions = self._store.positions
        known = {
            (position.exchange, position.tradingsymbol): position.last_price
            for position in positions.open()
        }
        for order in self._store.orders.in_status(*_WORKING, limit=PRICES_A_LOOK):
            key = (order.exchange, order.tradingsymbol)
            if key not in known:
                known[key] = positions.last_price(*key)
        # Round and round: those after the last one asked for, then from the first on.
        held = sorted(known)
        begin = bisect_right(held, self._asked_last)
        prices = {}
        until = self._clock.monotonic() + PRICES_SECONDS
        for key in (held[begin:] + held[:begin])[:PRICES_A_LOOK]:
            if self._clock.monotonic() >= until:
                break
            self._asked_last = key
            price = self._broker.last_price(*key)
            if price is not None and price != known[key]:
                prices[key] = price
        if prices:
            with self._store.transaction(durable=False):
                self._store.positions.note_prices(prices)


def _turned_up(before: Order) -> bool:
    """Return whether an order was booked that we took for unsent or refused."""
    return before.status in BEFORE_BROKER | REFUSED
