"""
Backups compressed with zstd: made by a process of its own, read by anybody.

    python -m shoonya_platform.logging \
        DIRECTORY MAX_BYTES BACKUP_COUNT BUDGET_BYTES COMPONENT... <LOCK

Compresses the backups from `.2` on, the newest stays plain for grep and tail.  A
file that some process may still write into is left alone: that process holds a
lock on it.  Afterwards archives are mended that have no table (`reframing.py`).
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from typing import IO

from shoonya_platform.logging.budget import Budget, archive_limit
from shoonya_platform.logging.chain import (
    ARCHIVE_SUFFIX,
    Backup,
    Chain,
)
from shoonya_platform.logging.making import (
    LOCK_SECONDS,
    TooLargeError,
    fill,
    unfinished,
)
from shoonya_platform.logging.reframing import look_tableless, reframe_all

_FIRST_ARCHIVED = 2
# Standard input.
_LOCK_FD = 0
_PIECE_BYTES = 1 << 20


def open_log(path: str | os.PathLike[str]) -> IO[bytes]:
    """
    Open a log file for reading, unpacking it if it is an archive.

    Raises:
        OSError: It cannot be read.
        ImportError: It is an archive, and zstandard is not installed.
    """
    if not os.fspath(path).endswith(ARCHIVE_SUFFIX):
        return open(path, "rb")
    import zstandard

    packed = open(path, "rb")  # noqa: SIM115 - closed with what reads it
    stream = zstandard.ZstdDecompressor().stream_reader(
        packed, read_across_frames=True, closefd=True
    )
    return io.BufferedReader(stream)


def can_archive() -> bool:
    """Say whether zstandard is installed, without loading it."""
    from importlib.util import find_spec

    return find_spec("zstandard") is not None


def waiting(directory: str, component: str, backup_count: int) -> list[Backup]:
    """Return the backups of *component* that are to be compressed, oldest first."""
    try:
        found = _chain(directory, component, backup_count).backups()
    except OSError:
        return []
    return [
        backup
        for backup in reversed(found)
        if backup.number >= _FIRST_ARCHIVED and not backup.archived
    ]


def is_work(directory: str, backup_count: int, components: Iterable[str]) -> bool:
    """Say whether there seems to be anything for `archive_all` to do."""
    return any(
        waiting(directory, component, backup_count)
        or look_tableless(_chain(directory, component, backup_count))
        for component in components
    )


def archive_all(
    directory: str,
    max_bytes: int,
    backup_count: int,
    components: Collection[str],
    budget_bytes: int = 0,
) -> int:
    """
    Compress what is to be compressed, and mend what is to be mended.

    Returns:
        How many files that were.

    Args:
        directory: Of the log files.

        max_bytes: The size at which a live file is rotated.

        backup_count: How many backups are kept of each.

        components: Whose files they are.

        budget_bytes: What all files may take together; 0 is any amount.
    """
    done = 0
    budget = None
    if budget_bytes:
        budget = Budget(directory, budget_bytes, max_bytes, components)
    for component in components:
        chain = _chain(directory, component, backup_count)
        # Shifted by rotations meanwhile: looked up anew after each one.
        tried: set[int] = set()
        while True:
            found = [
                backup
                for backup in waiting(directory, component, backup_count)
                if _inode(backup.path) not in tried
            ]
            if not found:
                break
            tried.add(_inode(found[0].path))
            with contextlib.suppress(OSError, EOFError, TooLargeError):
                done += _archive(chain, found[0].path, archive_limit(max_bytes))
        done += reframe_all(chain, max_bytes, budget)
    return done


def _archive(chain: Chain, path: str, max_bytes: int) -> int:
    """Compress one backup; return 1, or 0 if it is in use or gone meanwhile."""
    with open(path, "rb") as source:
        try:
            # Granted only if no process has it open for writing any more.
            fcntl.flock(source.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        with unfinished(chain) as target:
            status = os.fstat(source.fileno())
            fill(target, _pieces(source, status.st_size), status, max_bytes)
            with chain.locked(LOCK_SECONDS):
                backup = chain.place_of(status)
                if backup is None or backup.archived:
                    # It has fallen off the end.
                    return 0
                os.rename(chain.unfinished_path, backup.path + ARCHIVE_SUFFIX)
                # To delete 50 MB takes its time: not under the lock.
                os.rename(backup.path, chain.left_over_path)
            os.unlink(chain.left_over_path)
    return 1


def _pieces(source: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = source.read(min(_PIECE_BYTES, left))
        if not piece:
            # Somebody has cut it meanwhile.
            raise EOFError
        left -= len(piece)
        yield piece


def _chain(directory: str, component: str, backup_count: int) -> Chain:
    return Chain(os.path.join(directory, f"{component}.log"), backup_count)


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1


def _all_waiting(
    directory: str, backup_count: int, components: Iterable[str]
) -> set[int]:
    return {
        _inode(backup.path)
        for component in components
        for backup in waiting(directory, component, backup_count)
    }


def main() -> int:
    """Run as the process that compresses."""
    directory, *numbers = sys.argv[1:5]
    components = sys.argv[5:]
    if not components or len(numbers) != 3 or not all(map(str.isdecimal, numbers)):
        return 2
    max_bytes, backup_count, budget_bytes = map(int, numbers)
    seen: set[int] | None = None
    # Again after the lock is free: a process that rotated meanwhile found it taken.
    while (found := _all_waiting(directory, backup_count, components)) != seen:
        try:
            fcntl.flock(_LOCK_FD, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # The next one's work, and it looks after we did.
            return 0
        while found != seen:
            seen = found
            archive_all(directory, max_bytes, backup_count, components, budget_bytes)
            found = _all_waiting(directory, backup_count, components)
        fcntl.flock(_LOCK_FD, fcntl.LOCK_UN)
    return 0
