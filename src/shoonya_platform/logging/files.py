"""
One log file that several processes may write.

A record is one write(2) to a descriptor opened with O_APPEND: the kernel puts it
whole behind what others wrote.  Before each one the descriptor is looked at (one
fstat), which tells the size and whether the file was sealed: whoever rotates
makes the old file read-only after renaming it.  A record that meets a rotation
between the two is in `x.log.1`: in the wrong place, not lost.  Renames by others
(logrotate) are seen by a look at the path, ten times a second.

As long as a process has a file open it holds a shared lock on it, which nobody
waits for: it tells the archiver that a record may still come.  Renaming happens
under another lock (`chain.py`) that nobody waits for either: whoever finds it
taken goes on writing and lets the holder finish.

What the disk refuses waits in memory (`backlog.py`) and is written, in order, by
the next record or by a thread that lives only as long as the trouble.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from shoonya_platform.logging.backlog import BACKLOG_BYTES, Backlog
from shoonya_platform.logging.chain import (
    DIRECTORY_MODE,
    FILE_MODE,
    Chain,
    RotationBusyError,
    give_to_owner,
)
from shoonya_platform.logging.notices import Notice

if TYPE_CHECKING:
    from shoonya_platform.logging.budget import Budget

# O_NONBLOCK: somebody may have put a FIFO there, and opening it must not wait.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
# After a failure, so that a full directory does not cost every record a try.
_ROTATION_PAUSE_SECONDS = 0.05
_RETRY_SECONDS = 0.05
# What one call may spend on what waited, so that the way back is not a stall.
_DRAIN_SECONDS = 0.001
# How soon a rename by a stranger is seen.
_PATH_SECONDS = 0.1
# A write that took longer may have met several rotations: look where it went.
_SUSPICIOUS_SECONDS = 0.0002
_NO_LIMIT = sys.maxsize


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
        self._max_bytes = max_bytes if backup_count > 0 else 0
        self._budget = budget if self._max_bytes else None
        self._rotated = rotated
        self._chain = Chain(self.path, backup_count)
        self._fd = -1
        self._identity = (-1, -1)
        self._regular = False
        self._healed = False
        # The size from which on a write needs more than the write.
        self._limit = 0
        # How a record that was cut off by a full disk goes on, and from where.
        self._torn = False
        self._rest = b""
        self._rest_of = b""
        self._rest_at = -1
        self._next_path_look_at = 0.0
        self._next_rotation_at = 0.0
        self._rotation_failing = False
        self._over_budget = False
        self._backlog_bytes = backlog_bytes
        #: What happened, for the caller to report; emptied by the caller.
        self.notices: list[Notice] = []
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
        self._failing = self._recovering = False
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
            if self._budget is not None and len(data) > self._budget.hard_limit:
                self.notices.append(Notice(event="file_gap", path=self.path, count=1))
                return False
            try:
                self._append(data)
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
            return self._rotate(None, patience_seconds)

    def heal(self) -> None:
        """Put in order what killed processes left of this file's backups."""
        self._healed = True
        # Whoever holds the lock is alive; without a directory all is in order.
        with contextlib.suppress(OSError):
            if self._chain.is_begun():
                with self._chain.locked():
                    self._chain.heal()

    def close(self) -> None:
        """Write what waits if it can be; a later write opens the file again."""
        with self._lock:
            if self._failing:
                self._drain(seconds=0.2)
            if self._failing:
                self._backlog.give_up()
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    @property
    def waiting(self) -> int:
        """How many records wait for the disk."""
        return len(self._backlog)

    # The hot path.

    def _append(self, data: bytes) -> None:
        began = time.monotonic()
        fd = self._fd
        if fd < 0 or began >= self._next_path_look_at:
            size = self._size_by_path(began)
        else:
            found = os.fstat(fd)
            if found.st_mode & stat.S_IWUSR and found.st_nlink:
                size = found.st_size
            else:
                size = self._size_by_path(began)
        if size + len(data) > self._limit and self._rest_at != size:
            self._make_room(size, len(data))
        text = self._after_a_fragment(data) if self._torn else data
        written = os.write(self._fd, text)
        if written < len(text):
            self._append_rest(data, text[written:])
        self._torn = False
        if time.monotonic() - began > _SUSPICIOUS_SECONDS:
            self._rescue(data)

    def _size_by_path(self, now: float) -> int:
        """Have the path's own file open, and return its size."""
        self._next_path_look_at = now + _PATH_SECONDS
        if self._fd < 0:
            return self._reopen()
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return self._reopen()
        if (found.st_ino, found.st_dev) != self._identity:
            return self._reopen()
        if not found.st_mode & stat.S_IWUSR:
            # Not sealed by us, as it still has its place.
            _set_mode(self._fd)
        return found.st_size

    def _after_a_fragment(self, record: bytes) -> bytes:
        if record is self._rest_of and os.fstat(self._fd).st_size == self._rest_at:
            # Cut off by a full disk, and nobody has written since: go on there.
            return self._rest
        # Somebody was killed in the middle of a line, or wrote behind ours.
        return b"\n" + record

    def _append_rest(self, record: bytes, rest: bytes) -> None:
        while rest:
            self._torn = True
            self._rest, self._rest_of = rest, record
            # The end of our own fragment, whatever others have written behind it.
            self._rest_at = os.lseek(self._fd, 0, os.SEEK_CUR)
            text = self._after_a_fragment(record)
            written = os.write(self._fd, text)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            rest = text[written:]
        self._forget_fragment()

    def _forget_fragment(self) -> None:
        self._rest = self._rest_of = b""
        self._rest_at = -1

    def _rescue(self, data: bytes) -> None:
        """Write again what went to a file that fell off the end meanwhile."""
        if self._regular and not os.fstat(self._fd).st_nlink:
            self._size_by_path(time.monotonic())
            os.write(self._fd, data)

    # Opening.

    def _reopen(self) -> int:
        if not self._healed:
            self.heal()
        try:
            fd = self._open()
        except OSError:
            # The old file is better than none, as long as it has a name.
            if self._fd >= 0:
                old = os.fstat(self._fd)
                if old.st_nlink:
                    return 0
            raise
        found = os.fstat(fd)
        # First in place, then closed: a signal handler may log in between.
        old_fd, self._fd = self._fd, fd
        self._identity = (found.st_ino, found.st_dev)
        self._regular = stat.S_ISREG(found.st_mode)
        self._torn = self._regular and _ends_within_a_line(self.path, found.st_size)
        self._forget_fragment()
        self._limit = self._first_limit(found.st_size)
        if old_fd >= 0:
            os.close(old_fd)
        return found.st_size

    def _open(self) -> int:
        """Open the path, and keep the archiver away from what was opened."""
        while True:
            fd = self._open_path()
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                found = os.stat(self.path)
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
        _set_mode(fd)
        give_to_owner(fd, self._chain.directory)
        return fd

    def _open_path(self) -> int:
        try:
            return os.open(self.path, _FLAGS, FILE_MODE)
        except FileNotFoundError:
            os.makedirs(self._chain.directory, DIRECTORY_MODE, exist_ok=True)
        except PermissionError:
            # Our own file, made read-only by somebody.
            os.chmod(self.path, FILE_MODE)
        return os.open(self.path, _FLAGS, FILE_MODE)

    # Room: rotation and budget.

    def _first_limit(self, size: int) -> int:
        if not self._regular or not self._max_bytes:
            return _NO_LIMIT
        budget = self._budget
        if budget is not None and budget.checked_lately():
            # Whoever rotated has looked; not all processes need to, each time.
            return budget.next_check(size)
        return 0

    def _make_room(self, size: int, coming_bytes: int) -> None:
        if size and size + coming_bytes > self._max_bytes:
            self._try_to_rotate(coming_bytes)
            if self._budget is not None and self._limit != _NO_LIMIT:
                current = os.fstat(self._fd).st_size
                if current and current + coming_bytes > self._budget.hard_limit:
                    raise OSError(errno.EFBIG, "the file is full and not rotated")
        if self._limit != _NO_LIMIT:
            size = os.fstat(self._fd).st_size
            if size + coming_bytes > self._limit:
                self._raise_limit(size + coming_bytes)

    def _raise_limit(self, needed: int) -> None:
        if self._budget is None:
            self._limit = self._max_bytes
            return
        limit = self._budget.next_check(needed)
        if limit > self._limit:
            self._check_budget()
        self._limit = limit

    def _check_budget(self, *, rotating: bool = False) -> None:
        assert self._budget is not None  # noqa: S101 - for the type checker
        evicted, fits = self._budget.enforce(self.path, rotating=rotating)
        self.notices += evicted
        if not fits and not self._over_budget:
            self.notices.append(Notice(event="log_over_budget", path=self.path))
        self._over_budget = not fits

    def _try_to_rotate(self, coming_bytes: int) -> None:
        now = time.monotonic()
        if now < self._next_rotation_at:
            return
        try:
            self._rotate(coming_bytes, 0.0)
        except RotationBusyError:
            pass
        except OSError as e:
            self._next_rotation_at = now + _ROTATION_PAUSE_SECONDS
            if not self._rotation_failing:
                self._rotation_failing = True
                self.notices.append(_notice("rotation_failed", self.path, e))
        else:
            self._rotation_failing = False

    def _rotate(self, coming_bytes: int | None, patience_seconds: float) -> str | None:
        """
        Shift the chain by one, and have a new live file open.

        Args:
            coming_bytes: Only if the file has no room for them; None: always.

            patience_seconds: How long to wait for the lock.
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
                self._size_by_path(time.monotonic())
                return None
            if self._budget is not None:
                # First: whoever is killed after this has taken nothing yet.
                self._check_budget(rotating=True)
            backup = self._chain.rotate()
            # Whoever only rotates leaves the new file to those who write it.
            if self._fd >= 0:
                self._reopen()
                if self._budget is not None and self._limit != _NO_LIMIT:
                    # Looked after before the rename.
                    self._limit = self._budget.next_check(0)
        if self._rotated is not None:
            self._rotated()
        return backup

    # Trouble.

    def _begin_trouble(self, data: bytes, error: OSError) -> None:
        self._failing = True
        self._next_try_at = time.monotonic() + _RETRY_SECONDS
        self._backlog.add(data)
        self.notices.append(_notice("file_failed", self.path, error))
        # Should no record come any more: at the end of an interpreter, or of all
        # threads there may be, the next record or close() has to do it.
        if not self._recovering:
            with contextlib.suppress(RuntimeError):
                threading.Thread(
                    target=self._recover, name="log-recovery", daemon=True
                ).start()
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
        deadline = time.monotonic() + seconds
        while len(self._backlog):
            # Taken out first: a signal handler that logs comes here too.
            record = self._backlog.take()
            try:
                self._append(record)
            except OSError:
                self._backlog.put_back(record)
                self._failing = True
                self._next_try_at = time.monotonic() + _RETRY_SECONDS
                return
            if time.monotonic() >= deadline:
                return
        self._failing = False
        refused = self._backlog.take_refused()
        if refused:
            self.notices.append(Notice(event="file_gap", path=self.path, count=refused))


def _notice(event: str, path: str, error: OSError) -> Notice:
    return Notice(event=event, path=path, why=error.strerror or type(error).__name__)


def _set_mode(fd: int) -> None:
    # Whatever the umask; a file of another owner keeps its mode.
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, FILE_MODE)


def _ends_within_a_line(path: str, size: int) -> bool:
    if not size:
        return False
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        last = os.pread(fd, 1, size - 1)
        if os.fstat(fd).st_size != size:
            # Somebody alive is in the middle of writing it.
            return False
    except OSError:
        return False
    finally:
        os.close(fd)
    return last not in (b"", b"\n")
