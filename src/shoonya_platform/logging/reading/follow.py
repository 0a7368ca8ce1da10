"""Following a component's file across rotations, compression and deletion."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.generations import Generation, snapshot
from shoonya_platform.logging.reading.records import Assembler, Record

_BLOCK = 1 << 20


class Follower:
    """
    Reads what is added to a component's file.

    However many rotations happen between two looks: what was open stays open, and
    what came after it is found in the backups.

    Args:
        from_end: Skip what is there already.
    """

    def __init__(self, log_dir: Path, component: str, *, from_end: bool) -> None:
        self._log_dir = log_dir
        self._component = component
        self._path = log_dir / f"{component}.log"
        self._fd = -1
        self._offset = 0
        self._rest = b""
        # Without a live file: what was there already is no news.
        self._known_ns = 0
        # The one before: somebody may just be writing his last line into it.
        self._before: Follower | None = None
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            for file in snapshot(log_dir, component):
                self._known_ns = max(self._known_ns, file.modified_ns)
                file.close()
            return
        if from_end:
            self._offset = os.fstat(self._fd).st_size

    def new_lines(self) -> list[bytes]:
        """Return the complete lines added since the last call."""
        lines = [] if self._before is None else self._before._drain()
        lines += self._drain()
        if self._was_rotated():
            lines += self._drain()
            lines += self._go_on()
        return lines

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._before is not None:
            self._before.close()
            self._before = None

    def _drain(self) -> list[bytes]:
        if self._fd < 0:
            return []
        if os.fstat(self._fd).st_size < self._offset:
            # Emptied by a stranger, as logrotate's copytruncate does.
            self._offset, self._rest = 0, b""
        blocks = [self._rest]
        while block := os.pread(self._fd, _BLOCK, self._offset):
            self._offset += len(block)
            blocks.append(block)
        *lines, self._rest = b"".join(blocks).split(b"\n")
        return lines

    def _was_rotated(self) -> bool:
        try:
            newest = os.stat(self._path)
        except FileNotFoundError:
            # Whoever writes next makes a new one.
            try:
                newest = os.stat(f"{self._path}.1")
            except FileNotFoundError:
                return False
        if self._fd < 0:
            return newest.st_mtime_ns > self._known_ns
        own = os.fstat(self._fd)
        return (newest.st_ino, newest.st_dev) != (own.st_ino, own.st_dev)

    def _go_on(self) -> list[bytes]:
        """Read all files that have come since, and follow the newest from now on."""
        found = snapshot(self._log_dir, self._component)
        lines: list[bytes] = []
        for file in self._newer(found):
            if file.archived:
                lines += [line.rstrip(b"\n") for line in file.lines()]
            else:
                self._step_to(os.dup(file.fd))
                lines += self._drain()
        for file in found:
            file.close()
        return lines

    def _newer(self, found: Sequence[Generation]) -> list[Generation]:
        known_ns = self._known_ns
        if self._fd >= 0:
            own = os.fstat(self._fd)
            known_ns = own.st_mtime_ns
            for index, file in enumerate(found):
                is_same = file.identity == (own.st_ino, own.st_dev)
                # An archive keeps the time of what it was made from.
                was_this = file.archived and file.modified_ns == known_ns
                if is_same or was_this:
                    return list(found[index + 1 :])
        return [
            file for file in found if file.number == 0 or file.modified_ns > known_ns
        ]

    def _step_to(self, descriptor: int) -> None:
        if self._before is not None:
            self._before.close()
        before = Follower.__new__(Follower)
        before.__dict__.update(self.__dict__)
        before._before = None
        self._before = before if self._fd >= 0 else None
        self._fd, self._offset, self._rest = descriptor, 0, b""


class ComponentFollower:
    """
    The records that are added to a component's file, each once, with the gaps.

    Args:
        finder: Has seen what was read before, and knows what is no news.
    """

    def __init__(self, log_dir: Path, component: str, finder: GapFinder) -> None:
        self._follower = Follower(log_dir, component, from_end=True)
        self._finder = finder
        self._assembler = Assembler()
        self._quiet_looks = 0

    def new_items(self) -> Iterator[Record | Gap]:
        """Yield what has come since the last call, in the order of the file."""
        lines = self._follower.new_lines()
        for record in self._assembler.feed(lines):
            self._finder.add(record)
        if lines:
            self._quiet_looks = 0
        else:
            # Its traceback would be there by now.
            for record in self._assembler.flush():
                self._finder.add(record)
            self._quiet_looks += 1
        yield from self._finder.settled()
        if self._quiet_looks > 1:
            yield from self._finder.flush()

    def close(self) -> None:
        self._follower.close()
