"""What a file could not take: kept in order up to a number of bytes, then counted."""

from __future__ import annotations

import collections

BACKLOG_BYTES = 4 << 20


class Backlog:
    """
    Records that wait for the disk.

    The oldest are kept and the newest refused when it is full, small ones too,
    until the disk takes some again: so a file whose disk stays full has one gap,
    and what is in it is in order.

    Args:
        max_bytes: How much memory the records may take.
    """

    def __init__(self, max_bytes: int = BACKLOG_BYTES) -> None:
        self._records: collections.deque[bytes] = collections.deque()
        self._max_bytes = max_bytes
        self._bytes = 0
        self._full = False
        #: Refused since `take_refused` was last called.
        self.refused = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: bytes) -> bool:
        """Keep *record*, if there is room."""
        # No call between reading and writing a number: there a signal handler that
        # logs may come in.
        size = len(record)
        if self._full or self._bytes + size > self._max_bytes:
            self._full = True
            self.refused += 1
            return False
        self._records.append(record)
        self._bytes += size
        return True

    def take(self) -> bytes:
        """Take out the oldest."""
        record = self._records.popleft()
        size = len(record)
        self._bytes -= size
        self._full = False
        return record

    def put_back(self, record: bytes) -> None:
        """Undo `take`; always has room."""
        self._records.appendleft(record)
        size = len(record)
        self._bytes += size
        self._full = self.refused > 0

    def give_up(self) -> None:
        """Count all that is kept as refused."""
        self.refused += len(self._records)
        self._records.clear()
        self._bytes = 0
        self._full = False

    def take_refused(self) -> int:
        """Return how many were refused, and begin to count anew."""
        refused, self.refused = self.refused, 0
        return refused
