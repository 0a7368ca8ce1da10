"""
Which numbers are missing or doubled, in which copy, and why.

Each run counts the records of a component from 1, without gaps, in both copies.  So
what one copy does not have is known from its own numbers and from the other copy's,
and is set against everything that explains a hole: what is older than all that is
kept, the counters that the library writes, journald's own rate limit, a kill.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shoonya_platform.logging.formats import time_text
from shoonya_platform.logging.reading import journal
from shoonya_platform.logging.reading.copies import Copies, later
from shoonya_platform.logging.reading.generations import generations
from shoonya_platform.logging.reading.judging import Finding, Judge

#: Called with `files` and how many bytes of text, or `journal` and how many entries
#: have been read since the last call.
Advance = Callable[[str, int], None]

_STEP = 1000
_WRITTEN_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What was checked, and what was found.

    Attributes:
        without_journal: Why the journal was not checked, "" if it was.

        runs: How many runs of components there are.

        strange_lines: Lines in the files that no record begins with or goes on in.

        unreadable: Damaged files, and how.

        evicted: What the log says was deleted for its budget.
    """

    without_journal: str
    files: int
    runs: int
    file_records: int
    journal_records: int
    strange_lines: int
    unreadable: tuple[str, ...]
    evicted: tuple[str, ...]
    findings: tuple[Finding, ...]


def verify(
    log_dir: Path,
    components: Sequence[str],
    *,
    with_journal: bool,
    now: datetime | None = None,
    advance: Advance = lambda _copy, _count: None,
) -> Report:
    """
    Check the files of these components, and the journal's copy.

    Args:
        with_journal: Whether to look into the journal, where there is one.

        now: The local time, where services may be logging.  What they log while the
            files are read is in the journal by the time that is read.

        advance: Is told how far it is.
    """
    written = Copies()
    sent = Copies(until="" if now is None else time_text(now))
    if now is not None:
        # What has been made is in the files by then.
        time.sleep(_WRITTEN_SECONDS)
    without = "" if with_journal else "not asked for"
    old_until = ""
    if with_journal:
        try:
            old_until = later(journal.oldest_at())
        except journal.JournalUnavailable as e:
            without = str(e)
    read = 0
    for component in components:
        with generations(log_dir, component) as files:
            for index, file in enumerate(files):
                written.take_file(
                    component,
                    file,
                    oldest=not index,
                    old_until=old_until,
                    advance=functools.partial(advance, "files"),
                )
            read += len(files)
    if not without:
        sent.oldest_at = written.oldest_at
        for number, entry in enumerate(journal.entries(components), 1):
            sent.take_entry(entry)
            if not number % _STEP:
                advance("journal", _STEP)
        if not sent.records:
            without = "it has no records of ours, or may not be read by this user"
    judge = Judge(written, sent, checked_journal=not without)
    return Report(
        without_journal=without,
        files=read,
        runs=len({*written.runs, *sent.runs}),
        file_records=written.records,
        journal_records=sent.records,
        strange_lines=written.strange_lines,
        unreadable=tuple(each for all_ in written.unreadable.values() for each in all_),
        evicted=tuple(written.evicted),
        findings=tuple(judge.findings()),
    )
