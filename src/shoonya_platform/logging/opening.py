"""Opening a live file, whatever others are doing to it at the same moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from shoonya_platform.logging.chain import DIRECTORY_MODE, FILE_MODE, give_to_owner

# O_NONBLOCK: somebody may have put a FIFO there, and opening it must not wait.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


def open_to_append(path: str) -> int:
    """
    Open *path*, made if missing, and keep the archiver away from what was opened.

    Returns:
        A descriptor of the file that has this path now.

    Raises:
        OSError: It cannot be opened for writing.
    """
    directory = os.path.dirname(path)
    while True:
        fd = _open(path, directory)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            found = os.stat(path)
        except BlockingIOError:
            # Rotated away since, and the archiver has it already.
            os.close(fd)
            continue
        except OSError:
            # A file system without locks, or removed already: looked at again.
            break
        opened = os.fstat(fd)
        if (found.st_ino, found.st_dev) == (opened.st_ino, opened.st_dev):
            break
        os.close(fd)
    set_mode(fd)
    give_to_owner(fd, directory)
    return fd


def set_mode(fd: int) -> None:
    """Make a file writable for its owner and readable for its group."""
    # Whatever the umask; a file of another owner keeps its mode.
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, FILE_MODE)


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
    with contextlib.suppress(OSError):
        if (
            os.pread(fd, 1, at - 1) not in (b"", b"\n")
            # Not if the file was truncated meanwhile and has grown again.
            and os.pread(fd, len(text), at) == text
        ):
            os.pwrite(fd, b"\n", at - 1)


def _open(path: str, directory: str) -> int:
    try:
        return os.open(path, _FLAGS, FILE_MODE)
    except FileNotFoundError:
        os.makedirs(directory, DIRECTORY_MODE, exist_ok=True)
    except PermissionError:
        # Our own file, made read-only by somebody.
        os.chmod(path, FILE_MODE)
    return os.open(path, _FLAGS, FILE_MODE)
