"""One run's records in one copy: which numbers there are, and what explains holes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shoonya_platform.logging.formats import time_text
from shoonya_platform.logging.reading.generations import Generation
from shoonya_platform.logging.reading.journal import Entry
from shoonya_platform.logging.reading.numbers import Numbers
from shoonya_platform.logging.reading.records import Record, first_line

#: Records of one moment may be written in another order than they were made.
TOLERANCE = timedelta(seconds=1)


@dataclass(slots=True)
class RunCopy:
    """
    What one copy has of one component's records of one run.

    Attributes:
        numbers: All that are there.

        doubled: Those that are there more than once.

        counters: By event, the number of the record that tells of it, and how many
            records it counts.

        jumps: The time of each record whose number is not the next one.

        old: The highest number that is older than all that the other copy keeps.

        from_start: Whether it is in the oldest file, so that it may be older still.

        unit: The systemd unit it ran in, where the journal says so.

        told_last: The number it came to, as a later run tells.

        until: Records made later may be on their way to the other copy.

        settled: The highest number made until then.
    """

    numbers: Numbers = field(default_factory=Numbers)
    doubled: Numbers = field(default_factory=Numbers)
    counters: dict[str, dict[int, int]] = field(default_factory=dict)
    jumps: dict[int, str] = field(default_factory=dict)
    first_at: str = ""
    last_at: str = ""
    old: int = 0
    from_start: bool = False
    unit: str = ""
    told_last: int = 0
    until: str = ""
    settled: int = 0

    def add(self, seq: int, at: str, old_until: str) -> None:
        """
        Take in a record.

        Args:
            at: Its time.

            old_until: Until then the other copy may have forgotten.
        """
        numbers = self.numbers
        if seq != numbers.last + 1:
            self.jumps[seq] = at
        if not numbers.add(seq):
            self.doubled.add(seq)
        if at <= old_until and seq > self.old:
            self.old = seq
        if (at <= self.until or not self.until) and seq > self.settled:
            self.settled = seq
        if not self.first_at:
            self.first_at = at
        self.last_at = at

    def count(self, event: str, seq: int, lost: int) -> None:
        """Take in a record that tells of a hole."""
        self.counters.setdefault(event, {})[seq] = lost


@dataclass(slots=True)
class Copies:
    """
    All runs of one copy, by component and run.

    Attributes:
        records: How many there are in all.

        oldest_at: The time of the oldest record that is kept, by component; "" for
            the whole journal.

        first_runs: The run that the oldest file begins with, by component.

        strange_lines: Lines that are neither a record nor part of one.

        unreadable: Files that are damaged, by path, and how; by component.

        evicted: Files deleted for the budget, as the log tells.

        suppressed: How many records journald's rate limit threw away, by unit.

        until: Records made later may be on their way to the other copy; "" if none
            is made any more.
    """

    runs: dict[tuple[str, str], RunCopy] = field(default_factory=dict)
    records: int = 0
    oldest_at: dict[str, str] = field(default_factory=dict)
    first_runs: dict[str, str] = field(default_factory=dict)
    strange_lines: int = 0
    unreadable: dict[str, list[str]] = field(default_factory=dict)
    evicted: list[str] = field(default_factory=list)
    suppressed: dict[str, int] = field(default_factory=dict)
    until: str = ""

    def run(self, component: str, run: str) -> RunCopy:
        found = self.runs.get((component, run))
        if found is None:
            found = self.runs[component, run] = RunCopy(until=self.until)
        return found

    def take_entry(self, entry: Entry) -> None:
        """Take in an entry of the journal."""
        if not entry.run:
            before = self.suppressed.get(entry.unit, 0)
            self.suppressed[entry.unit] = before + entry.lost
            return
        self.records += 1
        run = self.run(entry.component, entry.run)
        run.add(entry.seq, entry.at, self.oldest_at.get(entry.component, ""))
        run.unit = entry.unit
        if entry.event in ("file_gap", "journal_gap"):
            run.count(entry.event, entry.seq, entry.lost)

    def take_file(
        self,
        component: str,
        file: Generation,
        *,
        oldest: bool,
        old_until: str,
        advance: Callable[[int], None],
    ) -> None:
        """
        Take in a file.

        Args:
            oldest: Whether it is the component's oldest.

            old_until: Until then the journal may have forgotten.

            advance: Is told how many bytes have been read since the last call.
        """
        runs: dict[bytes, RunCopy] = {}
        read = 0
        for line in file.lines():
            read += len(line)
            if read > 1 << 20:
                advance(read)
                read = 0
            # Two searches and no more: this loop sees every record there is.
            tail = line.rfind(b" run=")
            name, _, number = line[tail + 5 : -1].partition(b" seq=")
            if tail < 0 or not line[:1].isdigit() or not number.isdigit():
                record = self._slowly(line)
                if record is None:
                    continue
                name, seq, at = record.run.encode(), record.seq, record.at
            elif line[-1] != 10:
                # Somebody is just writing it.
                continue
            else:
                record, seq, at = None, int(number), line[:23].decode()
            run = runs.get(name)
            if run is None:
                run = runs[name] = self.run(component, name.decode("utf-8", "replace"))
                run.from_start = run.from_start or oldest
            run.add(seq, at, old_until)
            self.records += 1
            if oldest and component not in self.oldest_at:
                self.oldest_at[component] = later(at)
                self.first_runs[component] = name.decode("utf-8", "replace")
            if b"_gap" in line or b"log_evicted" in line:
                record = record or first_line(line.decode("utf-8", "replace").rstrip())
                if record is not None:
                    self._learn(component, run, record)
        advance(read)
        if file.trouble:
            self.unreadable.setdefault(component, []).append(
                f"'{file.path}': {file.trouble}"
            )

    def _slowly(self, line: bytes) -> Record | None:
        if line[:1] == b" " or line == b"\n" or line[-1] != 10:
            # Part of a record, or just being written.
            return None
        record = first_line(line.decode("utf-8", "replace").rstrip("\n"))
        if record is None or not record.run:
            self.strange_lines += 1
            return None
        return record

    def _learn(self, component: str, run: RunCopy, record: Record) -> None:
        event = record.fields.get("event", "")
        if event == "log_evicted":
            self.evicted.append(f"{record.at} {record.sentence}")
        elif event in ("file_gap", "journal_gap", "earlier_file_gap"):
            told = record.fields.get("lost", "")
            lost = int(told) if told.isdigit() else 0
            until = record.fields.get("until", "")
            if event != "earlier_file_gap":
                run.count(event, record.seq, lost)
            elif until.isdigit():
                # That run's process could not write it itself.
                earlier = self.run(component, record.fields.get("of_run", ""))
                earlier.told_last = max(earlier.told_last, int(until))
                earlier.count("file_gap", int(until), lost)


def later(at: str, by: timedelta = TOLERANCE) -> str:
    """
    Return a time a moment after *at*, for records of the same moment.

    Raises:
        ValueError: It is no time.
    """
    return time_text(datetime.fromisoformat(at) + by)
