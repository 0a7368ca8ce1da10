"""The journal's copy, streamed out of journalctl."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoonya_platform.logging.components import logger_name
from shoonya_platform.logging.formats import (
    Stamp,
    detail_text,
    escaped,
    fields_text,
    head_text,
)
from shoonya_platform.logging.reading.records import Record, first_line

#: journald's own word for what its rate limit has thrown away.
SUPPRESSED_ID = "a596d6fe7bfa4994828e72309e95d61e"

_PREFIX = "SHOONYA_"
# What stands in columns of its own, or is about the way to journald.
_OWN = frozenset(
    f"{_PREFIX}{name}" for name in ("COMPONENT", "RUN", "SEQ", "LOGGED_AT_USEC")
)
_FOLDERS = (Path("/run/log/journal"), Path("/var/log/journal"))
_stamp = Stamp()


class JournalUnavailable(Exception):
    """There is no journal here, or it may not be read; says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What verifying needs of a journal's entry.

    Attributes:
        at: When it was logged, local time as in the files.

        run: "" in journald's own records.

        event: The event of our records about ourselves.

        lost: How many records such an event counts, or journald suppressed.

        unit: The unit it comes from, or that was suppressed.
    """

    at: str
    component: str
    run: str
    seq: int
    event: str
    lost: int
    unit: str


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """
    A record as the journal has it.

    Attributes:
        at: When it was logged, local time as in the files.

        message: The sentence, and behind a line break the traceback.

        event: The record's event, "" if it has none; so with the order's number.
    """

    at: str
    component: str
    level: str
    message: str
    event: str
    order_id: str
    run: str
    seq: int


#: The fields that hold ids; matching one is a look-up in the journal's index.
_ID_FIELDS = ("ALERT_ID", "CLIENT_ORDER_ID", "BROKER_ORDER_ID", "ORDER_ID")
_LEVELS = {0: "CRITICAL", 1: "CRITICAL", 2: "CRITICAL", 3: "ERROR", 4: "WARNING"}


def is_readable() -> bool:
    """Say whether there is a journal of the system here that we may read."""
    return any(
        os.access(path, os.R_OK)
        for folder in _FOLDERS
        for path in folder.glob("*/system.journal")
    )


def naming(ids: Collection[str], *, since: str, until: str) -> Iterator[JournalRecord]:
    """
    Yield the records whose context has one of the ids, oldest first.

    Args:
        since: Local time to the second, as `journalctl --since` takes it.

        until: The same.

    Raises:
        JournalUnavailable: There is none, or it may not be read.
    """
    matches: list[str] = []
    for field in _ID_FIELDS:
        # Matches of one field are alternatives, those of several are not.
        matches += [f"SHOONYA_{field}={name}" for name in sorted(ids)]
        matches.append("+")
    for found in _json(f"--since={since}", f"--until={until}", *matches[:-1]):
        yield JournalRecord(
            _at(found),
            _text(found, "SHOONYA_COMPONENT"),
            _LEVELS.get(
                priority := _number(found, "PRIORITY"),
                "INFO" if priority < 7 else "DEBUG",
            ),
            _text(found, "MESSAGE"),
            _text(found, "SHOONYA_EVENT"),
            _text(found, "SHOONYA_ORDER_ID"),
            _text(found, "SHOONYA_RUN"),
            _number(found, "SHOONYA_SEQ"),
        )


def entries(components: Sequence[str]) -> Iterator[Entry]:
    """
    Yield all entries of these components, and what journald says it suppressed.

    Raises:
        JournalUnavailable: There is none, or it may not be read.
    """
    matches = [f"SHOONYA_COMPONENT={name}" for name in components]
    fields = "SHOONYA_COMPONENT,SHOONYA_RUN,SHOONYA_SEQ,SHOONYA_EVENT,SHOONYA_LOST,"
    fields += "SHOONYA_LOGGED_AT_USEC,MESSAGE_ID,N_DROPPED,MESSAGE,_SYSTEMD_UNIT"
    for found in _json(
        f"--output-fields={fields}", *matches, "+", f"MESSAGE_ID={SUPPRESSED_ID}"
    ):
        if _text(found, "MESSAGE_ID") == SUPPRESSED_ID:
            # "Suppressed 37 messages from shoonya@dashboard.service"
            words = _text(found, "MESSAGE").split()
            lost = _number(found, "N_DROPPED") or next(
                (int(word) for word in words if word.isdigit()), 0
            )
            yield Entry(_at(found), "", "", 0, "suppressed", lost, (words or [""])[-1])
        elif (seq := _number(found, "SHOONYA_SEQ")) and found.get("SHOONYA_RUN"):
            yield Entry(
                _at(found),
                _text(found, "SHOONYA_COMPONENT"),
                _text(found, "SHOONYA_RUN"),
                seq,
                _text(found, "SHOONYA_EVENT"),
                _number(found, "SHOONYA_LOST"),
                _text(found, "_SYSTEMD_UNIT"),
            )


def records(component: str, *, since: str, last: int | None) -> Iterator[Record]:
    """
    Yield the records of a component as the lines of text have them.

    Args:
        since: Local time; "" is before all.

        last: Only so many, the newest; None is all.

    Raises:
        JournalUnavailable: There is none, or it may not be read.
    """
    options = [f"SHOONYA_COMPONENT={component}"]
    if since:
        options.append(f"--since={since.partition('.')[0]}")
    if last is not None:
        options.append(f"--lines={last}")
    for found in _json(*options):
        at, seq = _at(found), _number(found, "SHOONYA_SEQ")
        if not seq or at < since:
            continue
        sentence, _, detail = _text(found, "MESSAGE").partition("\n")
        fields = {
            name.removeprefix(_PREFIX).lower(): _text(found, name)
            for name in sorted(found)
            if name.startswith(_PREFIX) and name not in _OWN
        }
        run = _text(found, "SHOONYA_RUN")
        head = head_text(_level(found), logger_name(component))
        record = first_line(
            f"{at}{head}{escaped(sentence)} |{fields_text(fields)} run={run} seq={seq}"
        )
        if record is not None:
            record.more = detail_text(detail).splitlines() if detail else []
            yield record


def oldest_at() -> str:
    """
    Return the time of the oldest entry that the journal still has.

    Raises:
        JournalUnavailable: There is none, or it may not be read.
    """
    for found in _json("--output-fields=_BOOT_ID"):
        return _at(found)
    raise JournalUnavailable("the journal is empty, or may not be read")


def _json(*arguments: str) -> Iterator[dict[str, Any]]:
    command = ["journalctl", "--quiet", "--no-pager", "--all", "--output=json"]
    try:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as e:
        raise JournalUnavailable(f"journalctl: {e.strerror}") from e
    assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - pipes were asked for
    try:
        for line in process.stdout:
            yield json.loads(line)
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() and said:
            raise JournalUnavailable(said.splitlines()[0])
    finally:
        # Nobody wants the rest.
        process.kill()
        process.stdout.close()
        process.stderr.close()
        process.wait()


def _at(found: dict[str, Any]) -> str:
    logged = _number(found, "SHOONYA_LOGGED_AT_USEC")
    usec = logged or _number(found, "__REALTIME_TIMESTAMP")
    return _stamp.text(usec / 1_000_000)


def _level(found: dict[str, Any]) -> str:
    priority = _number(found, "PRIORITY")
    for level, most in (("CRITICAL", 2), ("ERROR", 3), ("WARNING", 4), ("INFO", 6)):
        if priority <= most:
            return level
    return "DEBUG"


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name, "")
    if isinstance(value, list):
        # Bytes where it is no UTF-8, several values where it was sent twice.
        if value and all(isinstance(part, int) for part in value):
            return bytes(value).decode(errors="replace")
        return str(value[0]) if value else ""
    return str(value)


def _number(found: dict[str, Any], name: str) -> int:
    text = _text(found, name)
    return int(text) if text.isascii() and text.isdigit() else 0
