"""What the run's strategies send: each enters two legs, and most exit again."""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.store.base import OrderStore
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import Platform, entry
from tests.chaos.worlds import SYMBOLS

SENDERS = 4
#: An exit follows its entry after so many others.
EXIT_AFTER = 4
#: Share of the exits that ask nothing, and may find the entry still on its way.
EARLY = 0.2
#: So many entries of a sender may be on their way at once.
WINDOW = 12
_ENDED = (AlertStatus.COMPLETED, AlertStatus.SKIPPED)

#: An alert that ended only after this is a lost one.
PATIENCE_SECONDS = 120


class Traffic:
    """
    Sends alerts as stubborn senders do, each until it is answered.

    Args:
        pairs: Entries; an order for each of two legs, and as many for its exit.

        on_answer: Called for each alert that was accepted.
    """

    def __init__(
        self,
        platform: Platform,
        seed: int,
        pairs: int,
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        self._platform = platform
        self._on_answer = on_answer
        self._pairs = pairs
        chance = random.Random(seed)
        self._legs = [chance.sample(SYMBOLS, 2) for _ in range(pairs)]
        self._is_early = [chance.random() < EARLY for _ in range(pairs)]
        #: By number of the strategy.
        self.entries: dict[int, AlertId] = {}
        self.exits: dict[int, AlertId] = {}

    def send(self) -> None:
        """Send everything; return when all of it was accepted."""
        with ThreadPoolExecutor(SENDERS) as senders:
            for done in [senders.submit(self._send_every, n) for n in range(SENDERS)]:
                done.result()

    def legs(self, number: int) -> list[str]:
        """Return the instruments that a strategy sells."""
        return self._legs[number]

    def all(self) -> list[AlertId]:
        return [*self.entries.values(), *self.exits.values()]

    def _send_every(self, first: int) -> None:
        store = self._platform.store()

        def wait_for(number: int) -> None:
            alert_id = self.entries[number]
            eventually(
                lambda: _has_ended(store, alert_id),
                PATIENCE_SECONDS,
                message=f"the end of alert {alert_id}",
            )

        try:
            mine = list(range(first, self._pairs, SENDERS))
            for place, number in enumerate(mine):
                if place >= WINDOW:
                    wait_for(mine[place - WINDOW])
                self.entries[number] = self._post(number, is_exit=False)
                if place >= EXIT_AFTER:
                    left = mine[place - EXIT_AFTER]
                    if not self._is_early[left]:
                        wait_for(left)
                    self.exits[left] = self._post(left, is_exit=True)
        finally:
            store.close()

    def _post(self, number: int, *, is_exit: bool) -> AlertId:
        body = entry(f"chaos-{number}", *self._legs[number])
        body["id"] = f"chaos-{number}"
        if is_exit:
            body["execution_type"] = "exit"
            body["id"] = f"chaos-{number}-exit"

        def answered() -> str | None:
            try:
                status, answer = self._platform.post(body)
            except (OSError, http.client.HTTPException, ValueError):
                return None
            # 200: it had been stored, and the answer was lost with the process.
            assert status in (200, 202, 503), answer
            return str(answer["alert_id"]) if status != 503 else None

        alert_id = AlertId(
            eventually(answered, 60, message=f"an answer to {body['id']}")
        )
        self._on_answer()
        return alert_id


def _has_ended(store: OrderStore, alert_id: AlertId) -> bool:
    stored = store.alerts.get(alert_id)
    return stored is not None and stored.status in _ENDED
