"""
What there is to tell, read from the store.

The store is the queue: nothing waits in memory, and a restart goes on where the last
run stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

import msgspec

from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import INDIA, trading_day
from shoonya_platform.domain.discrepancies import INCIDENTS
from shoonya_platform.domain.orders import Order, OrderEvent, OrderId, OrderTrigger
from shoonya_platform.notify.discrepancies import newest, read_discrepancies
from shoonya_platform.notify.figures import daily_report
from shoonya_platform.store.base import OrderStore, StoredReconciliation

#: Events read at once; what is beyond them is read the next time.
MOST_EVENTS = 1000

#: A service that has not been heard of for this long is told of.
SILENT = timedelta(seconds=60)

_SUNDAY_AND_SATURDAY = (5, 6)

_NUMBER = re.compile(r"\d+")


class Kind(StrEnum):
    """What can be told; `[notify] events` chooses."""

    START = "start"  #: the platform starts
    READY = "ready"  #: its first reconciliation has succeeded
    ALERT = "alert"  #: an alert arrived, and how it ended
    REFUSED = "refused"  #: the webhook refused an alert
    ORDER = "order"  #: how an order ended at the broker
    DENIAL = "denial"  #: we refused an order
    BREACH = "breach"  #: a loss limit was reached, or somebody set the trading state
    DIFFERENCE = "difference"  #: a discrepancy begins or ends, or books are unread
    FAILURE = "failure"  #: a service died or is silent
    DAILY = "daily"  #: the day in figures


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One line for people."""

    kind: Kind
    text: str
    #: The same again within a while is counted and not told.
    key: str
    #: Comes first in a message and is never left out as a repetition.
    is_loud: bool = False


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far was told; written down after each delivery."""

    event_id: int
    starts: int = 0
    ready: int = 0  #: the start whose first reconciliation was told
    trading_set_at: datetime | None = None
    warned: str = ""
    reported_day: date | None = None
    difference: str = ""
    discrepancy_id: int = 0
    refusal_id: int = 0
    #: What was reported last of each open discrepancy, by its number.
    discrepancies: dict[str, str] = {}
    #: Of each service, as many as were told.
    crashes: dict[str, int] = {}


_ORDER_ENDS = {
    OrderTrigger.FILLED: "filled",
    OrderTrigger.OVERFILLED: "was filled beyond its quantity",
    OrderTrigger.REJECTED: "rejected by the broker",
    OrderTrigger.CANCELED: "canceled",
    OrderTrigger.EXPIRED: "expired",
    OrderTrigger.NOT_PLACED: "was never placed",
    OrderTrigger.OUTCOME_UNKNOWN: "has an unknown outcome, looking for it",
}


class NewsReader:
    """
    Reads what happened since a cursor.

    Args:
        title: What the messages call this platform.

        daily_at: When the day's report is due, in India.
    """

    def __init__(
        self,
        store: OrderStore,
        clock: Clock,
        *,
        title: str,
        daily_at: time,
    ) -> None:
        self._store = store
        self._clock = clock
        self._title = title
        self._daily_at = daily_at
        self._silent: set[str] = set()

    def begin(self) -> Cursor:
        """Return a cursor at this moment: of the past only what is open is news."""
        status = self._store.trading.status()
        now = self._clock.now()
        is_late = now.astimezone(INDIA).time() >= self._daily_at
        discrepancy_id, discrepancies = newest(self._store)
        return Cursor(
            discrepancy_id=discrepancy_id,
            discrepancies=discrepancies,
            event_id=self._store.orders.newest_event_id(),
            refusal_id=self._newest_refusal(),
            trading_set_at=status.set_at,
            crashes={beat.service: beat.crashes for beat in self._store.services.all()},
            reported_day=trading_day(now) if is_late else None,
        )

    def read(self, cursor: Cursor) -> tuple[list[News], Cursor]:
        """Return the news in the order they happened, and where they end."""
        news: list[News] = []
        parts: tuple[Callable[[Cursor, list[News]], Cursor], ...] = (
            self._starts,
            self._events,
            self._refusals,
            self._trading,
            self._differences,
            self._discrepancies,
            self._failures,
            self._daily,
        )
        for part in parts:
            cursor = part(cursor, news)
        return news, cursor

    def _starts(self, cursor: Cursor, news: list[News]) -> Cursor:
        starts = self._store.recovery.starts()
        if starts > cursor.starts:
            news.append(_news(Kind.START, f"{self._title} starts", str(starts)))
            cursor = msgspec.structs.replace(cursor, starts=starts)
        if cursor.ready < starts and not self._store.recovery.is_awaited():
            last = self._store.recovery.last()
            found = "" if last is None else f": {last.summary}"
            text = f"{self._title} is ready{found}"
            news.append(_news(Kind.READY, text, str(starts)))
            cursor = msgspec.structs.replace(cursor, ready=starts)
        return cursor

    def _events(self, cursor: Cursor, news: list[News]) -> Cursor:
        events = self._store.orders.events_after(cursor.event_id, limit=MOST_EVENTS)
        if not events:
            return cursor
        for event in events:
            news.extend(self._of_event(event))
        return msgspec.structs.replace(cursor, event_id=events[-1].event_id)

    def _of_event(self, event: OrderEvent) -> Iterator[News]:
        if event.order_id is None:
            text = event.text or event.order_status
            if event.trigger in ("alert_received", "alert_completed", "alert_skipped"):
                word = event.trigger.removeprefix("alert_")
                text = f"alert {event.alert_id} {word}: {text}"
                yield _news(Kind.ALERT, text, str(event.event_id))
            return
        if event.trigger != OrderTrigger.DENIED and event.trigger not in _ORDER_ENDS:
            return
        order = self._store.orders.get(OrderId(event.order_id))
        if order is None:
            return
        if event.trigger == OrderTrigger.DENIED:
            code = order.reason.partition(":")[0]
            # Another alert denied for the same reason is the same news.
            key = f"{order.strategy} {order.tradingsymbol} {code}"
            yield _news(Kind.DENIAL, _line(order, f"denied, {order.reason}"), key)
            return
        what = _ORDER_ENDS[OrderTrigger(event.trigger)]
        if event.trigger == OrderTrigger.FILLED and order.average_price is not None:
            what = f"filled at {order.average_price:.2f}"
        elif event.text:
            what = f"{what}, {event.text}"
        yield _news(Kind.ORDER, _line(order, what), str(event.event_id))

    def _newest_refusal(self) -> int:
        return max(
            (
                each.refusal_id
                for each in self._store.refusals.recent(limit=MOST_EVENTS)
            ),
            default=0,
        )

    def _refusals(self, cursor: Cursor, news: list[News]) -> Cursor:
        found = self._store.refusals.after(cursor.refusal_id, limit=MOST_EVENTS)
        for each in found:
            refused = each.refused
            text = (
                f"alert refused, {refused.code}: {refused.reason} "
                "(shoonyactl alert list --refused)"
            )
            # The same mistake in the next alert is the same news.
            news.append(_news(Kind.REFUSED, text, f"{refused.code} {refused.reason}"))
        if found:
            cursor = msgspec.structs.replace(cursor, refusal_id=found[-1].refusal_id)
        return cursor

    def _trading(self, cursor: Cursor, news: list[News]) -> Cursor:
        status = self._store.trading.status()
        if status.set_at != cursor.trading_set_at:
            text = f"trading is {status.state}: {status.reason} (by {status.set_by})"
            news.append(_news(Kind.BREACH, text, str(status.set_at)))
            cursor = msgspec.structs.replace(cursor, trading_set_at=status.set_at)
        today = trading_day(self._clock.now())
        day = self._store.risk.day(today)
        if day is None or not day.warned:
            return cursor
        what = "the loss limit is reached" if day.breached else "the loss limit is near"
        warned = f"{today} {what}"
        if cursor.warned != warned:
            text = f"{what}: the day's P&L is {day.last_pnl:.2f}"
            news.append(_news(Kind.BREACH, text, warned))
            cursor = msgspec.structs.replace(cursor, warned=warned)
        return cursor

    def _differences(self, cursor: Cursor, news: list[News]) -> Cursor:
        last = self._store.recovery.last()
        if last is None:
            return cursor
        found = _findings(last)
        # A reason may count seconds: the same failure a while later is no news.
        same = found if last.succeeded else _NUMBER.sub("", found)
        if found and same != cursor.difference:
            text = f"reconciliation: {found} (shoonyactl recovery)"
            news.append(_news(Kind.DIFFERENCE, text, same))
        return msgspec.structs.replace(cursor, difference=same)

    def _discrepancies(self, cursor: Cursor, news: list[News]) -> Cursor:
        found, number, reported = read_discrepancies(
            self._store, cursor.discrepancy_id, cursor.discrepancies
        )
        for each, text in found:
            is_loud = each.kind in INCIDENTS
            # Other figures of the same discrepancy soon after are a repetition.
            state = "lasts" if each.resolved_at is None else "over"
            key = f"discrepancy {each.discrepancy_id} {state}"
            news.append(_news(Kind.DIFFERENCE, text, key, is_loud=is_loud))
        return msgspec.structs.replace(
            cursor, discrepancy_id=number, discrepancies=reported
        )

    def _daily(self, cursor: Cursor, news: list[News]) -> Cursor:
        now = self._clock.now()
        there = now.astimezone(INDIA)
        today = there.date()
        if there.time() < self._daily_at or cursor.reported_day == today:
            return cursor
        report = daily_report(self._store, now)
        if there.weekday() not in _SUNDAY_AND_SATURDAY or report.orders:
            news.append(_news(Kind.DAILY, report.text, str(today)))
        return msgspec.structs.replace(cursor, reported_day=today)

    def _failures(self, cursor: Cursor, news: list[News]) -> Cursor:
        now = self._clock.now()
        crashes = dict(cursor.crashes)
        for beat in self._store.services.all():
            why = f"shoonyactl why {beat.service}"
            if beat.crashes > crashes.get(beat.service, 0):
                crashes[beat.service] = beat.crashes
                text = f"{beat.service} died and was started again ({why})"
                key = f"{beat.service} {beat.run_id}"
                news.append(_news(Kind.FAILURE, text, key))
            if beat.ended_at is not None or now - beat.beat_at < SILENT:
                self._silent.discard(beat.service)
            elif beat.service not in self._silent:
                self._silent.add(beat.service)
                seconds = (now - beat.beat_at).total_seconds()
                text = f"{beat.service} is silent for {seconds:.0f} s ({why})"
                key = f"{beat.service} silent {beat.run_id}"
                news.append(_news(Kind.FAILURE, text, key))
        return msgspec.structs.replace(cursor, crashes=crashes)


class _Order(msgspec.Struct, frozen=True):
    order_id: int | None = None


class _Report(msgspec.Struct, frozen=True):
    """Of a recovery report, what needs attention and is not a discrepancy."""

    stuck: list[_Order] = []
    old: list[_Order] = []


def _findings(stored: StoredReconciliation) -> str:
    """Return what is wrong, in words that stay the same as long as it lasts."""
    if not stored.succeeded:
        return stored.summary
    report = msgspec.json.decode(stored.report, type=_Report)
    parts = []
    for orders, words in (
        (report.stuck, "stuck"),
        (report.old, "at work for long"),
    ):
        if orders:
            ids = ", ".join(str(each.order_id) for each in orders[:10])
            parts.append(f"{len(orders)} orders {words} ({ids})")
    return "; ".join(parts)


def _news(kind: Kind, text: str, key: str, *, is_loud: bool = False) -> News:
    return News(kind=kind, text=text, key=f"{kind} {key}", is_loud=is_loud)


def _line(order: Order, what: str) -> str:
    return (
        f"order {order.order_id} {what}: {order.summary} "
        f"({order.strategy}, {order.client_order_id})"
    )


def repeated(news: News, times: int) -> News:
    """Return the news with how often it was left out before."""
    if not times:
        return news
    return replace(news, text=f"{news.text} (and {times} more like it)")
