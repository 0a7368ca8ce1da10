"""A clock that goes on only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: A Wednesday, 10:00 in India: every exchange is open.
BEGIN = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)


class FakeClock:
    """
    Both clocks of the machine, standing still.

    Args:
        now: The wall clock's time to begin with, aware.
    """

    def __init__(self, now: datetime = BEGIN) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def jump_to(self, now: datetime) -> None:
        """Set the wall clock alone, as an administrator or NTP does."""
        self._now = now
