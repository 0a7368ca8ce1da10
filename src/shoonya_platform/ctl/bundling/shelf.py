"""Log lines on their way into an archive: compressed, and the oldest go first."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shoonya_platform.ctl.bundling.masking import Masker

#: Of text; so much is dropped at once.
SEGMENT_BYTES = 128 * 1024


@dataclass(slots=True)
class LeftOut:
    """What was dropped of one file of the archive."""

    lines: int = 0
    until: str = ""  #: the time of the last one


@dataclass(slots=True)
class _Segment:
    path: Path
    packed: int
    size: int  #: of the text, in bytes
    records: int
    last_at: str


@dataclass(slots=True)
class _Open:
    records: list[str] = field(default_factory=list)
    size: int = 0
    last_at: str = ""


class Shelf:
    """
    Keeps masked records of several files, and no more than fit.

    Args:
        folder: For its own files; only the masked text is written there.

        limit: How many bytes the compressed lines may take.

    Attributes:
        left_out: What did not fit, by name of file.
    """

    def __init__(self, folder: Path, limit: int, masker: Masker) -> None:
        self._folder = folder
        self._limit = limit
        self._masker = masker
        self._open: dict[str, _Open] = {}
        self._kept: dict[str, dict[int, _Segment]] = {}
        self._oldest: list[tuple[str, int, str]] = []
        self._packed = 0
        self._made = 0
        self.left_out: dict[str, LeftOut] = {}

    def add(self, name: str, at: str, record: str) -> None:
        """
        Put a record into the file *name*.

        Args:
            at: Its time, local, as the log files have it.

            record: Without the last line break.
        """
        pending = self._open.setdefault(name, _Open())
        pending.records.append(record)
        pending.size += len(record)
        pending.last_at = max(pending.last_at, at)
        if pending.size >= SEGMENT_BYTES:
            self._close(name)

    def finish(self) -> None:
        """Take in what is still open."""
        for name in list(self._open):
            self._close(name)

    def drop(self, count: int) -> bool:
        """Drop the oldest lines that take *count* bytes; False if there are none."""
        dropped = False
        while count > 0 and self._oldest:
            at, number, name = heapq.heappop(self._oldest)
            segment = self._kept[name].pop(number)
            segment.path.unlink()
            self._packed -= segment.packed
            count -= segment.packed
            gone = self.left_out.setdefault(name, LeftOut())
            gone.lines += segment.records
            gone.until = max(gone.until, at)
            dropped = True
        return dropped

    def files(self) -> dict[str, int]:
        """Return the files that there are, and their sizes."""
        return {
            name: sum(segment.size for segment in kept.values())
            for name, kept in sorted(self._kept.items())
            if kept
        }

    def read(self, name: str) -> Iterator[bytes]:
        """Yield a file's content."""
        for _, segment in sorted(self._kept[name].items()):
            yield zlib.decompress(segment.path.read_bytes())

    def _close(self, name: str) -> None:
        pending = self._open.pop(name)
        text = self._masker.records(pending.records).encode("utf-8", "replace")
        number = self._made = self._made + 1
        packed = zlib.compress(text, 6)
        path = self._folder / f"{number}.z"
        path.write_bytes(packed)
        segment = _Segment(
            path, len(packed), len(text), len(pending.records), pending.last_at
        )
        self._kept.setdefault(name, {})[number] = segment
        heapq.heappush(self._oldest, (pending.last_at, number, name))
        self._packed += len(packed)
        self.drop(self._packed - self._limit)
