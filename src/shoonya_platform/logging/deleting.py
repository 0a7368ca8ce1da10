"""
Deleting without waiting for the disk.

To free the blocks of 50 MB takes about 10 ms, which a log call must not wait for.
The name goes at once; the blocks go with the last descriptor, which is closed by a
thread.
"""

from __future__ import annotations

import _thread
import os

# Below it, a thread takes longer than the deletion.
_LARGE_BYTES = 4 << 20


def unlink(path: str) -> None:
    """
    Delete *path*.

    Raises:
        OSError: It is not there, or may not be deleted.
    """
    fd = _open_if_large(path)
    try:
        os.unlink(path)
    except OSError:
        _close(fd)
        raise
    if fd >= 0:
        _close_later(fd)


def _open_if_large(path: str) -> int:
    try:
        if os.stat(path, follow_symlinks=False).st_size >= _LARGE_BYTES:
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            return os.open(path, flags)
    except OSError:
        pass
    return -1


def _close_later(fd: int) -> None:
    try:
        # Not threading's: its start() waits until the thread has begun.
        _thread.start_new_thread(os.close, (fd,))
    except RuntimeError:
        # None may be had at the end of the interpreter.
        os.close(fd)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
