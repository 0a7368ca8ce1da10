"""
Finding the records that name certain ids, without reading everything.

Of an archive only the frames are unpacked whose table says that they may name one
of them at that time; of a plain file only the part of that time is looked through.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from shoonya_platform.logging.formats import fields_text
from shoonya_platform.logging.frames import read_frame, read_table
from shoonya_platform.logging.jsonlines import quoted_json
from shoonya_platform.logging.reading.generations import Generation, generations
from shoonya_platform.logging.reading.records import Record, first_line, records
from shoonya_platform.logging.reading.streams import Tell

#: What is told of an archive without a table.
READ_WHOLE = "it has no index, so all of it was read; the next rotation makes one"

# The shortest of what can hardly be in a line by chance.
_LONG = 8


def search(
    log_dir: Path,
    components: Sequence[str],
    ids: Collection[str],
    *,
    since: str = "",
    until: str = "~",
    tell: Tell,
) -> Iterator[Record]:
    """
    Yield the records whose context has one of the ids, by component and file.

    Args:
        ids: As the fields have them whose name ends in `_id`.

        since: Local time as in the files; "" is before all.

        until: Local time; "~" is behind all.

        tell: Is told of files that cannot be read, or only as a whole.
    """
    wanted = frozenset(ids)
    needles = [needle for name in sorted(wanted) for needle in _needles(name)]
    for component in components:
        with generations(log_dir, component) as files:
            for file in files:
                for text in _texts(file, wanted, needles, since, until):
                    for record in records(text.splitlines(keepends=True)):
                        if since <= record.at <= until and _names(record, wanted):
                            yield record
                if file.trouble:
                    tell(f"'{file.path}': {file.trouble}")


def _needles(name: str) -> list[bytes]:
    """Return what stands in the line, of text or of JSON, of each record with an id."""
    if len(name) >= _LONG:
        return [name.encode()]
    # An order's number, say, is part of very many lines.
    return [
        f"{fields_text({'_id': name})} ".lstrip().encode(),
        f'_id":{quoted_json(name)}'.encode(),
    ]


def _names(record: Record, ids: frozenset[str]) -> bool:
    return any(
        name.endswith("_id") and value in ids for name, value in record.fields.items()
    )


def _texts(
    file: Generation,
    ids: frozenset[str],
    needles: Sequence[bytes],
    since: str,
    until: str,
) -> Iterator[bytes]:
    """Yield pieces of text, of whole records, that may have what is looked for."""
    if not file.archived:
        yield from _plain(file, needles, since, until)
        return
    # Else the kernel reads megabytes around the few kilobytes that are wanted.
    os.posix_fadvise(file.fd, 0, 0, os.POSIX_FADV_RANDOM)
    table = read_table(file.fd)
    if table is None:
        os.posix_fadvise(file.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        # Of a stranger, or damaged: there is no way but through all of it.
        for text in file.blocks():
            yield from _cut(text, 0, len(text), needles)
        file.trouble = file.trouble or READ_WHOLE
        return
    for frame in table:
        if (
            frame.first_at <= until
            and frame.last_at >= since
            and any(frame.may_name(name) for name in ids)
        ):
            try:
                text = read_frame(file.fd, frame)
            except ValueError as e:
                file.trouble = str(e)
                continue
            yield from _cut(text, 0, len(text), needles)


def _plain(
    file: Generation, needles: Sequence[bytes], since: str, until: str
) -> Iterator[bytes]:
    if not file.size:
        return
    with contextlib.closing(mmap.mmap(file.fd, 0, access=mmap.ACCESS_READ)) as text:
        text.madvise(mmap.MADV_RANDOM)
        begin = _first_at(text, since) if since else 0
        end = _first_at(text, until + "~") if until != "~" else len(text)
        text.madvise(mmap.MADV_NORMAL)
        yield from _cut(text, begin, end, needles)


def _cut(
    text: bytes | mmap.mmap, begin: int, end: int, needles: Sequence[bytes]
) -> Iterator[bytes]:
    """Yield each record around a needle, once, with its traceback."""
    found = set()
    for needle in needles:
        at = text.find(needle, begin, end)
        while at >= 0:
            start = text.rfind(b"\n", 0, at) + 1
            found.add(start)
            stop = text.find(b"\n", at)
            if stop < 0:
                break
            at = text.find(needle, stop, end)
    for start in sorted(found):
        stop = text.find(b"\n", start) + 1 or len(text)
        while text[stop : stop + 6] == b"    | ":
            stop = text.find(b"\n", stop) + 1 or len(text)
        yield text[start:stop]


def _first_at(text: mmap.mmap, moment: str) -> int:
    """
    Return where the first line of that moment or later begins.

    By halves, as a file is in the order of its times; where a clock was set back it
    is not, and a little may be missed that a reading of all would find.
    """
    low, high = 0, len(text)
    while low < high:
        middle = text.rfind(b"\n", low, (low + high) // 2) + 1 or low
        start, at = _dated_line(text, middle, high)
        if at and at < moment:
            low = text.find(b"\n", start) + 1 or len(text)
        else:
            high = middle
    return low


def _dated_line(text: mmap.mmap, begin: int, end: int) -> tuple[int, str]:
    """Return the first line from there on that has a time, and its time."""
    while begin < end:
        stop = text.find(b"\n", begin) + 1 or len(text)
        record = first_line(text[begin:stop].decode("utf-8", "replace").rstrip("\n"))
        if record is not None:
            return begin, record.at
        begin = stop
    return begin, ""
