"""Where the last so many records of a component begin, found from the end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from shoonya_platform.logging.reading.generations import Generation
from shoonya_platform.logging.reading.records import Record, first_line

_BLOCK = 1 << 16


def start_of_last(
    files: Sequence[Generation], count: int, wanted: Callable[[Record], bool]
) -> tuple[Sequence[Generation], int]:
    """
    Find the last *count* records that are wanted.

    Plain files are read backwards, archives as a whole but never kept.

    Returns:
        The files that hold them, and where in the first of them to begin.
    """
    left = count
    for index in range(len(files) - 1, -1, -1):
        file = files[index]
        begins = _from_start(file, left, wanted) if file.archived else None
        if begins is None:
            begins = _from_end(file, left, wanted)
        left -= len(begins)
        if left <= 0:
            return files[index:], begins[0]
    return files, 0


def _from_start(
    file: Generation, count: int, wanted: Callable[[Record], bool]
) -> list[int]:
    """Return the offsets of the last *count* wanted records, oldest first."""
    found: deque[int] = deque(maxlen=count)
    record: Record | None = None
    begin = offset = 0
    for line in file.lines():
        next_one = first_line(line.decode("utf-8", "replace").rstrip("\n"))
        if next_one is not None:
            if record is not None and wanted(record):
                found.append(begin)
            record, begin = next_one, offset
        elif record is not None:
            record.more.append(line.decode("utf-8", "replace"))
        offset += len(line)
    if record is not None and wanted(record):
        found.append(begin)
    return list(found)


def _from_end(
    file: Generation, count: int, wanted: Callable[[Record], bool]
) -> list[int]:
    found: list[int] = []
    more: list[str] = []
    for offset, raw in _backwards(file.fd, file.size):
        line = raw.decode("utf-8", "replace")
        record = first_line(line)
        if record is None:
            more.append(line)
            continue
        record.more, more = more[::-1], []
        if wanted(record):
            found.append(offset)
            if len(found) == count:
                break
    return found[::-1]


def _backwards(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield each line and where it begins, the last one first."""
    rest = b""
    while end:
        begin = max(0, end - _BLOCK)
        rest = os.pread(fd, end - begin, begin) + rest
        lines = rest.split(b"\n")
        # The first may have begun further up.
        rest = lines[0]
        at = begin + sum(map(len, lines)) + len(lines) - 1
        for line in reversed(lines[1:]):
            at -= len(line)
            if line:
                yield at, line
            at -= 1
        end = begin
    if rest:
        yield 0, rest
