"""
What explains a hole in a run's numbers: each counter explains once.

In this order: what is older than all that is kept, the counters that the library
writes, journald's own rate limit, a kill.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shoonya_platform.logging.reading.copies import Copies, RunCopy, later
from shoonya_platform.logging.reading.holes import Holes
from shoonya_platform.logging.reading.numbers import Range, common, count

#: What journald has not taken is kept by the process up to so many records.
RING_RECORDS = 1000
# No process is started within it: whoever goes on so soon was there before.
_NO_START = timedelta(milliseconds=50)


class Cause(StrEnum):
    """What explains a hole; the last three do not."""

    RETENTION = "retention"  #: older than all that this copy keeps
    ELSEWHERE = "elsewhere"  #: another installation's, whose files are elsewhere
    DISK = "file_gap"  #: the disk did not take them, and they were counted
    JOURNAL = "journal_gap"  #: journald did not take them, and they were counted
    RATE_LIMIT = "suppressed"  #: journald's rate limit
    KILLED = "killed"  #: the run ended while they waited for journald
    DAMAGED = "damaged"  #: a file of this component cannot be read
    NO_COPY = "no_copy"  #: the journal has nothing of this run
    UNKNOWN = "unknown"


#: Nothing was lost.
HARMLESS = (Cause.RETENTION, Cause.ELSEWHERE)
EXPLAINING = (
    *HARMLESS,
    Cause.DISK,
    Cause.JOURNAL,
    Cause.RATE_LIMIT,
    Cause.KILLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    Numbers that are missing or doubled in one copy.

    Attributes:
        copy: `file` or `journal`.

        what: `missing` or `doubled`.

        ranges: First and last of each stretch.

        count: How many numbers those are.

        elsewhere: How many of them the other copy has.

        at: The time of the record behind them, or of the run's last one.

        cause: Why.
    """

    component: str
    run: str
    copy: str
    what: str
    ranges: tuple[Range, ...]
    count: int
    elsewhere: int
    at: str
    cause: Cause

    @property
    def is_explained(self) -> bool:
        return self.what == "missing" and self.cause in EXPLAINING


class Judge:
    """
    Sets the holes of both copies against what explains them.

    Args:
        checked_journal: Whether *sent* is what the journal has, and not just empty.
    """

    def __init__(self, written: Copies, sent: Copies, *, checked_journal: bool) -> None:
        self._written = written
        self._sent = sent
        self._checked_journal = checked_journal
        self._suppressed = dict(sent.suppressed)
        self._old_runs: dict[str, tuple[str, bool]] = {}
        self._units: dict[str, set[str]] = {}
        for (component, run), entries in sent.runs.items():
            if entries.unit and (component, run) in written.runs:
                self._units.setdefault(component, set()).add(entries.unit)
        # One process counts for all components that it logs for.
        self._unsent: dict[str, dict[tuple[str, int], int]] = {}
        for copies in (written, sent):
            for (component, run), copy in copies.runs.items():
                told = self._unsent.setdefault(run, {})
                for seq, lost in copy.counters.get("journal_gap", {}).items():
                    told[component, seq] = lost

    def findings(self) -> list[Finding]:
        found = []
        nothing = RunCopy()
        for key in {**self._written.runs, **self._sent.runs}:
            file = self._written.runs.get(key, nothing)
            entries = self._sent.runs.get(key, nothing)
            last = max(file.numbers.last, entries.settled, file.told_last)
            found += self._of_file(key, file, entries, last)
            last = max(last, entries.numbers.last)
            if self._checked_journal:
                found += self._of_journal(key, file, entries, last)
        return found

    def _of_file(
        self, key: tuple[str, str], file: RunCopy, entries: RunCopy, last: int
    ) -> list[Finding]:
        left = Holes(file.numbers.missing(1, last))
        explained: list[tuple[Cause, list[Range]]] = []
        head = _in_front(file, entries)
        if not self._may_be_older(key, file):
            head = min(head, entries.old)
        explained.append((Cause.RETENTION, left.take_old(head, entries)))
        counters = {
            **file.counters.get("file_gap", {}),
            **entries.counters.get("file_gap", {}),
        }
        for seq, lost in sorted(counters.items()):
            explained.append((Cause.DISK, left.take(lost, below=seq)[0]))
            # What tells of it may be lost in the file as well.
            explained.append((Cause.DISK, left.take_one(seq)))
        rest = Cause.UNKNOWN
        if key[0] in self._written.unreadable:
            rest = Cause.DAMAGED
        elif not file.numbers and self._is_elsewhere(key[0], entries.unit):
            rest = Cause.ELSEWHERE
        explained.append((rest, left.ranges))
        return _findings(key, "file", file, entries, explained)

    def _is_elsewhere(self, component: str, unit: str) -> bool:
        """Say whether nothing that *unit* ran is in these files, but others' is."""
        known = self._units.get(component, set())
        return bool(known and unit) and unit not in known

    def _may_be_older(self, key: tuple[str, str], file: RunCopy) -> bool:
        """Say whether a run may have begun in a file that is no longer kept."""
        if not file.numbers:
            return False
        until, evicted = self._oldest_of(key[0])
        # Several may write one file, and one of them may have been silent while the
        # others filled the oldest that is kept.
        return file.first_at <= until and (file.from_start or evicted)

    def _oldest_of(self, component: str) -> tuple[str, bool]:
        """
        Look at the runs that were there before the oldest file that is kept.

        Returns:
            Until when one of them ran, and whether one lacks its beginning.
        """
        known = self._old_runs.get(component)
        if known is not None:
            return known
        until, evicted = "", False
        first_run = self._written.first_runs.get(component)
        if first_run is not None:
            until = self._written.runs[component, first_run].last_at
        # In the order in which they stand there.
        for key, run in self._written.runs.items():
            if key[0] != component or not run.from_start or not _lacks_beginning(run):
                continue
            # One that began behind the others has lost what it lacks.
            if run.first_at <= until:
                until, evicted = max(until, _soon_after(run.last_at)), True
        self._old_runs[component] = until, evicted
        return until, evicted

    def _of_journal(
        self, key: tuple[str, str], file: RunCopy, entries: RunCopy, last: int
    ) -> list[Finding]:
        component, run = key
        left = Holes(entries.numbers.missing(1, last))
        explained: list[tuple[Cause, list[Range]]] = []
        old = left.take_old(_in_front(entries, file), file)
        explained.append((Cause.RETENTION, old))
        told = self._unsent.get(run, {})
        for (teller, seq), lost in sorted(told.items(), key=lambda item: item[0][1]):
            below = seq if teller == component else last + 1
            taken, told[teller, seq] = left.take(lost, below=below)
            explained.append((Cause.JOURNAL, taken))
            if teller == component:
                # At the end of a run the record that tells of it is lost as well.
                explained.append((Cause.JOURNAL, left.take_one(seq)))
        for unit, lost in self._suppressed.items():
            if unit == entries.unit or (not entries.unit and component in unit):
                taken, self._suppressed[unit] = left.take(lost, below=last + 1)
                explained.append((Cause.RATE_LIMIT, taken))
        if not entries.numbers:
            explained.append((Cause.NO_COPY, left.ranges))
        else:
            unsent = left.take_end(last, RING_RECORDS)
            explained.append((Cause.KILLED, unsent))
            explained.append((Cause.UNKNOWN, left.ranges))
        return _findings(key, "journal", entries, file, explained)


def _soon_after(at: str) -> str:
    # An agent may write times in any way; then it is the time itself.
    with contextlib.suppress(ValueError):
        return max(at, later(at, _NO_START))
    return at


def _lacks_beginning(copy: RunCopy) -> bool:
    return copy.numbers.missing(1, 1) == [(1, 1)]


def _in_front(copy: RunCopy, other: RunCopy) -> int:
    """Return the last number in front of all that this copy has."""
    first = next(iter(copy.numbers), None)
    return other.old if first is None else first[0] - 1


def _findings(
    key: tuple[str, str],
    name: str,
    copy: RunCopy,
    other: RunCopy,
    explained: list[tuple[Cause, list[Range]]],
) -> list[Finding]:
    by_cause: dict[Cause, list[Range]] = {}
    for cause, ranges in explained:
        by_cause.setdefault(cause, []).extend(ranges)
    named = [("missing", cause, ranges) for cause, ranges in by_cause.items()]
    named.append(("doubled", Cause.UNKNOWN, list(copy.doubled)))
    return [
        Finding(
            component=key[0],
            run=key[1],
            copy=name,
            what=what,
            ranges=tuple(ordered),
            count=count(ordered),
            elsewhere=count(common(ordered, other.numbers)),
            at=_at(copy, other, ordered[-1][1]),
            cause=cause,
        )
        for what, cause, ranges in named
        if (ordered := sorted(ranges))
    ]


def _at(copy: RunCopy, other: RunCopy, last: int) -> str:
    return copy.jumps.get(last + 1) or copy.last_at or other.last_at
