"""Reads the components' log files back: records, merged by time, followed."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

_RECORD = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \| (\w+) *\| (\w+) *\| (.*)"
)


@dataclass(slots=True)
class LogRecord:
    """One record of a file, with the lines of its traceback."""

    time: str  #: the machine's zone, sorts as text
    level: str
    component: str
    text: str  #: the sentence and its context
    more: list[str]  #: further lines, as they stand in the file


def parse(line: str) -> LogRecord | None:
    """Return the record that begins with this line; None for a further line."""
    match = _RECORD.match(line)
    if match is None:
        return None
    return LogRecord(match[1], match[2], match[3].lower(), match[4], [])


def generations(log_dir: Path, component: str) -> list[Path]:
    """Return a component's plain files, oldest first."""
    found = []
    for path in log_dir.glob(f"{component}.log.*"):
        number = path.name.rpartition(".")[2]
        if number.isdigit():
            found.append((int(number), path))
    return [path for _, path in sorted(found, reverse=True)] + [
        log_dir / f"{component}.log"
    ]


def read(log_dir: Path, component: str, since: str) -> Iterator[LogRecord]:
    """Yield a component's records from a time on, oldest first."""
    for path in generations(log_dir, component):
        try:
            # A file last written before then holds nothing of interest.
            newest = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
            if f"{newest:%Y-%m-%d %H:%M:%S}.999" < since:
                continue
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from (r for r in records(file) if r.time >= since)
        except FileNotFoundError:
            continue


def records(lines: Iterable[str]) -> Iterator[LogRecord]:
    """Put lines together to records."""
    pending: list[LogRecord] = []
    for line in lines:
        found = parse(line.rstrip("\n"))
        if found is not None:
            yield from pending
            pending = [found]
        elif pending:
            pending[0].more.append(line.rstrip("\n"))
    yield from pending


def merged(log_dir: Path, components: list[str], since: str) -> Iterator[LogRecord]:
    """Yield the records of several components in the order of their times."""
    return heapq.merge(
        *(read(log_dir, component, since) for component in components),
        key=lambda record: record.time,
    )


class Follower:
    """
    Reads what is added to a component's file, across rotations.

    Args:
        from_end: Skip what is there already.
    """

    def __init__(self, log_dir: Path, component: str, *, from_end: bool) -> None:
        self._path = log_dir / f"{component}.log"
        self._rest = b""
        self._file = self._open()
        if self._file is not None and from_end:
            self._file.seek(0, os.SEEK_END)

    def new_lines(self) -> list[str]:
        """Return the complete lines added since the last call."""
        lines = self._drain()
        if self._was_rotated():
            # The old file first, to its very end: then the new one.
            lines += self._drain()
            self.close()
            self._file = self._open()
            lines += self._drain()
        return lines

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _drain(self) -> list[str]:
        if self._file is None:
            return []
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def _was_rotated(self) -> bool:
        try:
            newest = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        return newest.st_ino != os.fstat(self._file.fileno()).st_ino
