"""
Lets a recorded day happen: puts the clock, sets the prices, sends the alerts.

After each event it waits until the services have nothing left to do.  So what they do
depends on the file alone, and not on how quick a machine is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shoonya_platform.brokers.paper import PaperBroker
from shoonya_platform.clock import set_replay_clock
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.errors import AlertRefused, ShoonyaError
from shoonya_platform.replay.recording import (
    AlertEvent,
    Event,
    PriceEvent,
    Recording,
)
from shoonya_platform.replay.results import RefusedAlert
from shoonya_platform.replay.settled import Settled

#: No event keeps the services busy for longer.
SETTLE_SECONDS = 30.0

_LOOK_SECONDS = 0.003

_WHO_LOOKS = ("order_watcher", "risk_manager")


class Player:
    """
    Plays one day.

    Args:
        clock_path: The clock that all processes of the replay see.

        send: Posts an alert to the webhook and returns its answer.

        ring: Rings the named services' doorbells.

        speed: So many times faster than the day was; 0 as fast as it goes.

        stopping: Set when somebody wants no more of it.
    """

    def __init__(
        self,
        recording: Recording,
        clock_path: Path,
        broker: PaperBroker,
        settled: Settled,
        *,
        send: Callable[[str], dict[str, Any]],
        ring: Callable[..., None],
        speed: float,
        stopping: threading.Event,
    ) -> None:
        self._recording = recording
        self._clock_path = clock_path
        self._broker = broker
        self._settled = settled
        self._send = send
        self._ring = ring
        self._speed = speed
        self._stopping = stopping
        #: Which alert came from which line.
        self.lines: dict[AlertId, int] = {}
        self.refused: list[RefusedAlert] = []

    def play(self) -> None:
        """
        Play the whole day.

        Raises:
            ShoonyaError: The services did not come to an end with something.
        """
        previous = self._recording.begin
        self._settle("the start")
        for event in self._recording.events:
            if self._speed:
                self._stopping.wait((event.at - previous).total_seconds() / self._speed)
            if self._stopping.is_set():
                return
            previous = event.at
            self._happen(event)

    def _happen(self, event: Event) -> None:
        set_replay_clock(self._clock_path, event.at)
        if isinstance(event, PriceEvent):
            self._broker.set_price(event.exchange, event.tradingsymbol, event.price)
            self._ring(*_WHO_LOOKS)
        else:
            self._alert(event)
        self._settle(f"line {event.line}")

    def _alert(self, event: AlertEvent) -> None:
        try:
            answer = self._send(json.dumps(event.body, default=str))
        except AlertRefused as e:
            code, _, reason = e.message.partition(": ")
            self.refused.append(
                RefusedAlert(line=event.line, at=event.at, code=code, reason=reason)
            )
            return
        alert_id = AlertId(str(answer.get("alert_id", "")))
        self.lines.setdefault(alert_id, event.line)

    def _settle(self, what: str) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        while waits := self._settled.waits_for():
            if self._stopping.is_set():
                return
            if time.monotonic() > deadline:
                raise ShoonyaError(
                    f"after {what} the services do not settle: {waits}",
                    hint="the logs stand in the replay's directory: --keep",
                )
            self._ring(*_WHO_LOOKS)
            time.sleep(_LOOK_SECONDS)
