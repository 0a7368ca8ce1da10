"""The newest log records of all components, kept at hand while somebody looks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.formats import time_text
from shoonya_platform.logging.reading.filters import ALL
from shoonya_platform.logging.reading.follow import ComponentFollower
from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.records import LEVELS, Record
from shoonya_platform.logging.reading.streams import Item, read

#: How many are kept; what is looked for further back is `shoonyactl logs`' business.
KEPT = 2000
#: How many of them are shown.
SHOWN = 200

#: So much later than records of others a record may be read.
_LATE = timedelta(seconds=10)

#: After so long without a look it begins anew: going on might be a lot to read.
_IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which records are asked for; what is empty asks for all."""

    component: str = ""
    level: str = ""  #: and above
    text: str = ""  #: in the line or its traceback, in either case

    def wants(self, record: Record) -> bool:
        if self.component and record.component != self.component:
            return False
        levels = LEVELS[: LEVELS.index(self.level)] if self.level else ()
        if record.level in levels:
            return False
        text = self.text.lower()
        return (
            not text
            or text in record.line.lower()
            or any(text in line.lower() for line in record.more)
        )


class RecentLog:
    """
    Follows the files of all components; for one thread.

    Args:
        log_dir: Where the files are.
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._followers: dict[str, ComponentFollower] = {}
        self._items: deque[Item] = deque(maxlen=KEPT)
        self._looked_at = 0.0

    def newest(self, asked: LogQuery) -> Sequence[Item]:
        """Return the newest records and gaps that are asked for, newest first."""
        now = time.monotonic()
        if not self._followers or now - self._looked_at > _IDLE_SECONDS:
            self._begin()
        self._looked_at = now
        new = [item for each in self._followers.values() for item in each.new_items()]
        for item in sorted(new, key=lambda item: item.at):
            self._take(item)
        found = []
        for item in reversed(self._items):
            if asked.wants(item) if isinstance(item, Record) else _is_of(item, asked):
                found.append(item)
                if len(found) == SHOWN:
                    break
        return found

    def _take(self, item: Item) -> None:
        """Put an item where its time has it, behind those that are little later."""
        # The files are read one after the other, and the last record of each waits
        # for its traceback.  Far later is only what a clock had before it was set.
        limit = _little_later(item.at)
        later = []
        while self._items and item.at < self._items[-1].at <= limit:
            later.append(self._items.pop())
        self._items.append(item)
        self._items.extend(reversed(later))

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()
        self._followers = {}

    def _begin(self) -> None:
        self.close()
        finders = {name: GapFinder(name) for name in COMPONENTS}
        # Before the past is read: what comes meanwhile is in both, and kept once.
        self._followers = {
            name: ComponentFollower(self._log_dir, name, finder)
            for name, finder in finders.items()
        }
        self._items = deque(
            read(
                self._log_dir,
                finders,
                since="",
                wanted=ALL,
                last=KEPT,
                # A damaged archive is told of by `shoonyactl logs`.
                tell=lambda _: None,
            ),
            maxlen=KEPT,
        )


def _little_later(at: str) -> str:
    try:
        moment = datetime.fromisoformat(at) + _LATE
    except ValueError:
        return at
    return time_text(moment)


def _is_of(gap: Gap, asked: LogQuery) -> bool:
    return not asked.text and asked.component in ("", gap.component)
