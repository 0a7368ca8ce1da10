"""
Alerts that state what their strategy holds: their orders never contradict it.

Where our book differs from what an alert goes out from, an alert was missed, denied or
done twice.  That is shown, and a setting decides whether the alert is refused or the
position is brought to what it states.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import Alert, AlertStatus, StoredAlert
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.exits import ExitKind, exit_kind
from shoonya_platform.domain.orders import OPEN, Intent, Order
from shoonya_platform.domain.stated import (
    Outcome,
    stated_after,
    stated_before,
    step_of,
)
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.planning import asked, is_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Alerts of so long may have come in another order than they were sent.
MOMENT = timedelta(seconds=10)

#: Seconds between two looks at what was acknowledged.
LOOK_SECONDS = 10.0

_KIND = DiscrepancyKind.BELIEF_DIFFERS


class StatedPositions:
    """
    The part of `trading_bot` that holds alerts to what they state; in a transaction.

    Args:
        reaches: Whether a position that differs is brought to what is stated.
    """

    def __init__(self, store: OrderStore, clock: Clock, *, reaches: bool) -> None:
        self._store = store
        self._clock = clock
        self._reaches = reaches
        self._looked_at = float("-inf")
        self._discrepancies = Discrepancies(store, get_component_logger("trading_bot"))

    def look(self) -> None:
        """Resolve what a person has acknowledged; not in a transaction."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        done = [
            found.subject
            for found in self._store.discrepancies.unresolved(_KIND)
            if found.acknowledged_at is not None
        ]
        if done:
            with self._store.transaction(durable=False):
                for subject in done:
                    self._discrepancies.resolve(_KIND, subject)

    def waits(self, stored: StoredAlert, *, is_fresh: bool) -> bool:
        """
        Return whether our book may still become what an alert goes out from.

        Args:
            is_fresh: Alerts of its moment may still arrive.
        """
        alert, before = stored.alert, stated_before(stored.alert)
        if before is None or alert.intent is Intent.EXIT or len(alert.legs) != 1:
            return False
        if self._under_way(alert):
            return True
        return is_fresh and not before.agrees(self._held(alert))

    def settle(self, stored: StoredAlert) -> StoredAlert | None:
        """
        Return an alert as it is to be planned.

        Returns:
            None if nothing is to be done; the alert is at its end then.
        """
        alert = stored.alert
        if alert.intent is Intent.EXIT or len(alert.legs) != 1:
            return stored
        if stated_before(alert) is None and stated_after(alert) is None:
            return stored
        (leg,) = alert.legs
        side, quantity = asked(leg)
        held = self._held(alert)
        step = step_of(alert, side, quantity, held, reaches=self._reaches)
        under_way = self._under_way(alert)
        if under_way and stated_before(alert) is not None:
            # It has waited for them, and nobody knows what they will have filled.
            step = replace(step, outcome=Outcome.DIFFERS)
        where = f"{alert.exchange}:{leg.tradingsymbol}"
        if step.outcome is Outcome.REACHED or self._is_superseded(stored, held):
            self._end(
                stored, AlertStatus.SKIPPED, f"{where} is as stated already: {held}"
            )
            self._discrepancies.resolve(_KIND, self._subject(alert))
            return None
        if step.outcome is Outcome.DIFFERS:
            text = self._difference(alert, held)
            if under_way:
                text += f"; order {under_way[0].order_id} is {under_way[0].status}"
            self._note(stored, f"{text}; the alert is not done")
            self._end(stored, AlertStatus.NOT_DONE, text)
            return None
        if step.outcome is Outcome.REACH:
            text = self._difference(alert, held)
            self._note(stored, f"{text}; {step.side} {step.quantity} brings it to that")
            alert = replace(alert, intent=Intent.ADJUST)
        else:
            self._discrepancies.resolve(_KIND, self._subject(alert))
        changed = replace(leg, side=step.side, quantity=step.quantity)
        return replace(stored, alert=replace(alert, legs=(changed,)))

    def _held(self, alert: Alert) -> int:
        (leg,) = alert.legs
        return sum(
            position.quantity
            for position in self._store.positions.get(
                alert.strategy, alert.exchange, leg.tradingsymbol
            )
        )

    def _under_way(self, alert: Alert) -> list[Order]:
        """Return the orders that will change what is held; not stops and targets."""
        symbols = {leg.tradingsymbol for leg in alert.legs}
        return [
            order
            for order in self._store.orders.in_status(*sorted(OPEN))
            if is_of(order, alert, symbols)
            and (
                order.intent is not Intent.EXIT
                or exit_kind(order, self._alert_of(order)) is ExitKind.MARKET
            )
        ]

    def _alert_of(self, order: Order) -> Alert | None:
        stored = self._store.alerts.get(order.alert_id)
        return None if stored is None else stored.alert

    def _is_superseded(self, stored: StoredAlert, held: int) -> bool:
        """Return whether the alert that follows this one came before it."""
        after = stated_after(stored.alert)
        now = self._clock.now()
        if after is None:
            return False
        for other in self._store.alerts.received_between(now - MOMENT, now):
            next_after = stated_after(other.alert)
            if (
                other.alert_id != stored.alert_id
                and other.alert.strategy == stored.alert.strategy
                and {leg.tradingsymbol for leg in other.alert.legs}
                == {leg.tradingsymbol for leg in stored.alert.legs}
                and stated_before(other.alert) == after
                and next_after is not None
                and next_after.agrees(held)
                and other.status is not AlertStatus.RECEIVED
            ):
                return True
        return False

    def _difference(self, alert: Alert, held: int) -> str:
        before, after = stated_before(alert), stated_after(alert)
        (leg,) = alert.legs
        return (
            f"'{alert.strategy}' states that it goes from {before or 'nothing said'} "
            f"to {after or 'nothing said'} in {alert.exchange}:{leg.tradingsymbol}, "
            f"and holds {held}"
        )

    def _subject(self, alert: Alert) -> str:
        return f"{alert.strategy} {alert.exchange}:{alert.legs[0].tradingsymbol}"

    def _note(self, stored: StoredAlert, text: str) -> None:
        self._discrepancies.note(
            _KIND,
            self._subject(stored.alert),
            f"alert {stored.alert_id}: {text}",
            "see which alert was missed, denied or doubled: shoonyactl trace "
            f"{stored.alert_id}",
        )

    def _end(self, stored: StoredAlert, status: AlertStatus, outcome: str) -> None:
        self._store.alerts.record(
            stored.alert_id, status, outcome=outcome, text=outcome
        )
