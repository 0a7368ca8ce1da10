"""
Holes in the numbers of one component's records, found while they stream by.

Threads of a process may write their records in another order than they took
their numbers, so a hole counts only when the next records have not filled it; and
the record that says why comes just behind it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from shoonya_platform.logging.reading.numbers import Numbers, Range, count
from shoonya_platform.logging.reading.records import Record

#: So many records are looked at before a hole counts.
WINDOW = 64

_LOST = re.compile(r" lost=(\d+)")
_FAILED = re.compile(r"cannot be written: ([^,|]+)")
#: Events that tell of a hole, and what to call the cause.
REASONS = {
    "file_gap": "the disk took no more",
    "journal_gap": "journal queue full",
}


@dataclass(slots=True)
class Gap:
    """
    Numbers of one run that are missing in front of a record.

    Attributes:
        at: The time of that record.

        ranges: The missing numbers.

        why: The cause as a record tells it, "" if none does.
    """

    at: str
    component: str
    run: str
    ranges: list[Range]
    why: str = ""

    @property
    def missing(self) -> int:
        return count(self.ranges)


@dataclass(slots=True)
class _Run:
    seen: Numbers = field(default_factory=Numbers)
    first: int = 0
    trouble: str = ""


class GapFinder:
    """
    Passes on the records of one component, with the holes between them.

    Args:
        component: Whose records they are.

        event: Which of our own records explains a hole in this copy.
    """

    def __init__(self, component: str, event: str = "file_gap") -> None:
        self._component = component
        self._mark = f" event={event} "
        self._reason = REASONS[event]
        self._is_of_files = event == "file_gap"
        self._runs: dict[str, _Run] = {}
        self._queue: deque[Record | Gap] = deque()
        self._records = 0

    def see(self, record: Record) -> Iterator[Record | Gap]:
        """Take in the next record; yield what is certain by now."""
        self.add(record)
        while self._records > WINDOW:
            yield from self._next()

    def add(self, record: Record) -> bool:
        """Take in the next record; say whether its number is new."""
        if record.run:
            run = self._runs.get(record.run)
            if run is None:
                run = self._runs[record.run] = _Run(first=record.seq)
            if not self._number(run, record):
                return False
            self._learn(run, record)
        self._queue.append(record)
        self._records += 1
        return True

    def flush(self) -> Iterator[Record | Gap]:
        """Yield all that is left."""
        while self._queue:
            yield from self._next()

    def settled(self) -> Iterator[Record | Gap]:
        """Yield what is left up to the first hole."""
        while self._queue and not isinstance(self._queue[0], Gap):
            yield from self._next()

    @property
    def waiting(self) -> bool:
        """Whether something is held back by a hole."""
        return bool(self._queue)

    def _number(self, run: _Run, record: Record) -> bool:
        before = run.seen.last
        is_new = run.seen.add(record.seq)
        if before and record.seq > before + 1:
            missing = [(before + 1, record.seq - 1)]
            self._queue.append(Gap(record.at, self._component, record.run, missing))
        elif is_new and record.seq < before:
            self._fill(record)
        return is_new

    def _fill(self, late: Record) -> None:
        for gap in self._queue:
            if isinstance(gap, Gap) and gap.run == late.run:
                there = Numbers([(late.seq, late.seq)])
                gap.ranges = [
                    part for hole in gap.ranges for part in there.missing(*hole)
                ]

    def _learn(self, run: _Run, record: Record) -> None:
        if self._is_of_files and " event=file_failed " in record.text:
            failed = _FAILED.search(record.text)
            run.trouble = failed[1].lower() if failed else ""
        elif self._mark in record.text:
            told = _LOST.search(record.text)
            left = int(told[1]) if told else 0
            for gap in reversed(self._queue):
                if left and isinstance(gap, Gap) and gap.run == record.run:
                    left = max(left - gap.missing, 0)
                    gap.why = run.trouble or self._reason

    def _next(self) -> Iterator[Record | Gap]:
        item = self._queue.popleft()
        if isinstance(item, Gap):
            if item.ranges:
                yield item
        else:
            self._records -= 1
            yield item
