"""Requests that arrive long after their senders gave up."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Late:
    """Carries out what arrives late, in threads of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timers: dict[threading.Timer, Callable[[], object]] = {}
        self._arriving = 0

    @property
    def count(self) -> int:
        """How many are still on their way."""
        with self._lock:
            return len(self._timers) + self._arriving

    def send(self, seconds: float, handler: Callable[[], object]) -> None:
        """Let a request arrive after so many seconds."""
        timer = threading.Timer(seconds, lambda: self._arrive(timer))
        timer.daemon = True
        with self._lock:
            self._timers[timer] = handler
        timer.start()

    def arrive(self) -> None:
        """Let all arrive now."""
        with self._lock:
            timers = list(self._timers)
        for timer in timers:
            timer.cancel()
            self._arrive(timer)

    def close(self) -> None:
        """Lose what is on its way."""
        with self._lock:
            timers = list(self._timers)
            self._timers.clear()
        for timer in timers:
            timer.cancel()

    def _arrive(self, timer: threading.Timer) -> None:
        with self._lock:
            handler = self._timers.pop(timer, None)
            if handler is None:
                return
            self._arriving += 1
        try:
            handler()
        finally:
            # Only now, so that what is not counted any more is in the books.
            with self._lock:
                self._arriving -= 1
