"""What `status --watch` shows: one look at services, store and log files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shoonya_platform.assessment.assess import assess, services_down
from shoonya_platform.assessment.conditions import Condition, ordered
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingStatus
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.logging.reading.filters import Filter
from shoonya_platform.logging.reading.follow import Follower
from shoonya_platform.logging.reading.records import Record, first_line
from shoonya_platform.services.units import ServiceView, read_services
from shoonya_platform.store.base import OrderStore

#: What an order on its way waits for, in the order of its life.
STAGES = {
    "risk": (OrderStatus.INITIALIZED,),
    "guard": (OrderStatus.RISK_PASSED,),
    "sending": (OrderStatus.GUARD_PASSED,),
    "answer": (OrderStatus.SUBMITTED,),
    "working": (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED),
    "changing": (OrderStatus.PENDING_REPLACE, OrderStatus.PENDING_CANCEL),
    "unclear": (OrderStatus.OUTCOME_UNKNOWN,),
}

#: More than any screen shows.
_ERRORS_KEPT = 50
#: So much of each file is searched for errors of before: it takes no time.
_PAST_BYTES = 1 << 18
_MOST_ALERTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there was to see at one moment."""

    at: datetime
    services: Sequence[ServiceView]
    trading: TradingStatus | None  #: None if the store could not be read
    conditions: Sequence[Condition]  #: what needs attention, the critical first
    stages: Mapping[str, int]  #: alerts and orders on their way, by what is next
    rates: Mapping[str, float]  #: log records a second by component
    errors: Sequence[Record]  #: the newest, oldest first
    trouble: str  #: what could not be read, and why; empty if all could


class Looker:
    """Looks again and again; remembers what the log's rates need."""

    def __init__(self, ctl: Ctl) -> None:
        self._ctl = ctl
        self._log = _Log(ctl.settings.paths.log_dir)
        self._looked_at = ctl.clock.monotonic()

    def look(self) -> Look:
        ctl = self._ctl
        trading, stages, trouble = None, dict[str, int](), ""
        services = read_services(ctl.settings.paths.runtime_dir, clock=ctl.clock)
        conditions = ordered(list(services_down(services)))
        try:
            trading = ctl.store.trading.status()
            conditions = assess(
                ctl.store,
                ctl.clock.now(),
                services=services,
                rules=configured_rules(ctl.settings),
            )
            stages = _stages(ctl.store)
        except ShoonyaError as e:
            trouble = e.message
        try:
            counted = self._log.read()
        except OSError as e:
            counted, trouble = {}, trouble or f"the log: {e}"
        now = ctl.clock.monotonic()
        seconds, self._looked_at = max(now - self._looked_at, 0.001), now
        return Look(
            at=ctl.clock.now(),
            services=services,
            trading=trading,
            conditions=conditions,
            stages=stages,
            rates={name: number / seconds for name, number in counted.items()},
            errors=list(self._log.errors),
            trouble=trouble,
        )

    def close(self) -> None:
        self._log.close()


def _stages(store: OrderStore) -> dict[str, int]:
    counts = store.orders.count()
    received = store.alerts.in_status(AlertStatus.RECEIVED, limit=_MOST_ALERTS)
    return {"alerts": len(received)} | {
        stage: sum(counts.get(status, 0) for status in statuses)
        for stage, statuses in STAGES.items()
    }


class _Log:
    def __init__(self, log_dir: Path) -> None:
        self._wanted = Filter("ERROR")
        self._followers = {
            name: Follower(log_dir, name, from_end=True) for name in COMPONENTS
        }
        past = [
            record
            for name in COMPONENTS
            for record in self._errors(_last_lines(log_dir / f"{name}.log"))
        ]
        past.sort(key=lambda record: record.at)
        self.errors = deque(past, _ERRORS_KEPT)

    def read(self) -> dict[str, int]:
        """Return how many records each component has written since the last call."""
        counted, errors = dict[str, int](), list[Record]()
        for name, follower in self._followers.items():
            lines = follower.new_lines()
            # Further lines of a record, of a traceback say, begin with a space.
            counted[name] = sum(line[:1] != b" " for line in lines)
            errors += self._errors(lines)
        self.errors.extend(sorted(errors, key=lambda record: record.at))
        return counted

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()

    def _errors(self, lines: Sequence[bytes]) -> list[Record]:
        found = (
            first_line(line.decode("utf-8", "replace"))
            for line in self._wanted.sieved(lines)
            if line[:1] != b" "
        )
        return [record for record in found if record and self._wanted(record)]


def _last_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _PAST_BYTES))
            return file.read(_PAST_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
