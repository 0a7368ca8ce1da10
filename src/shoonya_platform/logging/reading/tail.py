"""Where the last so many records of a component begin, found from the end."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from shoonya_platform.logging.reading.filters import Filter
from shoonya_platform.logging.reading.generations import Generation
from shoonya_platform.logging.reading.records import first_line

_BLOCK = 1 << 16
# Where a record begins, and its lines.
_Raw = tuple[int, list[bytes]]


def start_of_last(
    files: Sequence[Generation], count: int, wanted: Filter
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
        if file.archived:
            begins = list(deque(_found(_forwards(file), wanted), left))
        else:
            begins = list(itertools.islice(_found(_from_end(file), wanted), left))[::-1]
        left -= len(begins)
        if left <= 0:
            return files[index:], begins[0]
    return files, 0


def _found(records: Iterable[_Raw], wanted: Filter) -> Iterator[int]:
    """Yield where the wanted records begin."""
    for offset, lines in records:
        if wanted.may_be(lines[0], lines[1:]):
            record = first_line(lines[0].decode("utf-8", "replace"))
            if record is not None:
                record.more += [line.decode("utf-8", "replace") for line in lines[1:]]
                if wanted(record):
                    yield offset


def _forwards(file: Generation) -> Iterator[_Raw]:
    lines: list[bytes] = []
    begin = offset = 0
    for line in file.lines():
        if _begins_record(line):
            if lines:
                yield begin, lines
            begin, lines = offset, []
        if lines or _begins_record(line):
            lines.append(line.rstrip(b"\n"))
        offset += len(line)
    if lines:
        yield begin, lines


def _from_end(file: Generation) -> Iterator[_Raw]:
    more: list[bytes] = []
    for offset, line in _backwards(file.fd, file.size):
        if _begins_record(line):
            yield offset, [line, *reversed(more)]
            more = []
        else:
            more.append(line)


def _begins_record(line: bytes) -> bool:
    # Nearly: whoever takes it for one parses it.
    return line[:1] == b"{" or (line[:1].isdigit() and line[10:11] == b" ")


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
