"""
Asks the broker for what its list of instruments lacks: the freeze quantity.

The guard has no network, so the process that asks for quotes asks for this as well,
once a day for each instrument.  An order of a few lots is below any freeze quantity:
its question waits until there is nothing else to do.  A larger one, and what the list
does not have at all, is asked for before the order is planned.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Protocol

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: No exchange freezes an order of so many lots; the smallest quantity known is 10.
_FEW_LOTS = 5
#: Nor one of so many shares.
_FEW_SHARES = 500
#: After a failure the next question waits this long.
RETRY_SECONDS = 60.0

Key = tuple[Exchange, str]


class Asks(Protocol):
    """The broker, as far as it is asked here."""

    def instrument(
        self, exchange: Exchange, tradingsymbol: str
    ) -> Instrument | None: ...


class FigureKeeper:
    """
    Knows which instruments were asked for today.

    Args:
        instruments: What the guard goes by; asked first.

        broker: Keeps its answers where `instruments` finds them.
    """

    def __init__(
        self, store: OrderStore, instruments: Instruments, broker: Asks, clock: Clock
    ) -> None:
        self._store = store
        self._instruments = instruments
        self._broker = broker
        self._clock = clock
        self._day: date | None = None
        self._asked: set[Key] = set()
        self._later: dict[Key, None] = {}
        self._silent_until = float("-inf")
        self._logger = get_component_logger("trading_bot")

    def fetch(self, alerts: Iterable[StoredAlert]) -> None:
        """Ask for what the orders of these alerts need; note the rest for later."""
        self._begin_day()
        for stored in alerts:
            for leg in stored.alert.legs:
                key = (stored.alert.exchange, leg.tradingsymbol)
                if key in self._asked:
                    continue
                held = self._store.positions.get(stored.alert.strategy, *key)
                largest = max(
                    [leg.quantity or 0, *(abs(each.quantity) for each in held)]
                )
                if self._is_needed(key, largest):
                    self._ask(key)
                else:
                    self._later[key] = None

    def ask_one(self) -> None:
        """Ask for one of those that could wait, if there are any."""
        self._begin_day()
        if self._later and self._clock.monotonic() >= self._silent_until:
            self._ask(next(iter(self._later)))

    def _begin_day(self) -> None:
        today = trading_day(self._clock.now())
        if today == self._day:
            return
        self._day = today
        self._asked.clear()
        # An exit of all that is held may come from anywhere.
        self._later = {
            (position.exchange, position.tradingsymbol): None
            for position in self._store.positions.open()
        }

    def _is_needed(self, key: Key, quantity: int) -> bool:
        instrument = self._instruments.find(*key)
        if instrument is None or not instrument.source.is_broker:
            return True
        if instrument.freeze_quantity is not None:
            return False
        few = instrument.lot_size * _FEW_LOTS
        if instrument.kind is Kind.CASH:
            few = max(few, _FEW_SHARES)
        return quantity > few

    def _ask(self, key: Key) -> None:
        if self._clock.monotonic() < self._silent_until:
            self._later[key] = None
            return
        self._later.pop(key, None)
        try:
            self._broker.instrument(*key)
        except BrokerUnavailable as e:
            self._later[key] = None
            self._silent_until = self._clock.monotonic() + RETRY_SECONDS
            self._logger.warning(
                "no freeze quantity of %s:%s: %s, proceeding without",
                *key,
                e.sentence,
                extra={"event": "freeze_unknown"},
            )
            return
        self._asked.add(key)
