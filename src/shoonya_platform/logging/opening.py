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
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            # Nothing to rotate; and a lock on /dev/null is everybody's.
            break
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


def _open(path: str, directory: str) -> int:
    try:
        return os.open(path, _FLAGS, FILE_MODE)
    except FileNotFoundError:
        os.makedirs(directory, DIRECTORY_MODE, exist_ok=True)
    except PermissionError:
        # Our own file, made read-only by somebody.
        os.chmod(path, FILE_MODE)
    return os.open(path, _FLAGS, FILE_MODE)
