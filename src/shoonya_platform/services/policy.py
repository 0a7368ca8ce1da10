"""How soon a crashed service is started again, and when no more."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RestartPolicy:
    """
    Exponential backoff, and a limit on crashes within a window.

    Counts crashes, not starts: an operator's own restarts cost nothing.  A run that
    was healthy for the whole window leaves no crash in it, so the backoff begins
    anew by itself.
    """

    first_delay_seconds: float = 1.0
    factor: float = 4.0
    longest_delay_seconds: float = 60.0
    limit: int = 3  #: restarts within the window
    window_seconds: float = 300.0
    _crashes: list[float] = field(default_factory=list)

    def crashed(self, now: float) -> float | None:
        """
        Note a crash.

        Args:
            now: A monotonic time in seconds.

        Returns:
            Seconds to wait before the restart; None to give up.
        """
        self._crashes = [at for at in self._crashes if now - at < self.window_seconds]
        self._crashes.append(now)
        number = len(self._crashes)
        if number > self.limit:
            return None
        delay = self.first_delay_seconds * self.factor ** (number - 1)
        return min(delay, self.longest_delay_seconds)

    @property
    def restarts(self) -> int:
        """How many crashes count at the moment."""
        return len(self._crashes)

    def forget(self) -> None:
        """An operator took over: begin anew."""
        self._crashes.clear()
