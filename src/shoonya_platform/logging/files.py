"""
One log file that several processes may write, and its backups.

    x.log ──▶ x.log.1 ──▶ x.log.2 … x.log.N      `.x.log.lock` while renaming

A record is one write(2) to a descriptor opened with O_APPEND: the kernel puts it
whole behind what others wrote.  Before each one the path is looked at (one
stat), which tells size and whether the path still means our file; if another
process has rotated, or somebody has moved or removed it, the path is opened
again.  A record that meets a rotation between the two is in `x.log.1`: in the
wrong place, not lost.

Renaming happens under a lock that nobody ever waits for: whoever finds it taken
goes on writing and lets the holder finish.  The renames overwrite nothing but
the oldest backup, so being killed between any two of them loses nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import threading
import time
from collections.abc import Iterator

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750

# O_NONBLOCK: somebody may have put a FIFO there, and opening it must not wait.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
# After a failure, so that a full directory does not cost every record a try.
_ROTATION_PAUSE_SECONDS = 1.0
# A write that took longer may have met several rotations: look where it went.
_SUSPICIOUS_SECONDS = 0.001


class RotationBusyError(OSError):
    """Another process holds the lock of this file's rotation."""


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
    """

    def __init__(self, path: str, *, max_bytes: int, backup_count: int) -> None:
        # Renaming must hit the file and not a symbolic link to it.
        self.path = os.path.realpath(path)
        self._max_bytes = max_bytes if backup_count > 0 else 0
        self._backup_count = backup_count
        directory, name = os.path.split(self.path)
        self._directory = directory
        self._lock_path = os.path.join(directory, f".{name}.lock")
        self._backup_name = re.compile(re.escape(name) + r"\.([0-9]+)")
        self._fd = -1
        self._identity = (-1, -1)
        self._regular = False
        self._torn = False
        self._next_rotation_at = 0.0
        #: Records that are not in the file, since it was last asked.
        self.lost = 0
        #: What went wrong, for the caller to report; emptied by the caller.
        self.notices: list[tuple[str, OSError | None, int]] = []
        self._failing = False
        self._rotation_failing = False
        self.reinitialize_lock()

    def reinitialize_lock(self) -> None:
        """Forget who holds the lock: for the child after a fork."""
        # Reentrant: a signal handler may log while we are in here.
        self._lock = threading.RLock()

    def write(self, data: bytes) -> bool:
        """
        Append one record.

        Args:
            data: Whole lines, with the last line break.

        Returns:
            Whether the record is in the file.
        """
        with self._lock:
            try:
                began = time.monotonic()
                size = self._current_size()
                if (
                    self._max_bytes
                    and size
                    and size + len(data) > self._max_bytes
                    and self._regular
                ):
                    self._try_to_rotate(len(data))
                if self._torn:
                    # Somebody was killed in the middle of a line: end it.
                    data = b"\n" + data
                written = os.write(self._fd, data)
                if written < len(data):
                    self._append_rest(data[written:])
                self._torn = False
                if time.monotonic() - began > _SUSPICIOUS_SECONDS:
                    self._rescue(data)
            except OSError as e:
                self.lost += 1
                if not self._failing:
                    self._failing = True
                    self.notices.append(("file_failed", e, 0))
                return False
            if self._failing:
                self._failing = False
                self.notices.append(("file_gap", None, self.lost))
                self.lost = 0
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
        deadline = time.monotonic() + patience_seconds
        with self._lock:
            while True:
                try:
                    return self._rotate(None)
                except RotationBusyError:
                    if time.monotonic() >= deadline:
                        raise
                    time.sleep(0.01)

    def close(self) -> None:
        """Let go of the descriptor; a later write opens the file again."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def _current_size(self) -> int:
        """Have the path's own file open, and return its size."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return self._reopen()
        if (found.st_ino, found.st_dev) != self._identity or self._fd < 0:
            return self._reopen()
        return found.st_size

    def _reopen(self) -> int:
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
        if old_fd >= 0:
            os.close(old_fd)
        return found.st_size

    def _open(self) -> int:
        try:
            fd = os.open(self.path, _FLAGS, FILE_MODE)
        except FileNotFoundError:
            os.makedirs(self._directory, DIRECTORY_MODE, exist_ok=True)
            fd = os.open(self.path, _FLAGS, FILE_MODE)
        _set_mode(fd)
        _give_to_owner(fd, self._directory)
        return fd

    def _append_rest(self, data: bytes) -> None:
        while data:
            # What is in the file is torn unless the rest follows.
            self._torn = True
            written = os.write(self._fd, data)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            data = data[written:]

    def _rescue(self, data: bytes) -> None:
        """Write again what went to a file that fell off the end meanwhile."""
        if self._regular and not os.fstat(self._fd).st_nlink:
            self._current_size()
            os.write(self._fd, data)

    def _try_to_rotate(self, coming_bytes: int) -> None:
        now = time.monotonic()
        if now < self._next_rotation_at:
            return
        try:
            self._rotate(coming_bytes)
        except RotationBusyError:
            pass
        except OSError as e:
            self._next_rotation_at = now + _ROTATION_PAUSE_SECONDS
            if not self._rotation_failing:
                self._rotation_failing = True
                self.notices.append(("rotation_failed", e, 0))
        else:
            self._rotation_failing = False

    def _rotate(self, coming_bytes: int | None) -> str | None:
        """
        Shift the chain by one, and have a new live file open.

        Args:
            coming_bytes: Only if the file has no room for them; None: always.
        """
        with self._rotation_lock():
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
                self._current_size()
                return None
            backup = self._shift()
            os.rename(self.path, backup)
            # Whoever only rotates leaves the new file to those who write it.
            if self._fd >= 0:
                self._reopen()
            self._remove_surplus()
            return backup

    def _shift(self) -> str:
        """Free the place of backup 1, and return its path."""
        # Only up to the first gap: a rotation that was killed left one, and
        # what stands behind it may stay where it is.
        last = max(self._backup_count, 1)
        free = 1
        while free < last and os.path.lexists(self._backup(free)):
            free += 1
        for number in range(free, 1, -1):
            os.rename(self._backup(number - 1), self._backup(number))
        return self._backup(1)

    def _backup(self, number: int) -> str:
        return f"{self.path}.{number}"

    def _remove_surplus(self) -> None:
        """Delete backups beyond the count: it was larger once."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._directory):
                match = self._backup_name.fullmatch(name)
                if match and int(match[1]) > self._backup_count > 0:
                    os.unlink(os.path.join(self._directory, name))

    @contextlib.contextmanager
    def _rotation_lock(self) -> Iterator[None]:
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            _give_to_owner(fd, self._directory)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                raise RotationBusyError(*e.args) from e
            try:
                yield
            finally:
                # Explicitly: a child forked meanwhile holds the descriptor too,
                # and closing ours would leave the lock with it.
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)


def _set_mode(fd: int) -> None:
    # Whatever the umask; a file of another owner keeps its mode.
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, FILE_MODE)


def _give_to_owner(fd: int, directory: str) -> None:
    # What root makes in a service's directory must not lock the service out.
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        owner = os.stat(directory)
        if owner.st_uid and not os.fstat(fd).st_uid:
            os.fchown(fd, owner.st_uid, owner.st_gid)


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
