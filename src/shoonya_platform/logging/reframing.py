"""
Archives whose table is missing or damaged are made anew, by the archiver.

Of a plain `zstd` they have none; a damaged one is as good as none.  The new archive
takes the old one's place in one rename, and only if every byte of the text could be
read: one that is damaged itself, or cut off, stays as the evidence that it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from shoonya_platform.logging.budget import Budget, archive_limit
from shoonya_platform.logging.chain import Backup, Chain
from shoonya_platform.logging.frames import has_tag, read_table
from shoonya_platform.logging.making import (
    LOCK_SECONDS,
    TooLargeError,
    fill,
    unfinished,
)
from shoonya_platform.logging.unpacking import unpacked


def look_tableless(chain: Chain) -> bool:
    """Say whether an archive's last bytes look as if it had no table; cheap."""
    return next(_archives(chain, lambda fd: not has_tag(fd)), None) is not None


def reframe_all(chain: Chain, max_bytes: int, budget: Budget | None) -> int:
    """
    Make the archives anew that have no table; return how many that were.

    Args:
        max_bytes: The size at which the live file is rotated.

        budget: Is held to: what finds no room stays as it is.
    """
    done = 0
    for archive in list(_archives(chain, lambda fd: read_table(fd) is None)):
        with contextlib.suppress(OSError, ValueError, TooLargeError):
            done += _reframe(chain, archive.path, max_bytes, budget)
    return done


def _archives(chain: Chain, is_wanted: Callable[[int], bool]) -> Iterator[Backup]:
    with contextlib.suppress(FileNotFoundError):
        for backup in chain.backups():
            with contextlib.suppress(OSError):
                if backup.archived:
                    with _opened(backup.path) as descriptor:
                        if is_wanted(descriptor):
                            yield backup


def _reframe(chain: Chain, path: str, max_bytes: int, budget: Budget | None) -> int:
    # A rotation may have shifted it: then it is another one's turn, or it waits.
    with _opened(path) as descriptor:
        if read_table(descriptor) is not None:
            return 0
        status = os.fstat(descriptor)
        with unfinished(chain) as target:
            fill(target, unpacked(descriptor), status, archive_limit(max_bytes))
            grows = os.fstat(target.fileno()).st_size - status.st_size
            if budget is not None and not budget.has_room(chain.path, grows):
                return 0
            with chain.locked(LOCK_SECONDS):
                backup = chain.place_of(status)
                if backup is None or not backup.archived:
                    # It has fallen off the end.
                    return 0
                os.rename(chain.unfinished_path, backup.path)
    return 1


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    # O_NONBLOCK: somebody may have put a FIFO there.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
