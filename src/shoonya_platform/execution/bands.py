"""
Fetches last prices and the exchange's price bands for what alerts name.

The guard judges inside a transaction, where nobody may wait for a broker; so both
are fetched before, by who asks the broker for prices anyway.  A band serves a while;
the last price is that of each alert's moment, as a limit is measured by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from shoonya_platform.brokers.base import Quote
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.days import day_begin
from shoonya_platform.domain.instruments import Exchange, PriceBand
from shoonya_platform.domain.orders import AlertId, Intent
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: A band serves this long: exchanges widen them in steps, minutes apart, and a flood
#: of alerts must not use up the requests that orders need.
BAND_SECONDS = 30.0
#: After a failure nobody is asked for this long.
RETRY_SECONDS = 1.0
#: An entry waits so long for a band that could not be had at once.
PATIENCE_SECONDS = 5.0

Key = tuple[Exchange, str]


class QuoteSource(Protocol):
    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None: ...

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None: ...


@dataclass(frozen=True, slots=True)
class Told:
    """What the broker told just now."""

    bands: dict[Key, PriceBand] = field(default_factory=dict)
    prices: dict[Key, Decimal] = field(default_factory=dict)  #: the last ones, rupees


class BandKeeper:
    """Knows which bands are fresh."""

    def __init__(self, store: OrderStore, quotes: QuoteSource, clock: Clock) -> None:
        self._store = store
        self._quotes = quotes
        self._clock = clock
        self._fresh_until: dict[Key, float] = {}
        self._silent_until = float("-inf")
        self._failing: set[Key] = set()
        #: Entries without a band, and since when they wait for one.
        self._waiting: dict[AlertId, float] = {}
        self._logger = get_component_logger("trading_bot")

    def fetch(self, alerts: Iterable[StoredAlert]) -> Told:
        """Return last prices, and bands that had aged; a failure leaves both out."""
        told = Told()
        self._failing.clear()
        for key in dict.fromkeys(
            (stored.alert.exchange, leg.tradingsymbol)
            for stored in alerts
            for leg in stored.alert.legs
        ):
            self._ask(key, told)
        return told

    def waiting(self, alerts: Iterable[StoredAlert]) -> set[AlertId]:
        """Return the entries, of those just fetched for, that wait for a band yet."""
        now = self._clock.monotonic()
        before, self._waiting = self._waiting, {}
        for stored in alerts:
            if stored.alert.intent is not Intent.EXIT and self._lacks(stored):
                since = before.get(stored.alert_id, now)
                if now - since < PATIENCE_SECONDS:
                    self._waiting[stored.alert_id] = since
        return set(self._waiting)

    def _lacks(self, stored: StoredAlert) -> bool:
        today = day_begin(self._clock.now())
        keys = {(stored.alert.exchange, leg.tradingsymbol) for leg in stored.alert.legs}
        return any(
            self._store.positions.band(*key, since=today) is None
            for key in keys & self._failing
        )

    def _ask(self, key: Key, told: Told) -> None:
        now = self._clock.monotonic()
        if now < self._silent_until:
            self._failing.add(key)
            return
        try:
            if now < self._fresh_until.get(key, float("-inf")):
                price = self._quotes.last_price(*key)
            else:
                quote = self._quotes.quote(*key)
                self._fresh_until[key] = self._clock.monotonic() + BAND_SECONDS
                price = None if quote is None else quote.last_price
                if quote is None:
                    self._logger.warning(
                        "the broker knows no %s:%s",
                        *key,
                        extra={"event": "band_unknown"},
                    )
                else:
                    told.bands[key] = quote.band
        except BrokerUnavailable as e:
            self._failing.add(key)
            self._silent_until = self._clock.monotonic() + RETRY_SECONDS
            self._logger.warning(
                "no quote of %s:%s: %s, proceeding without",
                *key,
                e.sentence,
                extra={"event": "band_unknown"},
            )
            return
        if price is not None:
            told.prices[key] = price
