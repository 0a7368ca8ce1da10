"""
Room for the next record: rotation, and a look at the budget.

Renaming happens under a lock (`chain.py`) that nobody waits for: whoever finds it
taken goes on writing and lets the holder finish.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shoonya_platform.logging.chain import Chain, RotationBusyError
from shoonya_platform.logging.notices import Notice, notice_of

if TYPE_CHECKING:
    from shoonya_platform.logging.budget import Budget
    from shoonya_platform.logging.livefile import LiveFile

NO_LIMIT = sys.maxsize
# After a failure, so that a full directory does not cost every record a try.
_ROTATION_PAUSE_SECONDS = 0.05


class Room:
    """
    Decides when a live file is rotated, and does it.

    Args:
        path: The live file.

        max_bytes: See `LogFile`; 0: never rotate.

        backup_count: How many old files are kept.  0: never rotate.

        budget: Keeps the directory within its size; None: it may grow.

        rotated: Called after each rotation.

        notices: Where to put what happened.
    """

    def __init__(
        self,
        path: str,
        max_bytes: int,
        backup_count: int,
        *,
        budget: Budget | None,
        rotated: Callable[[], None] | None,
        notices: list[Notice],
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes if backup_count > 0 else 0
        self._budget = budget if self._max_bytes else None
        #: Larger records are not taken.
        self.largest = NO_LIMIT if self._budget is None else self._budget.hard_limit
        self._rotated = rotated
        self._notices = notices
        self._chain = Chain(path, backup_count)
        self._healed = False
        self._next_rotation_at = 0.0
        self._rotation_failing = False
        self._over_budget = False

    def heal_once(self) -> None:
        """Heal if that has not been done yet."""
        if not self._healed:
            self.heal()

    def heal(self) -> None:
        """Put in order what killed processes left of this file's backups."""
        self._healed = True
        # Whoever holds the lock is alive; without a directory all is in order.
        with contextlib.suppress(OSError):
            if self._chain.is_begun():
                with self._chain.locked():
                    self._chain.heal()

    def first_limit(self, found: os.stat_result) -> int:
        """Return the size up to which a file just opened is written as it is."""
        if not stat.S_ISREG(found.st_mode) or not self._max_bytes:
            return NO_LIMIT
        budget = self._budget
        if budget is not None and budget.checked_lately():
            # Whoever rotated has looked; not all processes need to, each time.
            return budget.next_check(found.st_size)
        return 0

    def make(self, live: LiveFile, size: int, coming_bytes: int) -> None:
        """
        Have room for a record: rotate if the file is full, or raise its limit.

        Args:
            live: The file.

            size: What it has now.

            coming_bytes: The size of the record.

        Raises:
            OSError: It is larger than the budget allows, and cannot be rotated.
        """
        if size and size + coming_bytes > self._max_bytes:
            self._try_to_rotate(live, coming_bytes)
            if self._budget is not None and live.limit != NO_LIMIT:
                current = live.size()
                if current and current + coming_bytes > self._budget.hard_limit:
                    raise OSError(errno.EFBIG, "the file is full and not rotated")
        if live.limit != NO_LIMIT:
            needed = live.size() + coming_bytes
            if needed > live.limit:
                self._raise_limit(live, needed, coming_bytes)

    def rotate(
        self, live: LiveFile, coming_bytes: int | None, patience_seconds: float
    ) -> str | None:
        """
        Shift the chain by one, and have a new live file open.

        Args:
            live: The file.

            coming_bytes: Only if the file has no room for them; None: always.

            patience_seconds: How long to wait for the lock.

        Returns:
            The path of the backup, None if nothing was rotated.

        Raises:
            RotationBusyError: Another process did not finish.
            OSError: The renaming failed; the live file is in use as before.
        """
        with self._chain.locked(patience_seconds):
            try:
                found = os.stat(self.path)
            except FileNotFoundError:
                return None
            if not found.st_size or not stat.S_ISREG(found.st_mode):
                return None
            if (
                coming_bytes is not None
                and found.st_size + coming_bytes <= self._max_bytes
            ):
                # Another process was faster.
                live.size_by_path(time.monotonic())
                return None
            if self._budget is not None:
                # First: whoever is killed after this has taken nothing yet.
                self._check_budget(rotating=True)
            backup = self._chain.rotate()
            # Whoever only rotates leaves the new file to those who write it.
            if live.is_open:
                live.reopen()
                if self._budget is not None and live.limit != NO_LIMIT:
                    # Looked after before the rename.
                    live.limit = self._budget.next_check(0)
        if self._rotated is not None:
            self._rotated()
        return backup

    def _raise_limit(self, live: LiveFile, needed: int, coming_bytes: int) -> None:
        if self._budget is None:
            live.limit = self._max_bytes
            return
        limit = self._budget.next_check(needed)
        if limit > live.limit or not self._budget.is_foreseen(coming_bytes):
            self._check_budget(needed=needed)
        live.limit = limit

    def _check_budget(self, *, rotating: bool = False, needed: int = 0) -> None:
        assert self._budget is not None  # noqa: S101 - for the type checker
        evicted, fits = self._budget.enforce(
            self.path, rotating=rotating, needed=needed
        )
        self._notices += evicted
        if not fits and not self._over_budget:
            self._notices.append(Notice(event="log_over_budget", path=self.path))
        self._over_budget = not fits

    def _try_to_rotate(self, live: LiveFile, coming_bytes: int) -> None:
        now = time.monotonic()
        if now < self._next_rotation_at:
            return
        try:
            self.rotate(live, coming_bytes, 0.0)
        except RotationBusyError:
            pass
        except OSError as e:
            self._next_rotation_at = now + _ROTATION_PAUSE_SECONDS
            if not self._rotation_failing:
                self._rotation_failing = True
                self._notices.append(notice_of("rotation_failed", self.path, e))
        else:
            self._rotation_failing = False
