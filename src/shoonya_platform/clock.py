"""The only caller of the machine's clocks."""

from __future__ import annotations

import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = struct.Struct("<q")

#: While a day is replayed, what a service does every second is due this often in one:
#: it is what the replay waits for.
REPLAY_PACE = 50.0


class Clock(Protocol):
    """Tells the time; tests hand in one that stands still."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps; only differences count."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ReplayClock:
    """
    A wall clock that stands where a replay has put it; all processes see the same.

    Args:
        path: The file that `set_replay_clock` writes.

    Raises:
        OSError, ValueError: It is no such file.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._page = mmap.mmap(
                file.fileno(), _MICROSECONDS.size, access=mmap.ACCESS_READ
            )

    def now(self) -> datetime:
        (microseconds,) = _MICROSECONDS.unpack(self._page[:])
        return _EPOCH + timedelta(microseconds=microseconds)

    def monotonic(self) -> float:
        return time.monotonic() * REPLAY_PACE


def set_replay_clock(path: Path, moment: datetime) -> None:
    """Put the clock of a replay at an aware moment."""
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, _MICROSECONDS.pack(microseconds), 0)
    finally:
        os.close(file)
