"""
What arrived elsewhere: which numbers an agent that ships the log lost or doubled.

A line may have anything around the record that it carries: a syslog header in front,
an object of the agent's around it.  The journal's fields are taken as the files' lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shoonya_platform.logging.reading.copies import Copies
from shoonya_platform.logging.reading.judging import Finding, Judge
from shoonya_platform.logging.reading.records import first_line

_TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| ")
_PREFIX = "shoonya_"
#: Our own records that count what this copy could not take, by where it comes from.
_FILE_GAP, _JOURNAL_GAP = "file_gap", "journal_gap"


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    What counting needs of a record.

    Attributes:
        at: Its time, "" if the line has none.

        lost: How many records it says were never handed to the agent, else 0.
    """

    at: str
    component: str
    run: str
    seq: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """
    What came, and what did not.

    Attributes:
        other_lines: Lines without a record, such as those of a traceback.
    """

    records: int
    runs: int
    other_lines: int
    findings: tuple[Finding, ...]


def check(lines: Iterable[str]) -> Received:
    """
    Name the numbers between the first and the last of a run that are not there.

    A component's first run may have begun before the agent did; each later one has to
    be there from 1 on.
    """
    copies = Copies()
    others = 0
    for line in lines:
        found = arrival(line)
        if found is None:
            others += bool(line.strip())
            continue
        copies.records += 1
        copies.first_runs.setdefault(found.component, found.run)
        run = copies.run(found.component, found.run)
        run.from_start = True
        run.add(found.seq, found.at, "")
        if found.lost:
            run.count(_FILE_GAP, found.seq, found.lost)
    judge = Judge(copies, Copies(), checked_journal=False)
    return Received(
        records=copies.records,
        runs=len(copies.runs),
        other_lines=others,
        findings=tuple(judge.findings()),
    )


def arrival(line: str) -> Arrival | None:
    """Return the record that a line carries; None if it carries none."""
    text, brace = _TEXT.search(line), line.find("{")
    # What stands first is around the other: an object with a line in it, or a line
    # whose sentence tells of an object.
    if brace >= 0 and (text is None or brace < text.start()):
        found = _of_json(line[brace:])
        if found is not None:
            return found
    return None if text is None else _of_line(line[text.start() :])


def _of_line(line: str) -> Arrival | None:
    record = first_line(line.splitlines()[0].rstrip())
    if record is None or not record.run:
        return None
    lost = 0
    if f" event={_FILE_GAP} " in record.text:
        lost = _number(record.fields.get("lost"))
    return Arrival(record.at, record.component, record.run, record.seq, lost)


def _of_json(text: str) -> Arrival | None:
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return _of_value(document)


def _of_value(value: object) -> Arrival | None:
    """Look through objects in objects, and for a line of ours in a text."""
    if isinstance(value, str):
        return arrival(value)
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return None
    found = _of_object(value)
    if found is not None:
        return found
    return next(filter(None, map(_of_value, value.values())), None)


def _of_object(found: dict[Any, Any]) -> Arrival | None:
    # Agents write the journal's names as they like: SHOONYA_RUN, shoonya_run, run.
    names = {str(key).lower().removeprefix(_PREFIX): key for key in found}
    if not {"component", "run", "seq"} <= names.keys():
        return None
    seq = _number(found[names["seq"]])
    if not seq:
        return None
    from_journal = any(str(key).lower() == f"{_PREFIX}run" for key in found)
    gap = _JOURNAL_GAP if from_journal else _FILE_GAP
    event, lost = (found.get(names.get(name)) for name in ("event", "lost"))
    at = next((found[key] for key in ("timestamp", "@timestamp") if key in found), "")
    return Arrival(
        str(at),
        str(found[names["component"]]).lower(),
        str(found[names["run"]]),
        seq,
        _number(lost) if event == gap else 0,
    )


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else 0
