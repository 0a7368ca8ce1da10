"""
An archive in the making: under a hidden name, limited, at the lowest priority.

Whoever is killed leaves the hidden file, which the chain removes; the last step, a
rename, is the caller's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from shoonya_platform.logging.chain import SEALED_MODE, Chain, give_to_owner
from shoonya_platform.logging.frames import compress

#: The renames of another process take less than a millisecond.
LOCK_SECONDS = 5.0


class TooLargeError(Exception):
    """It does not become small enough."""


@contextlib.contextmanager
def unfinished(chain: Chain) -> Iterator[IO[bytes]]:
    """Give the hidden file of an archive; it goes at the end unless renamed."""
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


def fill(
    target: IO[bytes], pieces: Iterable[bytes], like: os.stat_result, max_bytes: int
) -> None:
    """
    Compress the text into *target*, and have it on the disk.

    Args:
        like: Of the file that the text comes from: whose times it gets.

        max_bytes: What it may take.

    Raises:
        TooLargeError: It would take more.
        ValueError: What *pieces* raises.
    """
    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        written += len(data)
        if written > max_bytes:
            raise TooLargeError
        target.write(data)

    _in_the_background(lambda: compress(pieces, write))
    target.flush()
    os.utime(target.fileno(), ns=(like.st_atime_ns, like.st_mtime_ns))
    os.fsync(target.fileno())


def _in_the_background(work: Callable[[], None]) -> None:
    """
    Do *work* in a thread that gets the processor only when nobody else wants it.

    Not the whole process: what holds the chain's lock must not be kept waiting.
    """
    failed: list[Exception] = []

    def run() -> None:
        _step_back()
        try:
            work()
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
