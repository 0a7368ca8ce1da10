"""
Closes positions by the clock.

What it does is in the store: after a restart it goes on, and where an exit is under way
it sends none.  Until a position is closed, an exit that came to nothing is followed by
another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shoonya_platform.clock import Clock
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.square_off import SquareOffTimes
from shoonya_platform.logging import get_component_logger
from shoonya_platform.risk.under_way import EXIT_AGAIN_SECONDS, without_exit
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.flatten import add_exits


class SquareOff:
    """
    The part of `risk_manager` that watches the clock.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self,
        store: OrderStore,
        times: SquareOffTimes,
        clock: Clock,
        ring: Callable[..., None],
    ) -> None:
        self._store = store
        self._times = times
        self._clock = clock
        self._ring = ring
        self._exited_at = float("-inf")
        self._logger = get_component_logger("risk_manager")

    def look(self, positions: Sequence[Position]) -> None:
        """Exit what is to be closed by now."""
        now, since = self._clock.now(), self._clock.monotonic() - self._exited_at
        due = [
            position
            for position in positions
            if position.quantity
            and self._times.is_due(
                position.strategy, position.exchange, position.product, now
            )
            and self._times.is_open(position.exchange, now)
        ]
        if not due or since < EXIT_AGAIN_SECONDS:
            return
        left = without_exit(self._store, due)
        if not left:
            return
        with self._store.transaction(durable=True):
            exits = add_exits(
                self._store, left, key=f"square-off-{now:%Y%m%d-%H%M%S}", at=now
            )
        self._exited_at = self._clock.monotonic()
        if exits:
            self._logger.warning(
                "square-off: %d positions are closed by the clock, %d exits sent",
                len(left),
                len(exits),
                extra={"event": "square_off"},
            )
            self._ring("trading_bot")
