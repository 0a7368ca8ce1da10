"""
One log file that several processes may write.

Records are appended (`livefile.py`) and the file is rotated when it is full
(`room.py`).  What the disk refuses waits in memory (`backlog.py`) and is written,
in order, by the next record or by a thread that lives only as long as the trouble.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shoonya_platform.logging.backlog import BACKLOG_BYTES, Backlog
from shoonya_platform.logging.livefile import LiveFile
from shoonya_platform.logging.notices import Notice, notice_of
from shoonya_platform.logging.room import Room

if TYPE_CHECKING:
    from shoonya_platform.logging.budget import Budget

_RETRY_SECONDS = 0.05
# What one call may spend on what waited, so that the way back is not a stall.
_DRAIN_SECONDS = 0.001


class LogFile:
    """
    A rotating file; `write` never raises and never waits for other processes.

    Opened by the first write, so an unused one leaves nothing behind.

    Args:
        path: The live file.

        max_bytes:
            A record that would make the file larger than this goes to a new
            one.  0: never rotate.

        backup_count: How many old files are kept.  0: never rotate.

        budget: Keeps the directory within its size; None: it may grow.

        rotated: Called after each rotation by this process.

        backlog_bytes: How much is kept in memory while the disk refuses it.
    """

    def __init__(
        self,
        path: str,
        *,
        max_bytes: int,
        backup_count: int,
        budget: Budget | None = None,
        rotated: Callable[[], None] | None = None,
        backlog_bytes: int = BACKLOG_BYTES,
    ) -> None:
        # Renaming must hit the file and not a symbolic link to it.
        self.path = os.path.realpath(path)
        #: What happened, for the caller to report; emptied by the caller.
        self.notices: list[Notice] = []
        self._room = Room(
            self.path,
            max_bytes,
            backup_count,
            budget=budget,
            rotated=rotated,
            notices=self.notices,
        )
        self._live = LiveFile(self.path, self._room)
        self._backlog_bytes = backlog_bytes
        #: Called when notices come up without a call of `write`.
        self.on_notice: Callable[[], None] | None = None
        self._begin()

    def reinitialize_after_fork(self) -> None:
        """Let go of what is the parent's: lock, descriptor, records that wait."""
        self._begin()
        # The archiver would wait for a child that never logs.
        self.close()

    def _begin(self) -> None:
        # Reentrant: a signal handler may log while we are in here.
        self._lock = threading.RLock()
        self._backlog = Backlog(self._backlog_bytes)
        self._failing = self._draining = self._recovering = False
        self._next_try_at = 0.0

    def write(self, data: bytes) -> bool:
        """
        Append one record.

        Args:
            data: Whole lines, with the last line break.

        Returns:
            Whether the record is in the file; if not, it may get there later.
        """
        with self._lock:
            if self._failing:
                kept = self._backlog.add(data)
                if time.monotonic() >= self._next_try_at:
                    self._drain()
                return kept and not self._failing
            if len(data) > self._room.largest:
                self.notices.append(Notice(event="file_gap", path=self.path, count=1))
                return False
            try:
                self._live.append(data)
            except OSError as e:
                self._begin_trouble(data, e)
                return False
            return True

    def rotate(self, *, patience_seconds: float = 2.0) -> str | None:
        """
        Begin a new file now.

        Args:
            patience_seconds: How long to wait for another process that rotates.

        Returns:
            The path of the backup, None if there was nothing to put into it.

        Raises:
            RotationBusyError: The other process did not finish.
            OSError: The renaming failed; the live file is in use as before.
        """
        with self._lock:
            return self._room.rotate(self._live, None, patience_seconds)

    def heal(self) -> None:
        """Put in order what killed processes left of this file's backups."""
        self._room.heal()

    def settle(self) -> int:
        """
        Write what waits, or give it up.

        Returns:
            How many records the file will never have.
        """
        with self._lock:
            if self._failing:
                self._drain(seconds=0.2)
            if not self._failing:
                return 0
            self._backlog.give_up()
            # The record that tells of it may try at once.
            self._next_try_at = 0.0
            return self._backlog.take_refused()

    def close(self) -> None:
        """Write what waits if it can be; a later write opens the file again."""
        with self._lock:
            self.settle()
            self._live.close()

    @property
    def waiting(self) -> int:
        """How many records wait for the disk."""
        return len(self._backlog)

    def _begin_trouble(self, data: bytes, error: OSError) -> None:
        self._next_try_at = time.monotonic() + _RETRY_SECONDS
        # In this order: a signal handler that logs in between may end the trouble.
        self._backlog.add(data)
        if not self._failing:
            self._failing = True
            self.notices.append(notice_of("file_failed", self.path, error))
        # Should no record come any more: at the end of an interpreter, or of all
        # threads there may be, the next record or close() has to do it.
        if not self._recovering:
            with contextlib.suppress(RuntimeError):
                # Not threading's: it takes a lock that a signal handler which logs
                # may find taken by whom it interrupted.
                _thread.start_new_thread(self._recover, ())
                self._recovering = True

    def _recover(self) -> None:
        lock = self._lock
        while True:
            time.sleep(_RETRY_SECONDS)
            with lock:
                if not self._failing:
                    self._recovering = False
                    break
                if time.monotonic() >= self._next_try_at:
                    self._drain()
        report = self.on_notice
        if report is not None and self.notices:
            report()

    def _drain(self, *, seconds: float = _DRAIN_SECONDS) -> None:
        if self._draining:
            # A signal handler that logs in the middle of it: its record comes last.
            return
        self._draining = True
        try:
            self._failing = not self._drained(time.monotonic() + seconds)
            while not self._failing and len(self._backlog):
                # One that came after the last look, and thought it had to wait.
                self._failing = True
                self._failing = not self._drained(time.monotonic() + seconds)
        finally:
            self._draining = False
        if not self._failing and (refused := self._backlog.take_refused()):
            self.notices.append(Notice(event="file_gap", path=self.path, count=refused))

    def _drained(self, deadline: float) -> bool:
        """Write what waits; say whether that is all of it."""
        while len(self._backlog):
            record = self._backlog.take()
            try:
                self._live.append(record)
            except OSError:
                self._backlog.put_back(record)
                self._next_try_at = time.monotonic() + _RETRY_SECONDS
                return False
            if time.monotonic() >= deadline:
                return not len(self._backlog)
        return True
