"""
Compares the store with the broker's books: orders, trades and positions.

What the broker claims of our orders is recorded; everything else is only told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shoonya_platform.brokers.base import (
    Broker,
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
)
from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    WORKING,
    BrokerOrderId,
    Fill,
    IllegalTransition,
    Order,
    OrderId,
    OrderStatus,
    OrderTrigger,
)
from shoonya_platform.execution.reports import (
    bring_up_to,
    differs,
    find,
    traded_quantity,
)
from shoonya_platform.store.base import OrderStore

#: A row touched more recently is left to who touched it.
LAG = timedelta(seconds=10)

#: Instrument and product.
Holding = tuple[str, str, str]

_AT_BROKER = sorted(WORKING - {OrderStatus.SUBMITTED, OrderStatus.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a comparison found."""

    orders_at_broker: int
    positions_compared: bool
    caught_up: list[tuple[Order, Order]] = field(default_factory=list)
    contradicted: list[tuple[Order, BrokerOrder, str]] = field(default_factory=list)
    #: Working here, and in no row of the order book.
    missing: list[Order] = field(default_factory=list)
    #: Of an earlier day, and gone from the book with it.
    expired: list[Order] = field(default_factory=list)
    external: list[BrokerOrder] = field(default_factory=list)
    #: Our quantity and the broker's.
    differences: dict[Holding, tuple[int, int]] = field(default_factory=dict)


class Reconciler:
    """
    Reads the books and compares.

    Args:
        absent_reads: Readings that must all lack an order of an earlier day before
            it counts as expired.

        tell: Gets an order before and after it was brought to the books, while that
            may still be undone: so no death leaves it untold.
    """

    def __init__(
        self,
        store: OrderStore,
        broker: Broker,
        clock: Clock,
        *,
        absent_reads: int,
        tell: Callable[[Order, Order], None],
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._absent_reads = absent_reads
        self._tell = tell
        self._absences: Counter[OrderId] = Counter()
        #: What agreed at its end, and how much had traded then.
        self._settled: dict[BrokerOrderId, int] = {}

    def compare(self, *, everything: bool) -> Found:
        """
        Bring our orders to the books, and say what differs.

        Args:
            everything: Also what was touched a moment ago, as after a start, when
                nobody else is about to deal with it.

        Raises:
            BrokerUnavailable: A book could not be read; nothing was compared.
        """
        # Before the books: what is filled between the readings is in ours then.
        positions = self._broker.positions()
        claims = self._broker.order_book()
        trades = self._broker.trade_book()
        found = Found(
            orders_at_broker=len(claims),
            positions_compared=not self._store.orders.in_status(
                *sorted(IN_FLIGHT), limit=1
            ),
        )
        self._compare_orders(found, claims, trades, everything=everything)
        self._look_for_missing(found, claims)
        if found.positions_compared:
            found.differences.update(self._compare_positions(positions))
        return found

    def _compare_orders(
        self,
        found: Found,
        claims: Sequence[BrokerOrder],
        trades: Sequence[BrokerTrade],
        *,
        everything: bool,
    ) -> None:
        fills: dict[BrokerOrderId, list[Fill]] = defaultdict(list)
        for trade in trades:
            fills[trade.broker_order_id].append(trade.fill)
        behind = []
        for claim in claims:
            traded = traded_quantity(fills[claim.broker_order_id])
            # The day's book grows; what agreed at its end is not looked up again.
            if self._settled.get(claim.broker_order_id) == traded:
                continue
            order = find(self._store, claim)
            if order is None:
                found.external.append(claim)
            elif differs(order, claim) or order.traded_quantity < traded:
                if everything or order.updated_at <= self._clock.now() - LAG:
                    behind.append(claim)
            elif order.is_closed:
                self._settled[claim.broker_order_id] = traded
        if not behind:
            return
        with self._store.transaction(durable=True):
            for claim in behind:
                before = find(self._store, claim)
                if before is not None:
                    self._catch_up(found, before, claim, fills[claim.broker_order_id])

    def _catch_up(
        self, found: Found, before: Order, claim: BrokerOrder, fills: list[Fill]
    ) -> None:
        if before.status in BEFORE_BROKER:
            text = "it was not sent yet"
            found.contradicted.append((before, claim, text))
            return
        try:
            # A row touched lately is not looked at, so what it shows is old news.
            after = bring_up_to(self._store, before, claim, fills, is_current=True)
        except IllegalTransition as e:
            found.contradicted.append((before, claim, str(e)))
            return
        if after != before:
            self._tell(before, after)
            found.caught_up.append((before, after))
        elif claim.filled_quantity > max(after.quantity, after.traded_quantity):
            text = (
                f"{claim.filled_quantity} filled of the {after.quantity} that were "
                "ordered, and its trade book lacks them"
            )
            found.contradicted.append((after, claim, text))

    def _look_for_missing(self, found: Found, claims: Sequence[BrokerOrder]) -> None:
        numbers = {claim.broker_order_id for claim in claims}
        names = {claim.client_order_id for claim in claims}
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
            self._tell(current, after)
        found.expired.append(after)

    def _compare_positions(
        self, positions: Sequence[BrokerPosition]
    ) -> dict[Holding, tuple[int, int]]:
        ours: Counter[Holding] = Counter()
        for held in self._store.positions.open():
            ours[held.exchange, held.tradingsymbol, held.product] += held.quantity
        theirs: Counter[Holding] = Counter()
        for position in positions:
            theirs[position.exchange, position.tradingsymbol, position.product] += (
                position.quantity
            )
        return {
            key: (ours[key], theirs[key])
            for key in sorted({*ours, *theirs})
            if ours[key] != theirs[key]
        }
