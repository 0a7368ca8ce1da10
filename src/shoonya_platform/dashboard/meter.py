"""What the counters of `/metrics` count: events of the store, lines of the log."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.domain.orders import OrderEvent
from shoonya_platform.logging.reading.follow import Follower
from shoonya_platform.services.units import ServiceView, cpu_seconds
from shoonya_platform.store.base import OrderStore

#: Upper bounds of a hop's delay, in seconds.
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0)

_BATCH = 1000
#: Most are over within seconds; of more than these the first hop is not counted.
_STORIES_KEPT = 20_000


@dataclass(slots=True)
class Histogram:
    """How often a hop took how long."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        place = next((n for n, bound in enumerate(BUCKETS) if seconds <= bound), -1)
        self.buckets[place] += 1
        self.seconds += seconds


class EventMeter:
    """
    Counts the events recorded since the dashboard started.

    Of a dashboard that was started anew Prometheus sees the counters begin at 0,
    which is what it expects of a counter.
    """

    def __init__(self) -> None:
        self.events: Counter[tuple[str, str]] = Counter()  #: by service and event
        self.denials: Counter[str] = Counter()  #: by code
        self.hops: dict[tuple[str, str], Histogram] = {}
        self._newest: int | None = None
        self._last: OrderedDict[object, datetime] = OrderedDict()

    def read(self, store: OrderStore) -> None:
        """Count what has come since the last call."""
        if self._newest is None:
            self._newest = store.orders.newest_event_id()
        while events := store.orders.events_after(self._newest, limit=_BATCH):
            for event in events:
                self._add(event)
            self._newest = events[-1].event_id

    def _add(self, event: OrderEvent) -> None:
        key = (event.service, event.trigger)
        self.events[key] += 1
        if event.trigger == "denied":
            self.denials[event.text.partition(":")[0] or "UNKNOWN"] += 1
        story = event.alert_id if event.order_id is None else event.order_id
        before = self._last.get(story) or self._last.get(event.alert_id)
        if before is not None:
            # A wall clock that was set back is no negative delay.
            seconds = max((event.occurred_at - before).total_seconds(), 0.0)
            self.hops.setdefault(key, Histogram()).add(seconds)
        self._last[story] = event.occurred_at
        self._last.move_to_end(story)
        while len(self._last) > _STORIES_KEPT:
            self._last.popitem(last=False)


_LOST = re.compile(rb"event=(?:earlier_)?(file_gap|journal_gap)\b.*?\blost=(\d+)")
_LOST_JSON = re.compile(
    rb'"event":\s*"(?:earlier_)?(file_gap|journal_gap)".*?"lost":\s*"?(\d+)'
)


class LogMeter:
    """
    Counts the lines and bytes of the log since the dashboard started.

    Args:
        log_dir: Where the files are.
    """

    def __init__(self, log_dir: Path) -> None:
        self.records: Counter[str] = Counter()  #: by component
        self.bytes: Counter[str] = Counter()
        #: By component and copy: what the log says of itself that it lacks.
        self.lost: Counter[tuple[str, str]] = Counter()
        self._log_dir = log_dir
        self._followers: dict[str, Follower] = {}

    def read(self) -> None:
        """Count what has come since the last call."""
        if not self._followers:
            self._followers = {
                name: Follower(self._log_dir, name, from_end=True)
                for name in COMPONENTS
            }
        for component, follower in self._followers.items():
            for line in follower.new_lines():
                self.bytes[component] += len(line)
                if line.startswith(b"    | "):
                    continue
                self.records[component] += 1
                if b"_gap" in line:
                    self._add_lost(component, line)

    def _add_lost(self, component: str, line: bytes) -> None:
        found = _LOST.search(line) or _LOST_JSON.search(line)
        if found is not None:
            copy = found[1].decode().removesuffix("_gap")
            self.lost[component, copy] += int(found[2])


class CpuMeter:
    """
    Which share of a core each service took since it was last looked at.

    Args:
        read: Tells what a process has used, in seconds.
    """

    #: The kernel counts in hundredths: less says nothing.
    _LEAST_SECONDS = 1.0

    def __init__(
        self, clock: Clock, read: Callable[[int], float | None] = cpu_seconds
    ) -> None:
        self._clock = clock
        self._read = read
        self._looked_at: float | None = None
        self._used: dict[int, float] = {}
        self._shares: dict[int, float] = {}

    def shares(self, views: Sequence[ServiceView]) -> dict[int, float]:
        """Return the shares by process, of those that are told; 1.0 is one core."""
        now = self._clock.monotonic()
        elapsed = None if self._looked_at is None else now - self._looked_at
        if elapsed is not None and elapsed < self._LEAST_SECONDS:
            return self._shares
        used = {
            view.pid: seconds
            for view in views
            if view.pid and (seconds := self._read(view.pid)) is not None
        }
        if elapsed is not None:
            self._shares = {
                pid: max(0.0, seconds - self._used[pid]) / elapsed
                for pid, seconds in used.items()
                if pid in self._used
            }
        self._looked_at, self._used = now, used
        return self._shares
