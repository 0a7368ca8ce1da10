"""Where the last so many records of a component begin, found from the end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from shoonya_platform.logging.reading.generations import Generation
from shoonya_platform.logging.reading.records import Assembler, Record

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
    assembler = Assembler()
    begin = offset = 0
    for line in file.lines():
        for record in assembler.feed([line]):
            if wanted(record):
                found.append(begin)
            begin = offset
        offset += len(line)
    for record in assembler.flush():
        if wanted(record):
            found.append(begin)
    return list(found)


def _from_end(
    file: Generation, count: int, wanted: Callable[[Record], bool]
) -> list[int]:
    found: list[int] = []
    more: list[bytes] = []
    for offset, line in _backwards(file.fd, file.size):
        assembler = Assembler()
        done = [*assembler.feed([line, *reversed(more)]), *assembler.flush()]
        if not done:
            more.append(line)
            continue
        more = []
        if wanted(done[0]):
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
