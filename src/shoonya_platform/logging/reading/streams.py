"""The records of several components as one stream, and the last of them."""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from shoonya_platform.logging.reading import journal
from shoonya_platform.logging.reading.filters import ALL, Filter
from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.generations import Generation, generations
from shoonya_platform.logging.reading.records import Record, first_line, records
from shoonya_platform.logging.reading.tail import start_of_last

Item = Record | Gap
#: Gets a sentence about a file that could not be read.
Tell = Callable[[str], None]


def read(
    log_dir: Path,
    finders: Mapping[str, GapFinder | None],
    *,
    since: str,
    wanted: Filter,
    last: int | None,
    tell: Tell,
) -> Iterator[Item]:
    """
    Yield records and gaps of several components in the order of their times.

    Args:
        finders: Looks for gaps, for each component that is wanted.  They see every
            record that is read, and know afterwards which.  None: gaps do not matter,
            which is faster.

        since: Local time; "" is before all.

        wanted: Which records are passed on; gaps always are.

        last: Only so many records, the newest; None is all.

        tell: Is told of files that cannot be read.
    """
    if last == 0:
        return
    with contextlib.ExitStack() as stack:
        streams = []
        for component, finder in finders.items():
            files = stack.enter_context(generations(log_dir, component))
            begun = _after(files, since)
            offset = 0
            if last is not None and not since:
                begun, offset = start_of_last(begun, last, wanted)
            streams.append(
                _component(begun, offset, finder, since, wanted, tell),
            )
        # Never against the order of a file, even where a clock was set back.
        items = heapq.merge(*streams, key=lambda item: item.at)
        yield from items if last is None else last_records(items, last)


def read_journal(
    components: Sequence[str], *, since: str, wanted: Filter, last: int | None
) -> Iterator[Item]:
    """
    Do the same from the journal's copy, with the gaps that are in it.

    Raises:
        JournalUnavailable: There is none, or it may not be read.
    """
    if last == 0:
        return
    # Of a journal that one may not read journalctl says nothing at all.
    journal.oldest_at()
    # Only if every record counts journald can say which are the last.
    at_most = last if wanted is ALL else None

    def one(component: str) -> Iterator[Item]:
        finder = GapFinder(component, "journal_gap")
        for record in journal.records(component, since=since, last=at_most):
            yield from _only(finder.see(record), wanted)
        yield from _only(finder.flush(), wanted)

    items = heapq.merge(*map(one, components), key=lambda item: item.at)
    yield from items if last is None else last_records(items, last)


def last_records(items: Iterable[Item], count: int) -> Iterator[Item]:
    """Yield the last *count* records, with the gaps in front of them."""
    kept: deque[Item] = deque()
    held = 0
    for item in items:
        kept.append(item)
        held += isinstance(item, Record)
        while held > count:
            held -= isinstance(kept.popleft(), Record)
    yield from kept


def _after(files: Sequence[Generation], since: str) -> Sequence[Generation]:
    """Leave out files that were last written before then."""

    def newest(file: Generation) -> str:
        moment = datetime.fromtimestamp(file.modified_at).astimezone()
        return f"{moment:%Y-%m-%d %H:%M:%S}.999"

    return [file for file in files if newest(file) >= since] if since else files


def _component(
    files: Sequence[Generation],
    offset: int,
    finder: GapFinder | None,
    since: str,
    wanted: Filter,
    tell: Tell,
) -> Iterator[Item]:
    for file in files:
        lines = _from(file.lines(offset), since)
        if finder is None:
            yield from filter(wanted, records(wanted.sieved(lines)))
        else:
            for record in records(lines):
                yield from _only(finder.see(record), wanted)
        offset = 0
        if file.trouble:
            tell(f"'{file.path}': {file.trouble}")
    if finder is not None:
        yield from _only(finder.flush(), wanted)


def _only(items: Iterable[Item], wanted: Filter) -> Iterator[Item]:
    for item in items:
        if isinstance(item, Gap) or wanted(item):
            yield item


def _from(lines: Iterator[bytes], since: str) -> Iterator[bytes]:
    """Drop the lines before the first record of that time or later."""
    if since:
        begin = since.encode()
        for line in lines:
            # The form of text sorts by its first columns; the other has to be read.
            if line[:1] == b"{":
                record = first_line(line.decode("utf-8", "replace").rstrip("\n"))
                is_late = record is not None and record.at >= since
            else:
                is_late = line[:1].isdigit() and line[: len(begin)] >= begin
            if is_late:
                yield line
                break
    yield from lines
