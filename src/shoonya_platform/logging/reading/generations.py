"""
The files of one component as they are at one moment, all of them open.

Rotation and compression rename files while somebody reads: what is open stays the
same file under any name, and survives its deletion.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from shoonya_platform.logging.chain import Chain
from shoonya_platform.logging.frames import blocks
from shoonya_platform.logging.unpacking import unpacked

_BUFFER_BYTES = 1 << 18
_TRIES = 20


class Generation:
    """
    One file of a component: the live one, a backup or an archive.

    Attributes:
        path: Its name when it was opened.

        number: 0 for the live file, 1 for the newest backup.

        trouble: Why it could not be read to its end, "" if it could.

    Args:
        descriptor: Open for reading; closed by `close`.
    """

    def __init__(
        self, path: Path, number: int, *, archived: bool, descriptor: int
    ) -> None:
        self.path = path
        self.number = number
        self.archived = archived
        self.trouble = ""
        self.fd = descriptor
        self._status = os.fstat(descriptor)

    @property
    def identity(self) -> tuple[int, int]:
        return (self._status.st_ino, self._status.st_dev)

    @property
    def modified_ns(self) -> int:
        """When it was last written to; an archive has the time of its content."""
        return self._status.st_mtime_ns

    @property
    def modified_at(self) -> float:
        return self._status.st_mtime

    @property
    def size(self) -> int:
        """In bytes on disk; of a live file when it was opened."""
        return self._status.st_size

    def lines(self, offset: int = 0) -> Iterator[bytes]:
        """
        Yield the lines, oldest first; stops where the file is damaged.

        Args:
            offset: Where to begin, in bytes of the unpacked text.
        """
        if not self.archived:
            with open(os.dup(self.fd), "rb", buffering=_BUFFER_BYTES) as file:
                file.seek(offset)
                yield from file
            return
        read = 0
        for text in self.blocks():
            for line in io.BytesIO(text):
                read += len(line)
                if read > offset:
                    yield line

    def blocks(self) -> Iterator[bytes]:
        """
        Yield an archive's text in pieces of whole records, stopping likewise.

        Raises:
            ImportError: zstandard is not installed.
        """
        return blocks(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        try:
            yield from unpacked(self.fd)
        except ValueError as e:
            self.trouble = str(e)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@contextlib.contextmanager
def generations(log_dir: Path, component: str) -> Iterator[Sequence[Generation]]:
    """Give all files of a component, oldest first, open until the end of the block."""
    found = snapshot(log_dir, component)
    try:
        yield found
    finally:
        for generation in found:
            generation.close()


def snapshot(log_dir: Path, component: str) -> list[Generation]:
    """
    Return all files of a component, oldest first and open; the caller closes them.

    Raises:
        PermissionError: One of them may not be read.
    """
    chain = Chain(str(log_dir / f"{component}.log"), 0)
    for attempt in range(_TRIES):
        before = _names(chain)
        found = [
            opened
            for number, path, archived in before
            if (opened := _open(number, path, archived)) is not None
        ]
        # Renamed meanwhile: one file may be in twice, and another not at all.
        is_last = attempt == _TRIES - 1
        if is_last or (len(found) == len(before) and _unchanged(chain, before, found)):
            return found
        for generation in found:
            generation.close()
    raise AssertionError


def _names(chain: Chain) -> list[tuple[int, str, bool]]:
    try:
        backups = chain.backups()
    except FileNotFoundError:
        backups = []
    # Both forms of one: a compression is at its last step, or was killed there.
    plain = {backup.number for backup in backups if not backup.archived}
    names = [
        (backup.number, backup.path, backup.archived)
        for backup in reversed(backups)
        if not (backup.archived and backup.number in plain)
    ]
    return [*names, *([(0, chain.path, False)] if os.path.exists(chain.path) else [])]


def _open(number: int, path: str, archived: bool) -> Generation | None:
    try:
        # O_NONBLOCK: somebody may have put a FIFO there.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    return Generation(Path(path), number, archived=archived, descriptor=fd)


def _unchanged(
    chain: Chain, before: list[tuple[int, str, bool]], found: list[Generation]
) -> bool:
    if _names(chain) != before:
        return False
    for generation in found:
        try:
            status = os.stat(generation.path)
        except FileNotFoundError:
            return False
        if (status.st_ino, status.st_dev) != generation.identity:
            return False
    return True
