"""
Where the dashboard's figures come from.

The store is used in its one thread only, and services are asked for in another: a
manager or a systemd that hangs must not keep the store's heartbeat waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from shoonya_platform.assessment.assess import assess, services_down
from shoonya_platform.assessment.conditions import Condition, Rules, ordered
from shoonya_platform.clock import Clock
from shoonya_platform.dashboard.curve import curve
from shoonya_platform.dashboard.logview import LogQuery, RecentLog
from shoonya_platform.dashboard.meter import CpuMeter, EventMeter, LogMeter
from shoonya_platform.dashboard.results import (
    AlertStory,
    Book,
    Figures,
    OrderPage,
    OrderQuery,
    OrderStory,
    Queue,
    ServiceRow,
    Trading,
)
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.days import day_begin, trading_day
from shoonya_platform.domain.discrepancies import (
    DiscrepancyKind,
    StoredDiscrepancy,
)
from shoonya_platform.domain.orders import (
    REFUSED,
    AlertId,
    Order,
    OrderId,
    OrderStatus,
)
from shoonya_platform.domain.positions import ZERO, Position
from shoonya_platform.domain.refused_alerts import StoredRefusal
from shoonya_platform.domain.story import hops
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import NotFound, StoreError, WaitedTooLong
from shoonya_platform.logging.reading.streams import Item
from shoonya_platform.logging.usage import DiskUse
from shoonya_platform.services import findings
from shoonya_platform.services.findings import Checkup
from shoonya_platform.services.units import ServiceView
from shoonya_platform.store.base import OrderStore, ServiceBeat
from shoonya_platform.store.flatten import Flattening, Scope, flatten
from shoonya_platform.store.trading_state import WAIT_SECONDS, set_trading_state
from shoonya_platform.tracing.gather import told, with_lines
from shoonya_platform.tracing.ids import find
from shoonya_platform.tracing.trace import Trace

_T = TypeVar("_T")

#: How many denials the first page shows.
DENIALS = 10
#: How many flat positions: after some months there are thousands.
FLAT = 20

#: A trace is looked for anew after so long, and with each event of its order.
_TRACE_SECONDS = 5.0

ReadServices = Callable[[Sequence[ServiceBeat]], list[ServiceView]]

#: Whose turn it is in which status.
_QUEUES = {
    "risk_manager": OrderStatus.INITIALIZED,
    "execution_guard": OrderStatus.RISK_PASSED,
    "command_service": OrderStatus.GUARD_PASSED,
    "recovery_service": OrderStatus.OUTCOME_UNKNOWN,
}


def _queue(
    store: OrderStore, service: str, status: OrderStatus, now: datetime
) -> Queue:
    oldest = store.orders.in_status(status, limit=1)
    return Queue(
        service=service,
        depth=store.orders.count_in(status),
        age_seconds=(now - oldest[0].updated_at).total_seconds() if oldest else 0.0,
    )


class Sources:
    """
    Reads for the page and for the API.

    Every method raises `StoreError` if the store does not answer.

    Args:
        read_services: Given the store's heartbeats; may wait.

        executor: The store's thread.

        log_dir: Where the services' log files are.

        state_dir: Where `shoonyactl doctor` keeps what it found.

        journal: Tells whether the journal may be read, too.

        disk_use: Tells what they take; may wait for the disk.

        broker: The configured broker's name.

        is_simulated: Whether it is the simulator, and not the broker itself.

        market_hours: `round_the_clock` or `exchange`.

        rules: From when on something needs attention.
    """

    def __init__(
        self,
        store: OrderStore,
        read_services: ReadServices,
        clock: Clock,
        *,
        executor: Executor,
        log_dir: Path,
        state_dir: Path,
        journal: Callable[[], bool],
        disk_use: Callable[[], DiskUse],
        broker: str,
        is_simulated: bool,
        market_hours: str,
        rules: Rules,
    ) -> None:
        self._store = store
        self._read_services = read_services
        self._clock = clock
        self._executor = executor
        self._units_executor = ThreadPoolExecutor(1, "units")
        self._log_executor = ThreadPoolExecutor(1, "log")
        self._log = RecentLog(log_dir)
        self._state_dir = state_dir
        self._log_dir = log_dir
        self._traced: tuple[tuple[OrderId, int], float, Trace] | None = None
        self._listed: tuple[tuple[OrderQuery, int], OrderPage] | None = None
        self._journal = journal
        self._disk_use = disk_use
        self._cpu_meter = CpuMeter(clock)
        self._event_meter = EventMeter()
        self._log_meter = LogMeter(log_dir)
        self._broker = broker
        self._is_simulated = is_simulated
        self._market_hours = market_hours
        self._rules = rules

    async def services(self) -> list[ServiceView]:
        """Return how the eight are; without the store, as their supervisor says."""
        try:
            beats = await self._in_store(self._store.services.all)
        except StoreError:
            # Never mind: the page shows elsewhere that the store does not answer.
            beats = []
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._units_executor, self._read_services, beats
        )

    async def rows(self) -> list[ServiceRow]:
        """Return `services` with their shares of the processor and their queues."""
        views = await self.services()
        loop = asyncio.get_running_loop()
        shares = await loop.run_in_executor(
            self._units_executor, self._cpu_meter.shares, views
        )
        try:
            queues = {q.service: q for q in await self._in_store(self._queues)}
        except StoreError:
            queues = {}
        return [
            ServiceRow(
                view=view,
                cpu_share=None if view.pid is None else shares.get(view.pid),
                queue=queues.get(view.service),
            )
            for view in views
        ]

    def _queues(self) -> list[Queue]:
        now = self._clock.now()
        return [
            _queue(self._store, service, status, now)
            for service, status in _QUEUES.items()
        ]

    async def conditions(self) -> list[Condition]:
        """Return what needs attention, the critical first."""
        services = await self.services()
        return await self._in_store(
            lambda: assess(
                self._store, self._clock.now(), services=services, rules=self._rules
            )
        )

    async def services_down(self) -> list[Condition]:
        """Return what `conditions` has of the services; needs no store."""
        return ordered(list(services_down(await self.services())))

    async def discrepancies(self) -> list[StoredDiscrepancy]:
        """Return the open ones, oldest first."""
        return await self._in_store(self._store.discrepancies.open)

    async def discrepancy(self, number: int) -> StoredDiscrepancy:
        """
        Return one discrepancy, open or not.

        Raises:
            NotFound: It does not exist.
        """
        found = await self._in_store(lambda: self._store.discrepancies.get(number))
        if found is None:
            raise NotFound(f"discrepancy {number} does not exist")
        return found

    async def acknowledge(self, number: int, *, by: str) -> bool:
        """Record that a person has seen it; False if that was recorded before."""

        def write() -> bool:
            with self._store.transaction(durable=True):
                return self._store.discrepancies.acknowledge(number, by=by)

        return await self._in_store(write)

    async def figures(self) -> Figures:
        """Return what `/metrics` tells; only one asks at a time."""
        disk = await self.disk()
        await self._beside_log(self._log_meter.read)

        def read() -> tuple[
            list[Queue],
            dict[OrderStatus, int],
            bool | None,
            Counter[DiscrepancyKind],
            dict[str, int],
        ]:
            self._event_meter.read(self._store)
            last = self._store.recovery.last()
            return (
                self._queues(),
                self._store.orders.count(),
                None if last is None else last.succeeded,
                Counter(each.kind for each in self._store.discrepancies.open()),
                self._store.refusals.counts(),
            )

        queues, orders, reconciled, discrepancies, refusals = await self._in_store(read)
        return Figures(
            services=await self.services(),
            conditions=await self.conditions(),
            discrepancies=discrepancies,
            queues=queues,
            orders=orders,
            trading=await self.trading(),
            reconciled=reconciled,
            book=await self.book(),
            events=self._event_meter,
            refusals=refusals,
            log=self._log_meter,
            disk=disk,
        )

    async def disk(self) -> DiskUse:
        """Return what the log files take."""
        return await self._beside_log(self._disk_use)

    async def checkup(self) -> Checkup | None:
        """Return what the doctor found last; None if nobody asked it."""
        return await self._beside_log(lambda: findings.last(self._state_dir))

    async def trading(self) -> Trading:
        def read() -> Trading:
            return Trading(
                status=self._store.trading.status(),
                broker=self._broker,
                has_real_money=self._broker != "paper" and not self._is_simulated,
                market_hours=self._market_hours,
                awaits_reconciliation=self._rules.entries_wait
                and self._store.recovery.is_awaited(),
            )

        return await self._in_store(read)

    async def orders(self, asked: OrderQuery) -> OrderPage:
        """Return what is asked for; not anew while no order has moved."""

        def read() -> OrderPage:
            key = (asked, self._store.orders.newest_event_id())
            if self._listed is None or self._listed[0] != key:
                self._listed = (key, look())
            return self._listed[1]

        def look() -> OrderPage:
            # One more than asked for tells whether there are more.
            orders = self._store.orders.recent(
                limit=asked.limit + 1,
                statuses=asked.statuses,
                strategy=asked.strategy,
                tradingsymbol=asked.symbol,
                before=asked.before,
            )
            is_last = len(orders) <= asked.limit
            return OrderPage(
                orders=orders[: asked.limit],
                counts=self._store.orders.count(),
                next_before=None if is_last else orders[asked.limit - 1].order_id,
            )

        return await self._in_store(read)

    async def denials(self) -> list[Order]:
        """Return the newest orders that came to nothing."""
        return await self._in_store(
            lambda: self._store.orders.recent(limit=DENIALS, statuses=REFUSED)
        )

    async def set_trading(self, state: TradingState, *, reason: str, by: str) -> bool:
        """Set the trading state; return False if it was that already."""

        def write() -> bool:
            changed, is_obeyed = set_trading_state(
                self._store, state, reason=reason, by=by
            )
            if not is_obeyed:
                raise WaitedTooLong(
                    f"trading is {state}, but an order was still being sent after "
                    f"{WAIT_SECONDS:g} s"
                )
            return changed

        return await self._in_store(write)

    async def held(self) -> list[Position]:
        """Return the positions that are not flat."""
        return await self._in_store(self._store.positions.open)

    async def flatten(self, *, by: str) -> Flattening:
        """Have everything closed."""
        now = self._clock.now()
        return await self._in_store(
            lambda: flatten(self._store, Scope(), by=by, at=now)
        )

    async def order(self, order_id: OrderId) -> OrderStory:
        """
        Return one order's story.

        Raises:
            NotFound: There is no such order.
        """

        def read() -> OrderStory:
            order = self._store.orders.get(order_id)
            if order is None:
                raise NotFound(f"there is no order {order_id}")
            events = self._store.orders.events(alert_id=order.alert_id)
            return OrderStory(
                order=order,
                alert=self._store.alerts.get(order.alert_id),
                siblings=[
                    other
                    for other in self._store.orders.of_alert(order.alert_id)
                    if other.order_id != order_id
                ],
                # The alert's own events belong to each of its orders' stories.
                hops=hops(e for e in events if e.order_id in (None, order_id)),
            )

        return await self._in_store(read)

    async def trace(self, order_id: OrderId) -> Trace:
        """
        Return one order's events with the log's lines of it.

        Raises:
            NotFound: There is no such order.
        """
        story = await self._in_store(lambda: told(self._store, order_id))
        key = (order_id, len(story.hops))
        now = self._clock.monotonic()
        if self._traced is None or self._traced[0] != key or now > self._traced[1]:
            found = await self._beside_log(
                lambda: with_lines(
                    story,
                    self._clock.now(),
                    log_dir=self._log_dir,
                    journal=self._journal(),
                )
            )
            self._traced = (key, now + _TRACE_SECONDS, found)
        return self._traced[2]

    async def log(self, asked: LogQuery) -> Sequence[Item]:
        """Return the newest log records and gaps, newest first."""
        return await self._beside_log(lambda: self._log.newest(asked))

    async def find(self, name: str) -> OrderId | AlertId:
        """
        Return the order or the alert that has an id, whichever kind of id it is.

        Raises:
            NotFound: Nothing has it.
        """

        return await self._in_store(lambda: find(self._store, name))

    async def alert(self, alert_id: AlertId) -> AlertStory:
        """
        Return one alert's story.

        Raises:
            NotFound: There is no such alert.
        """

        def read() -> AlertStory:
            stored = self._store.alerts.get(alert_id)
            if stored is None:
                raise NotFound(f"there is no alert '{alert_id[:80]}'")
            return AlertStory(
                alert=stored,
                orders=self._store.orders.of_alert(alert_id),
                hops=hops(self._store.orders.events(alert_id=alert_id)),
            )

        return await self._in_store(read)

    async def alerts(self, *, limit: int) -> list[StoredAlert]:
        return await self._in_store(lambda: self._store.alerts.recent(limit=limit))

    async def refusals(self, *, limit: int) -> list[StoredRefusal]:
        return await self._in_store(lambda: self._store.refusals.recent(limit=limit))

    async def book(self) -> Book:
        def read() -> Book:
            table = self._store.positions
            positions = [*table.open(), *table.flat(limit=FLAT)]
            now = self._clock.now()
            since = day_begin(now)
            realised = table.realised_on(trading_day(now))
            unrealised = sum((p.unrealised_pnl for p in positions), ZERO)
            samples = self._store.risk.pnl_since(since)
            return Book(
                positions=positions,
                realised_pnl=table.realised(),
                realised_today=realised,
                curve=curve(samples, now, realised + unrealised),
            )

        return await self._in_store(read)

    async def _beside_log(self, read: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._log_executor, read)

    async def _in_store(self, read: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, read)
