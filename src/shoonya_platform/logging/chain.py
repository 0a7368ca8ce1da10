"""
The backups of one log file: their names, and the renames that shift them.

    x.log ──▶ x.log.1 ──▶ x.log.2 … x.log.N      `.x.log.lock` while renaming
                            └▶ x.log.2.zst        once it has been compressed

No rename overwrites anything and only the oldest backup is ever deleted, so
being killed between any two steps leaves at most a gap in the numbers.  `heal()`
closes it, and removes what a killed compression left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from shoonya_platform.logging.deleting import unlink

FILE_MODE = 0o640
#: A file that is full is made read-only: whoever still has it open sees that.
SEALED_MODE = 0o440
DIRECTORY_MODE = 0o750
ARCHIVE_SUFFIX = ".zst"
#: Hidden, so that `*.log*` finds finished files only.
UNFINISHED_SUFFIX = ".zst.tmp"
LEFT_OVER_SUFFIX = ".old.tmp"

_LOCK_TRIES_SECONDS = 0.002


class RotationBusyError(OSError):
    """Another process holds the lock of this file's rotation."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One old file: `number` counts from 1, the newest."""

    number: int
    path: str
    archived: bool


class Chain:
    """
    The backups of *path*.

    Args:
        path: The live file.

        backup_count: How many old files are kept.
    """

    def __init__(self, path: str, backup_count: int) -> None:
        self.path = path
        self.backup_count = backup_count
        self.directory, name = os.path.split(path)
        self._hidden = os.path.join(self.directory, f".{name}")
        self.lock_path = f"{self._hidden}.lock"
        self.unfinished_path = f"{self._hidden}{UNFINISHED_SUFFIX}"
        self.left_over_path = f"{self._hidden}{LEFT_OVER_SUFFIX}"
        self._pattern = re.compile(
            re.escape(name) + rf"\.([1-9][0-9]*)({re.escape(ARCHIVE_SUFFIX)})?"
        )

    @contextlib.contextmanager
    def locked(self, patience_seconds: float = 0.0) -> Iterator[None]:
        """
        Hold the right to rename.

        Args:
            patience_seconds: How long to wait for whoever holds it now.

        Raises:
            RotationBusyError: It was not let go in time.
            OSError: There is no lock file to be had.
        """
        fd = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        deadline = time.monotonic() + patience_seconds
        try:
            give_to_owner(fd, self.directory)
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as e:
                    if time.monotonic() >= deadline:
                        raise RotationBusyError(*e.args) from e
                    time.sleep(_LOCK_TRIES_SECONDS)
            try:
                yield
            finally:
                # Explicitly: a child forked meanwhile holds the descriptor too,
                # and closing ours would leave the lock with it.
                fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)

    def backups(self) -> list[Backup]:
        """Return all backups there are, the newest first."""
        found = []
        for name in os.listdir(self.directory):
            match = self._pattern.fullmatch(name)
            if match:
                path = os.path.join(self.directory, name)
                found.append(Backup(int(match[1]), path, bool(match[2])))
        return sorted(found, key=lambda backup: (backup.number, backup.archived))

    def is_begun(self) -> bool:
        """Say whether there is anything besides the live file."""
        hidden = (self.unfinished_path, self.left_over_path)
        return bool(self.backups()) or any(map(os.path.lexists, hidden))

    def rotate(self) -> str:
        """
        Make the live file backup 1 and return its path there; needs the lock.

        Raises:
            OSError: A rename failed; the live file is where it was.
        """
        self._shift()
        newest = f"{self.path}.1"
        os.rename(self.path, newest)
        # Until this is done writers go on in it: in the wrong place, not lost.
        _seal(newest)
        return newest

    def remove_surplus(self) -> None:
        """Delete backups beyond the count: it was larger once.  Needs the lock."""
        with contextlib.suppress(OSError):
            for backup in self.backups():
                if backup.number > self.backup_count > 0:
                    unlink(backup.path)

    def heal(self) -> None:
        """Put in order what a killed process left; needs the lock."""
        for path in (self.left_over_path, self.unfinished_path):
            _remove_unless_in_use(path)
        self.remove_surplus()
        expected = 1
        for number in sorted({backup.number for backup in self.backups()}):
            self._settle(number)
            if number != expected:
                self._move(number, expected)
            expected += 1
        for backup in self.backups():
            if not backup.archived:
                _seal(backup.path)

    def place_of(self, status: os.stat_result) -> Backup | None:
        """Find the backup that is this very file, wherever it has been shifted."""
        for backup in self.backups():
            with contextlib.suppress(OSError):
                found = os.stat(backup.path)
                if (found.st_ino, found.st_dev) == (status.st_ino, status.st_dev):
                    return backup
        return None

    def _shift(self) -> None:
        """Free the place of backup 1."""
        # Only up to the first gap: what stands behind it may stay where it is.
        last = max(self.backup_count, 1)
        free = 1
        while free < last and self._taken(free):
            free += 1
        for path in self._forms(free):
            # The oldest one; both forms, as a rename replaces only one.
            with contextlib.suppress(FileNotFoundError):
                unlink(path)
        for number in range(free, 1, -1):
            self._settle(number - 1)
            self._move(number - 1, number)

    def _forms(self, number: int) -> tuple[str, str]:
        plain = f"{self.path}.{number}"
        return plain, plain + ARCHIVE_SUFFIX

    def _taken(self, number: int) -> bool:
        return any(map(os.path.lexists, self._forms(number)))

    def _move(self, number: int, to: int) -> None:
        for here, there in zip(self._forms(number), self._forms(to), strict=True):
            with contextlib.suppress(FileNotFoundError):
                os.rename(here, there)

    def _settle(self, number: int) -> None:
        """Keep one of two forms: a compression was killed at its last step."""
        plain, archive = self._forms(number)
        try:
            size = os.stat(plain).st_size
            with open(archive, "rb") as file:
                head = file.read(18)
        except FileNotFoundError:
            return
        unlink(plain if _content_size(head) == size else archive)


def _content_size(head: bytes) -> int:
    """Return how long a zstd frame is when unpacked, as it says itself; -1: unsaid."""
    if head[:4] != b"\x28\xb5\x2f\xfd" or len(head) < 6:
        return -1
    descriptor = head[4]
    single_segment = bool(descriptor & 0x20)
    # RFC 8878, 3.1.1.1: window, dictionary id, then the size.
    begin = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    width = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    if not width:
        return -1
    size = int.from_bytes(head[begin : begin + width], "little")
    return size + 256 if width == 2 else size


def _seal(path: str) -> None:
    # Another owner's file keeps its mode; its writers look at the path at times.
    with contextlib.suppress(OSError):
        found = os.stat(path, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_mode & 0o222:
            os.chmod(path, SEALED_MODE)


def _remove_unless_in_use(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        # Whoever is writing it holds this lock as long as it lives.
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return
    finally:
        os.close(fd)


def give_to_owner(fd: int, directory: str) -> None:
    """Let what root makes in a service's directory belong to the service."""
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        owner = os.stat(directory)
        if owner.st_uid and not os.fstat(fd).st_uid:
            os.fchown(fd, owner.st_uid, owner.st_gid)
