"""
The file that records are appended to, by this process and by others.

A record is one write(2) to a descriptor opened with O_APPEND: the kernel puts it
whole behind what others wrote.  Before it the descriptor is looked at (one fstat),
which tells the size and whether the file was sealed: whoever rotates makes the
old file read-only after renaming it.  A record that meets a rotation between the
two is in `x.log.1`: in the wrong place, not lost.  As a write may take a moment
anyway, a look is good for the records of the same moment.  Renames by others
(logrotate) are seen by a look at the path, ten times a second.

A kill may cut a record off between two pages, and the next one of another process
is then behind the rest of it, in the same line.  So each is looked at once more
(one lseek): if somebody has written since the last one, the byte before it has to
be a line break.  For a long record that is too late (`mending.py`).

As long as a process has a file open it holds a shared lock on it, which nobody
waits for: it tells the archiver that a record may still come.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from shoonya_platform.logging.mending import (
    LONG_BYTES,
    begin_line,
    ends_within_a_line,
    open_to_mend,
    turn,
)
from shoonya_platform.logging.opening import open_to_append, set_mode

if TYPE_CHECKING:
    from shoonya_platform.logging.room import Room

# How soon a rename by a stranger is seen.
_PATH_SECONDS = 0.1
# How long a look is good: for the next few records of a burst.
_LOOK_SECONDS = 0.0001
# What is written so much later may have met several rotations: look where it went.
_LATE_SECONDS = 0.0001


class LiveFile:
    """
    The descriptor of *path*, opened by the first record.

    Not safe for threads; a signal handler may append in the middle of an append.

    Args:
        path: The file; not a symbolic link.

        room: Rotates it, and says up to which size it may be written as it is.
    """

    def __init__(self, path: str, room: Room) -> None:
        self.path = path
        self._room = room
        self._fd = -1
        self._mending_fd = -1
        self._identity = (-1, -1)
        self._regular = False
        #: The size from which on a write needs more than the write.
        self.limit = 0
        # How a record that was cut off by a full disk goes on, and from where.
        self._torn = False
        self._rest = b""
        self._rest_of = b""
        self._rest_at = -1
        self._next_path_look_at = 0.0
        # Until then the last look is good.
        self._good_until = 0.0
        # Where our last record ended, and how many there were.
        self._end = 0
        self._count = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a descriptor."""
        return self._fd >= 0

    def append(self, data: bytes) -> None:
        """
        Write one record behind all others.

        Raises:
            OSError: It is not there as a whole.
        """
        now = time.monotonic()
        size = self._end if now < self._good_until else self._look(now)
        if size + len(data) > self.limit and self._rest_at != size:
            self._room.make(self, size, len(data))
        if len(data) > LONG_BYTES:
            with turn(self._mending_fd):
                self._torn = ends_within_a_line(self._mending_fd, self.size())
                self._write(data)
        else:
            self._write(data)
        if time.monotonic() > self._good_until + _LATE_SECONDS:
            self._rescue(data)

    def _look(self, now: float) -> int:
        """Have the right file open, and return its size."""
        if self._fd >= 0 and now < self._next_path_look_at:
            found = os.fstat(self._fd)
            if found.st_mode & stat.S_IWUSR and found.st_nlink:
                self._good_until = now + _LOOK_SECONDS
                return found.st_size
        return self.size_by_path(now)

    def _write(self, data: bytes) -> None:
        text = self._after_a_fragment(data) if self._torn else data
        self._count = count = self._count + 1
        written = os.write(self._fd, text)
        if written < len(text):
            self._append_rest(data, text[written:])
        elif self._regular:
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            # Not if a signal handler has logged in between: that is where it ended.
            if self._count == count:
                if end - written != self._end:
                    self._look_before(data, text, end - written)
                self._end = end
        self._torn = False

    def size(self) -> int:
        """Return the size of what is open."""
        return os.fstat(self._fd).st_size

    def size_by_path(self, now: float) -> int:
        """Have the path's own file open, and return its size."""
        self._next_path_look_at = now + _PATH_SECONDS
        if self._fd < 0:
            return self.reopen()
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return self.reopen()
        if (found.st_ino, found.st_dev) != self._identity:
            return self.reopen()
        if not found.st_mode & stat.S_IWUSR:
            # Not sealed by us, as it still has its place.
            set_mode(self._fd)
        return found.st_size

    def reopen(self) -> int:
        """
        Open what has the path now, and return its size.

        Raises:
            OSError: It cannot be opened, and what was open has no name any more.
        """
        self._room.heal_once()
        try:
            fd = open_to_append(self.path)
        except OSError:
            # The old file is better than none, as long as it has a name.
            if self._fd >= 0 and os.fstat(self._fd).st_nlink:
                return 0
            raise
        found = os.fstat(fd)
        mending_fd = open_to_mend(fd) if stat.S_ISREG(found.st_mode) else -1
        # First in place, then closed: a signal handler may log in between, but not
        # within one statement that calls nothing.
        old, self._fd, self._mending_fd = (self._fd, self._mending_fd), fd, mending_fd
        self._identity = (found.st_ino, found.st_dev)
        self._regular = stat.S_ISREG(found.st_mode)
        self._end = -1
        # Nothing known of the next one's place.
        self._good_until = 0.0
        self._torn = ends_within_a_line(mending_fd, found.st_size)
        self._forget_fragment()
        self.limit = self._room.first_limit(found)
        _close(*old)
        return found.st_size

    def close(self) -> None:
        """Close the descriptor; the next record opens the path again."""
        fds, self._fd, self._mending_fd = (self._fd, self._mending_fd), -1, -1
        self._good_until = 0.0
        _close(*fds)

    def _after_a_fragment(self, record: bytes) -> bytes:
        if record is self._rest_of and self.size() == self._rest_at:
            # Cut off by a full disk, and nobody has written since: go on there.
            return self._rest
        # Somebody was killed in the middle of a line, or wrote behind ours.
        return b"\n" + record

    def _append_rest(self, record: bytes, rest: bytes) -> None:
        self._good_until = 0.0
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
        end = os.lseek(self._fd, 0, os.SEEK_CUR)
        self._look_before(record, text, end - written)
        self._forget_fragment()

    def _look_before(self, record: bytes, text: bytes, at: int) -> None:
        """See that *text*, written at *at* for *record*, is the whole of a line."""
        if text is self._rest:
            if at != self._rest_at:
                # Somebody wrote between our look and our write.
                self._torn = False
                self._forget_fragment()
                self.append(record)
        elif text is record:
            begin_line(self._mending_fd, text, at)

    def _forget_fragment(self) -> None:
        self._rest = self._rest_of = b""
        self._rest_at = -1

    def _rescue(self, data: bytes) -> None:
        """Write again what went to a file that fell off the end meanwhile."""
        if self._regular and not os.fstat(self._fd).st_nlink:
            self.size_by_path(time.monotonic())
            self.append(data)


def _close(*fds: int) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
