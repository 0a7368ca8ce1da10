"""
Backups compressed with zstd: made by a process of its own, read by anybody.

    python -m shoonya_platform.logging DIRECTORY MAX_BYTES BACKUP_COUNT COMPONENT...

Compresses the backups from `.2` on, the newest stays plain for grep and tail.  A
file that some process may still write into is left alone: that process holds a
lock on it.  What is unfinished has a hidden name, which the chain removes after a
kill; the last step is a rename.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from shoonya_platform.logging.budget import archive_limit
from shoonya_platform.logging.chain import (
    ARCHIVE_SUFFIX,
    SEALED_MODE,
    Backup,
    Chain,
    give_to_owner,
)
from shoonya_platform.logging.frames import compress

#: The renames of another process take less than a millisecond.
_LOCK_SECONDS = 5.0
_FIRST_ARCHIVED = 2


class _TooLargeError(Exception):
    """This file does not become smaller, or there is no room for what it becomes."""


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
    chain = Chain(os.path.join(directory, f"{component}.log"), backup_count)
    try:
        found = chain.backups()
    except OSError:
        return []
    return [
        backup
        for backup in reversed(found)
        if backup.number >= _FIRST_ARCHIVED and not backup.archived
    ]


def archive_all(
    directory: str, max_bytes: int, backup_count: int, components: Iterable[str]
) -> int:
    """
    Compress what is to be compressed; return how many files that were.

    Args:
        directory: Of the log files.

        max_bytes: The size at which a live file is rotated.

        backup_count: How many backups are kept of each.

        components: Whose files they are.
    """
    done = 0
    for component in components:
        chain = Chain(os.path.join(directory, f"{component}.log"), backup_count)
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
            with contextlib.suppress(OSError, _TooLargeError):
                done += _archive(chain, found[0].path, archive_limit(max_bytes))
    return done


def _archive(chain: Chain, path: str, max_bytes: int) -> int:
    """Compress one backup; return 1, or 0 if it is in use or gone meanwhile."""
    with open(path, "rb") as source:
        try:
            # Granted only if no process has it open for writing any more.
            fcntl.flock(source.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        with _unfinished(chain) as target:
            status = os.fstat(source.fileno())
            _in_the_background(_compress, source, target, status.st_size, max_bytes)
            os.utime(target.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(target.fileno())
            with chain.locked(_LOCK_SECONDS):
                backup = chain.place_of(status)
                if backup is None or backup.archived:
                    # It has fallen off the end.
                    return 0
                os.rename(chain.unfinished_path, backup.path + ARCHIVE_SUFFIX)
                # To delete 50 MB takes its time: not under the lock.
                os.rename(backup.path, chain.left_over_path)
            os.unlink(chain.left_over_path)
    return 1


@contextlib.contextmanager
def _unfinished(chain: Chain) -> Iterator[IO[bytes]]:
    path = chain.unfinished_path
    with contextlib.suppress(FileNotFoundError):
        # We are the only archiver: it is from one that was killed.
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SEALED_MODE)
    with os.fdopen(fd, "wb") as file:
        # Tells a healing process that somebody is at work.
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.fchmod(fd, SEALED_MODE)
        give_to_owner(fd, chain.directory)
        try:
            yield file
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _compress(source: IO[bytes], target: IO[bytes], size: int, max_bytes: int) -> None:
    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        written += _write(target, data, max_bytes - written)

    try:
        compress(source, write, size=size)
    except EOFError as e:
        raise _TooLargeError from e
    target.flush()


def _write(target: IO[bytes], data: bytes, room: int) -> int:
    if len(data) > room:
        raise _TooLargeError
    target.write(data)
    return len(data)


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1


def _in_the_background(work: Callable[..., None], *arguments: object) -> None:
    """
    Do *work* in a thread that gets the processor only when nobody else wants it.

    Not the whole process: what holds the chain's lock must not be kept waiting.
    """
    failed: list[Exception] = []

    def run() -> None:
        _step_back()
        try:
            work(*arguments)
        except Exception as e:  # noqa: BLE001 - raised again below
            failed.append(e)

    thread = threading.Thread(target=run, name="log-compression")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _step_back() -> None:
    # Both of the calling thread, as Linux has it.
    with contextlib.suppress(OSError):
        os.nice(19)
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> int:
    """Run as the process that compresses."""
    directory, max_bytes, backup_count, *components = sys.argv[1:]
    if not components or not re.fullmatch(r"\d+", max_bytes + backup_count):
        return 2
    archive_all(directory, int(max_bytes), int(backup_count), components)
    return 0
