"""How soon a crashed service is started again, and when no more."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: A service that waits for its restart says so in a sentence that begins with this.
BACKING_OFF = "restarts in"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """
    Exponential backoff, and a limit on crashes within a window.

    Counts crashes, not starts: an operator's own restarts cost nothing.  A run that
    was healthy for the whole window leaves no crash in it, so the backoff begins
    anew by itself.  The same under systemd and under `ServiceManager`.
    """

    first_delay_seconds: float = 1.0
    factor: float = 4.0
    longest_delay_seconds: float = 60.0
    limit: int = 3  #: restarts within the window
    window_seconds: float = 300.0
    #: A delay is longer by up to this share, so that eight services which fell
    #: together do not rise together.
    jitter: float = 0.1

    def recent(self, crashes: Sequence[float], now: float) -> list[float]:
        """Return the crashes that count: those within the window."""
        return [at for at in crashes if 0 <= now - at < self.window_seconds]

    def delay(
        self,
        crashes: Sequence[float],
        now: float,
        chance: Callable[[], float] = random.random,
    ) -> float | None:
        """
        Decide about the restart after the last of these crashes.

        Args:
            crashes: When the service crashed, in seconds of one clock, oldest first.

            now: On the same clock.

            chance: Returns 0 to 1.

        Returns:
            Seconds from the last crash to the restart, 0 if none counts; None to
            give up.
        """
        number = len(self.recent(crashes, now))
        if number == 0:
            return 0.0
        if number > self.limit:
            return None
        delay = min(
            self.first_delay_seconds * self.factor ** (number - 1),
            self.longest_delay_seconds,
        )
        return delay * (1 + self.jitter * chance())

    def describe(self, number: int, seconds: float) -> str:
        """Return `restart 2 of 3 in 4 s`."""
        return f"restart {number} of {self.limit} in {seconds:.0f} s"

    def describe_wait(self, number: int, seconds: float) -> str:
        """Return `restarts in 4 s (2 of 3)`."""
        return f"{BACKING_OFF} {seconds:.0f} s ({number} of {self.limit})"

    def describe_end(self) -> str:
        """Return why there is no further restart."""
        return (
            f"given up after {self.limit} restarts in "
            f"{self.window_seconds / 60:.0f} minutes"
        )
