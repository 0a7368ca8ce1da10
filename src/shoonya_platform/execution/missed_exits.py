"""
Exits that found nothing: what is said of them, and what they may have meant.

"Flat" is an answer that people trust.  It is given only where nothing similar is held:
an exit that names its position otherwise is not done, and the operator is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus, Leg, StoredAlert
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import Exchange, Instrument
from shoonya_platform.domain.orders import OPEN, AlertId, Intent
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.similar import similar_holdings
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.execution.planning import is_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Seconds between two looks at what was missed.
LOOK_SECONDS = 10.0

_KIND = DiscrepancyKind.EXIT_MISSED


class Instruments(Protocol):
    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None: ...


class MissedExits:
    """The part of `trading_bot` that answers such exits."""

    def __init__(
        self, store: OrderStore, instruments: Instruments, clock: Clock
    ) -> None:
        self._store = store
        self._clock = clock
        self._looked_at = float("-inf")
        self._instruments = instruments
        self._logger = get_component_logger("trading_bot")
        self._discrepancies = Discrepancies(store, self._logger)

    def explain(
        self, stored: StoredAlert, numbers: Sequence[int]
    ) -> tuple[AlertStatus, str]:
        """
        Say why legs of an exit have nothing to do; inside a transaction of the store.

        Args:
            numbers: Of the legs, from 1.

        Returns:
            How the alert ends if that is all of its legs, and a sentence about them.
        """
        status = AlertStatus.SKIPPED
        sentences = []
        for number in numbers:
            leg = stored.alert.legs[number - 1]
            similar = self._similar(stored, leg)
            if similar:
                status = AlertStatus.NOT_DONE
                sentence = self._note(stored, number, similar)
            else:
                sentence = self._reason(stored, leg)
            sentences.append(sentence)
            self._logger.info(
                "%s",
                sentence,
                extra={
                    "alert_id": stored.alert_id,
                    "strategy": stored.alert.strategy,
                    "event": "leg_skipped",
                },
            )
        return status, "; ".join(sentences)

    def look(self) -> None:
        """Resolve what is acknowledged, or no longer held."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if self._store.discrepancies.unresolved(_KIND):
            with self._store.transaction(durable=False):
                self._resolve()

    def _resolve(self) -> None:
        for found in self._store.discrepancies.unresolved(_KIND):
            alert_id, _, number = found.subject.rpartition("/")
            stored = self._store.alerts.get(AlertId(alert_id))
            if (
                stored is None
                or found.acknowledged_at is not None
                or not self._similar(stored, stored.alert.legs[int(number) - 1])
            ):
                self._discrepancies.resolve(_KIND, found.subject)

    def _similar(self, stored: StoredAlert, leg: Leg) -> list[Position]:
        alert = stored.alert
        instrument = self._instruments.find(alert.exchange, leg.tradingsymbol)
        return similar_holdings(
            self._store.positions.open(),
            alert.strategy,
            alert.exchange,
            leg.tradingsymbol,
            exists=instrument is not None,
        )

    def _note(
        self, stored: StoredAlert, number: int, similar: Sequence[Position]
    ) -> str:
        alert, leg = stored.alert, stored.alert.legs[number - 1]
        held = ", ".join(
            f"'{each.strategy}' holds {each.quantity} "
            f"{each.exchange}:{each.tradingsymbol} {each.product}"
            for each in similar
        )
        text = (
            f"not done: '{alert.strategy}' holds nothing in "
            f"{alert.exchange}:{leg.tradingsymbol}, but {held}"
        )
        self._discrepancies.note(
            _KIND,
            f"{stored.alert_id}/{number}",
            f"exit {stored.alert_id} was {text}",
            "correct the alert in TradingView, and send an exit for what is held",
        )
        return text

    def _reason(self, stored: StoredAlert, leg: Leg) -> str:
        alert = stored.alert
        closing = [
            order.order_id
            for order in self._store.orders.in_status(*sorted(OPEN))
            if order.intent is Intent.EXIT and is_of(order, alert, {leg.tradingsymbol})
        ]
        where = f"{alert.exchange}:{leg.tradingsymbol}"
        if closing:
            return f"nothing more to exit in {where}: order {closing[0]} closes it"
        return f"nothing to exit in {where}: '{alert.strategy}' is flat"
