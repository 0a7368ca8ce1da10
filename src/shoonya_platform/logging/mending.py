"""
What a kill in the middle of a record leaves, kept apart from the next record.

Nobody was told that such a record had been written, so somebody else may end it by
a line break.  Only the next one to write knows where, and only until it is killed
as well: both would stand in one line.  For a short record that takes two kills
within microseconds.  A long one is written by one process at a time, and whoever
has the turn looks at the end of the file first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Iterator

#: The kernel copies a record page by page, and may be stopped by a kill in between:
#: a shorter one is written within microseconds.
LONG_BYTES = 4096

# As long as the kernel lets us wait anyway if all others are slow.
_PATIENCE_SECONDS = 0.01
_TRY_SECONDS = 0.0001
# What may stand before a line: a line's end, or nothing any more.
_BEFORE_A_LINE = (b"\n", b"")
# struct flock: type, whence, start, length (0: all there will ever be), pid.
_LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_UNLOCK = struct.pack("hhqqi4x", fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)


@contextlib.contextmanager
def turn(fd: int) -> Iterator[None]:
    """
    Write a long record while no other process does.

    Whoever is killed has its turn ended by the kernel; one that is stopped in it is
    waited for a moment only, and may get an empty line behind its record.

    Args:
        fd: From `open_to_mend`.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (ours := _lock(fd, _LOCK)) and time.monotonic() < deadline:
        time.sleep(_TRY_SECONDS)
    try:
        yield
    finally:
        if ours:
            _lock(fd, _UNLOCK)


def _lock(fd: int, how: bytes) -> bool:
    if fd < 0:
        return True
    try:
        # Not flock(), which the archiver asks whether anybody has the file open.
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, how)
    except BlockingIOError:
        return False
    except OSError:
        # No file that has locks.
        return True
    return True


def open_to_mend(fd: int) -> int:
    """
    Open what *fd* has open once more, to read it and to write in the middle of it.

    Returns:
        A descriptor; -1 if that may not be, as with a file one may only write.
    """
    try:
        # By this name it is the same file, wherever it has been moved.
        return os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return -1


def ends_within_a_line(fd: int, size: int) -> bool:
    """Say whether a file of *size* ends with what somebody killed has left."""
    if fd < 0 or not size:
        return False
    try:
        last = os.pread(fd, 1, size - 1)
        if os.fstat(fd).st_size != size:
            # Somebody alive is in the middle of writing it.
            return False
    except OSError:
        return False
    return last not in (b"", b"\n")


def begin_line(fd: int, text: bytes, at: int) -> None:
    """
    See that *text*, which was written at *at*, begins a line.

    If whoever wrote before it was killed in the middle of a record, the last byte
    of that becomes a line break: nobody was told that it had been written.
    """
    if fd < 0 or not at:
        return
    try:
        if (
            os.pread(fd, 1, at - 1) not in _BEFORE_A_LINE
            # Not if the file was truncated meanwhile and has grown again.
            and os.pread(fd, len(text), at) == text
        ):
            os.pwrite(fd, b"\n", at - 1)
    except OSError:
        # Nobody's record is worse for it than it was.
        return
