"""Slows down whoever guesses passwords."""

from __future__ import annotations

from collections import OrderedDict, deque

from shoonya_platform.clock import Clock

WINDOW_SECONDS = 60.0
#: Wrong passwords a minute: from one address, and from all together.
PER_CLIENT = 5
IN_ALL = 30

_CLIENTS_KEPT = 1000


class Attempts:
    """Counts wrong passwords."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: deque[float] = deque()
        self._by_client: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Return how long *client* has to wait before its next try; 0 is now."""
        now = self._clock.monotonic()
        return max(
            _wait(self._all, IN_ALL, now),
            _wait(self._by_client.get(client, deque()), PER_CLIENT, now),
        )

    def note_failure(self, client: str) -> None:
        now = self._clock.monotonic()
        self._all.append(now)
        mine = self._by_client.setdefault(client, deque())
        mine.append(now)
        self._by_client.move_to_end(client)
        while len(self._by_client) > _CLIENTS_KEPT:
            self._by_client.popitem(last=False)


def _wait(failures: deque[float], most: int, now: float) -> float:
    while failures and failures[0] <= now - WINDOW_SECONDS:
        failures.popleft()
    if len(failures) < most:
        return 0.0
    return failures[-most] + WINDOW_SECONDS - now
