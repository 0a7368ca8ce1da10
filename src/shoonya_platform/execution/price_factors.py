"""
Which price factor an order gets, and which one values what is open.

An order carries its factor from planning on, and a position from its first fill, so
that whatever reads them needs no instruments.  What is open is compared with the
instruments again and again: a list that came later, or a revised contract, values it
from then on.  What was realised before stays as it was booked.
"""

from __future__ import annotations

from decimal import Decimal

from shoonya_platform.clock import Clock
from shoonya_platform.domain.instruments import Exchange, Source
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.logging import ServiceLogger
from shoonya_platform.store.base import OrderStore

#: Seconds between two looks at what is open.
LOOK_SECONDS = 60.0

_UNKNOWN = Decimal(1)


def price_factor(
    store: OrderStore,
    instruments: Instruments,
    strategy: str,
    exchange: Exchange,
    tradingsymbol: str,
) -> Decimal:
    """
    Return the factor of a strategy's next order in an instrument.

    What the strategy holds counts first, as its fill will be booked by that.  Of what
    nothing is known the factor is 1; the guard lets no entry of it pass.
    """
    for position in store.positions.get(strategy, exchange, tradingsymbol):
        if position.quantity:
            return position.price_factor
    instrument = instruments.find(exchange, tradingsymbol)
    return _UNKNOWN if instrument is None else instrument.price_factor


class FactorKeeper:
    """Brings what is open to the factors of the instruments."""

    def __init__(
        self,
        store: OrderStore,
        instruments: Instruments,
        clock: Clock,
        logger: ServiceLogger,
    ) -> None:
        self._store = store
        self._instruments = instruments
        self._clock = clock
        self._logger = logger
        self._looked_at = float("-inf")

    def look(self) -> None:
        """Compare, unless that was done a moment ago."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        changed: dict[tuple[Exchange, str], tuple[Decimal, Decimal]] = {}
        for position in self._store.positions.open():
            key = (position.exchange, position.tradingsymbol)
            found = self._instruments.find(*key)
            # A contract that has left the broker's list must not change by a guess.
            if found is None or found.source is Source.UNLISTED:
                continue
            if found.price_factor != position.price_factor:
                changed[key] = (position.price_factor, found.price_factor)
        if not changed:
            return
        with self._store.transaction(durable=False):
            for key, (_, factor) in changed.items():
                self._store.positions.note_factor(*key, factor)
        for (exchange, tradingsymbol), (before, factor) in changed.items():
            self._logger.warning(
                "%s:%s is valued by the price factor %s instead of %s from now on; "
                "what was realised before stays as it was booked",
                exchange,
                tradingsymbol,
                factor,
                before,
                extra={"event": "price_factor_changed"},
            )
