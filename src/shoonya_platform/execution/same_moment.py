"""
Alerts of one moment wait for each other: an exit, and the entry that reverses it.

A strategy that reverses sends both at a candle's end, and they arrive in either order.
The entry waits until the exit has closed the position; an entry against what is held
waits a moment for the exit that may come after it.  So does an alert that goes out from
another position than ours, by what it states, for the alert that makes it so.
Neither waits for longer than is said here, and other strategies and instruments are not
concerned.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import dropwhile, takewhile

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import MarketPosition, StoredAlert
from shoonya_platform.domain.exits import ExitKind, exit_kind
from shoonya_platform.domain.orders import OPEN, Intent, Order
from shoonya_platform.domain.stated import stated_before
from shoonya_platform.execution.planning import is_of
from shoonya_platform.execution.stated_positions import StatedPositions
from shoonya_platform.store.base import OrderStore

#: An entry against what is held waits so long for its exit to arrive.
ARRIVAL = timedelta(seconds=1.5)
#: An entry waits so long for an exit that is on its way.
EXIT_PATIENCE = timedelta(seconds=10)


class SameMoment:
    """The part of `trading_bot` that puts such alerts in order; in a transaction."""

    def __init__(
        self, store: OrderStore, clock: Clock, stated: StatedPositions
    ) -> None:
        self._store = store
        self._clock = clock
        self._stated = stated

    def waits(self, entry: StoredAlert, received: Iterable[StoredAlert]) -> bool:
        """
        Return whether an alert that is no exit has to wait for others.

        Args:
            received: Alerts that have no orders yet, the oldest first.
        """
        # A clock that was set back lets nothing wait for longer.
        age = abs(self._clock.now() - entry.received_at)
        if entry.alert.intent is Intent.EXIT or age >= EXIT_PATIENCE:
            return False
        if self._stated.waits(entry, is_fresh=age < ARRIVAL):
            return True
        if self._is_exit_on_its_way(entry):
            return True
        if entry.alert.intent is not Intent.ENTRY:
            return False
        is_against = self._is_against_held(entry)
        if is_against and age < ARRIVAL:
            return True
        if not is_against:
            # A later exit is of this entry.
            received = takewhile(lambda each: each.alert_id != entry.alert_id, received)
        return any(
            each.alert.intent is Intent.EXIT and _concerns(each, entry)
            for each in received
        )

    def overtaken_by(
        self, stored: StoredAlert, received: Iterable[StoredAlert]
    ) -> StoredAlert | None:
        """Return the exit that came after an alert which states what it goes out from.

        Planned now, it would go out from what that exit is about to close.
        """
        before = stated_before(stored.alert)
        if before is None or before.position is MarketPosition.FLAT:
            # It follows the exit, or nobody knows.
            return None
        later = dropwhile(lambda each: each.alert_id != stored.alert_id, received)
        return next(
            (
                each
                for each in later
                if each.alert.intent is Intent.EXIT and _concerns(each, stored)
            ),
            None,
        )

    def is_reversal(self, entry: StoredAlert) -> bool:
        """Return whether an entry follows an exit, and is not given up for it."""
        return entry.alert.intent is Intent.ENTRY and self._is_against_held(entry)

    def _is_exit_on_its_way(self, entry: StoredAlert) -> bool:
        symbols = {leg.tradingsymbol for leg in entry.alert.legs}
        return any(
            order.intent is Intent.EXIT
            and is_of(order, entry.alert, symbols)
            and self._is_market(order)
            for order in self._store.orders.in_status(*sorted(OPEN))
        )

    def _is_market(self, order: Order) -> bool:
        stored = self._store.alerts.get(order.alert_id)
        alert = None if stored is None else stored.alert
        return exit_kind(order, alert) is ExitKind.MARKET

    def _is_against_held(self, entry: StoredAlert) -> bool:
        alert = entry.alert
        return any(
            leg.side is not None and position.quantity * leg.side.sign < 0
            for leg in alert.legs
            for position in self._store.positions.get(
                alert.strategy, alert.exchange, leg.tradingsymbol
            )
        )


def _concerns(exit_alert: StoredAlert, entry: StoredAlert) -> bool:
    """Return whether both are of one strategy and share an instrument."""
    first, second = exit_alert.alert, entry.alert
    symbols = {leg.tradingsymbol for leg in first.legs}
    return (first.strategy, first.exchange) == (
        second.strategy,
        second.exchange,
    ) and not symbols.isdisjoint(leg.tradingsymbol for leg in second.legs)
