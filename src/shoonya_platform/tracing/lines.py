"""The log's lines about certain ids: from files, archives and the journal, once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.formats import time_text
from shoonya_platform.logging.reading.journal import (
    JournalRecord,
    JournalUnavailable,
    naming,
)
from shoonya_platform.logging.reading.records import Record
from shoonya_platform.logging.reading.search import search

FILE = "file"
JOURNAL = "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One record, and in which copies it was found."""

    at: datetime
    component: str
    level: str
    text: str  #: the sentence
    event: str
    order_id: str  #: "" if it names none
    run_id: str
    seq: int
    detail: tuple[str, ...]  #: the traceback's lines
    copies: frozenset[str]  #: `FILE`, `JOURNAL`


def find_lines(
    log_dir: Path,
    ids: Collection[str],
    *,
    since: datetime,
    until: datetime,
    journal: bool,
    tell: Callable[[str], None],
) -> list[LogLine]:
    """
    Return the lines of all components that name one of the ids, by time.

    Args:
        since: Nothing older is looked for, nor newer than *until*.

        journal: Whether the journal is asked too.

        tell: Gets a sentence for each thing that could not be read.
    """
    found: dict[tuple[str, str, int], LogLine] = {}

    def add(line: LogLine) -> None:
        # What has no run is nobody's copy of anything.
        key = (line.component, line.run_id, line.seq if line.run_id else -len(found))
        known = found.get(key)
        found[key] = (
            line if known is None else replace(known, copies=known.copies | line.copies)
        )

    begin, end = _local(since), _local(until)
    for record in search(log_dir, COMPONENTS, ids, since=begin, until=end, tell=tell):
        add(_from_file(record))
    if journal:
        try:
            for entry in naming(ids, since=begin[:19], until=end[:19]):
                add(_from_journal(entry))
        except JournalUnavailable as e:
            tell(f"the journal was not asked: {e}")
    return sorted(found.values(), key=lambda line: (line.at, line.seq))


def _from_file(record: Record) -> LogLine:
    return LogLine(
        at=_moment(record.at),
        component=record.component,
        level=record.level,
        text=record.sentence,
        event=record.fields.get("event", ""),
        order_id=record.fields.get("order_id", ""),
        run_id=record.run,
        seq=record.seq,
        detail=tuple(record.detail),
        copies=frozenset({FILE}),
    )


def _from_journal(record: JournalRecord) -> LogLine:
    sentence, *detail = record.message.split("\n")
    return LogLine(
        at=_moment(record.at),
        component=record.component,
        level=record.level,
        text=sentence,
        event=record.event,
        order_id=record.order_id,
        run_id=record.run,
        seq=record.seq,
        detail=tuple(detail),
        copies=frozenset({JOURNAL}),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def _local(moment: datetime) -> str:
    return time_text(moment.astimezone())
