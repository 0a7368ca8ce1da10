"""
The log of an SQLite file in WAL mode, as far as the disk is concerned.

SQLite's own durable commit holds the write lock while the disk works, and all other
writers with it.  What `synchronous = NORMAL` has committed is in the log, in the order
of the commits; one `fdatasync` after it makes it and all before it durable, and holds
up nobody.  A log that was written back into the database meanwhile was synced before.
"""

from __future__ import annotations

import os
from pathlib import Path

from shoonya_platform.errors import StoreError


class WalFile:
    """
    The log beside a database.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def sync(self) -> None:
        """
        Wait until the disk has every commit made so far.

        Raises:
            StoreError: It does not say so.  No second try can tell: what was written
                may be lost and still look written.
        """
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            os.fdatasync(self._descriptor)
        except OSError as e:
            raise StoreError(
                f"the disk may not have kept the order store '{self._path}': "
                f"{e.strerror}",
                hint="look for disk errors in the kernel's log: journalctl -k",
            ) from e

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        # It exists as long as a connection does; its name has to last, too.
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            descriptor = os.open(
                f"{self._path.name}-wal", os.O_RDWR | os.O_CLOEXEC, dir_fd=folder
            )
            os.fsync(folder)
        finally:
            os.close(folder)
        return descriptor
