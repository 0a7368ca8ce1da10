"""
The lock under which one order is sent, so that a halt can wait for it.

`flock` on a file beside the database: the kernel releases it with the process, however
that ends, so a dead sender blocks no one.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoonya_platform.errors import StoreBusy

_NAP_SECONDS = 0.001


class SendLock:
    """
    The lock beside a database.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}-sending")
        self._descriptor: int | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """
        Hold the lock; the file is made if needed.

        Raises:
            StoreBusy: The file cannot be opened.
        """
        if self._descriptor is None:
            self._descriptor = self._open(os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def wait(self, seconds: float) -> bool:
        """
        Wait until the lock was free once; return False if that took too long.

        Makes no file: without one, nothing was ever sent.
        """
        try:
            # Of its own: a lock of this process's other descriptor counts too.
            descriptor = self._open(os.O_RDONLY)
        except FileNotFoundError:
            return True
        until = time.monotonic() + seconds
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until:
                        return False
                    time.sleep(_NAP_SECONDS)
                else:
                    return True
        finally:
            os.close(descriptor)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self, flags: int) -> int:
        try:
            return os.open(self._path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        except FileNotFoundError:
            raise
        except OSError as e:
            raise StoreBusy(
                f"the lock '{self._path}' cannot be used: {e.strerror}",
                hint="check the owner and mode of the file and of its directory",
            ) from e
