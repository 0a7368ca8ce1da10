"""
What everything costs at a moment.

"last" stays at the last price that was set.  "walk" wanders from there, a step a
second: where it is depends on the seed, the instrument and the time alone.  What has no
price begins at the packaged one, an option at what a model makes of its underlying.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from shoonya_platform.clock import Clock
from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.noren import greeks
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.packaged import first_price
from shoonya_platform.testing.noren.words import india_day, to_tick

#: A price's lower and upper border; None is no limit.
Band = tuple[Decimal | None, Decimal | None]
Holding = tuple[int, Decimal]

_STEP_SHARE = Decimal("0.0001")
_BLOCK = 1024
_HIGHEST = Decimal(100_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettings:
    """The account's money, and how its market behaves."""

    #: What the account begins with, in rupees.
    cash: Decimal = Decimal(10_000_000)
    price_source: Literal["last", "walk"] = "last"
    #: Where prices begin that were never set; None takes the packaged ones.
    first_price: Decimal | None = None
    seed: int = 1
    #: Fills at most this many units of an order in one step; 0 is no limit.
    max_fill_quantity: int = 0
    #: What the account held before today: quantity and price by `EXCHANGE:SYMBOL`.
    holdings: Mapping[str, Holding] = field(default_factory=dict)


class Prices:
    """Last prices, and the bands around them."""

    def __init__(self, settings: MarketSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._opened_at = clock.now()
        self._set: dict[tuple[str, str], tuple[Decimal, datetime]] = {}
        self._closes: dict[tuple[str, str], Decimal] = {}
        self._bands: dict[tuple[str, str], Band] = {}
        self._walked: dict[tuple[tuple[str, str], datetime], tuple[int, int]] = {}

    def set(self, scrip: Scrip, price: Decimal) -> None:
        """
        Set a last price.

        Raises:
            NotAllowed: It cannot be a price.
        """
        if not (price.is_finite() and 0 < price <= _HIGHEST):
            raise NotAllowed(f"expected a price in rupees, was {price}")
        self._set[scrip.key] = (to_tick(price, scrip.tick_size), self._clock.now())
        self._closes.setdefault(scrip.key, price)

    def last(self, scrip: Scrip) -> Decimal:
        price, since = self._set.get(scrip.key, (None, self._opened_at))
        if price is None:
            price = to_tick(self._first(scrip), scrip.tick_size)
        if self._settings.price_source == "last":
            return price
        steps = int((self._clock.now() - since).total_seconds())
        stride = max(scrip.tick_size, to_tick(price * _STEP_SHARE, scrip.tick_size))
        wandered = price + stride * self._moved(scrip.key, since, max(0, steps))
        return max(wandered, scrip.tick_size)

    def close(self, scrip: Scrip) -> Decimal:
        """Return yesterday's closing price: the first one that is known here."""
        known = self._closes.get(scrip.key)
        return to_tick(self._first(scrip), scrip.tick_size) if known is None else known

    def set_bands(self, bands: Mapping[str, Band]) -> None:
        """Take only prices within these bands, by `EXCHANGE:TRADINGSYMBOL`."""
        self._bands = {
            (name.partition(":")[0], name.partition(":")[2]): band
            for name, band in bands.items()
        }

    def band(self, scrip: Scrip) -> Band:
        """
        Return the day's lower and upper price.

        A price that has left the band takes it along, as an exchange widens it.
        """
        known = self._bands.get(scrip.key)
        if known is not None:
            return known
        close = self.close(scrip)
        last = self.last(scrip)
        if scrip.is_option:
            return scrip.tick_size, to_tick(max(close, last) * 20, scrip.tick_size)
        share = Decimal("0.2") if not scrip.is_derivative else Decimal("0.1")
        reference = close
        if not close * (1 - share) <= last <= close * (1 + share):
            reference = last
        return (
            to_tick(reference * (1 - share), scrip.tick_size),
            to_tick(reference * (1 + share), scrip.tick_size),
        )

    def _first(self, scrip: Scrip) -> Decimal:
        if self._settings.first_price is not None:
            return self._settings.first_price
        root = scrip.root
        spot = first_price(scrip.exchange, root) or first_price("NSE", root)
        if spot is None:
            # A rough guess, so that a chain of real masters has its spot in the middle.
            spot = scrip.strike or Decimal(100)
        if scrip.expiry is None or not scrip.is_option or scrip.strike is None:
            return spot
        days = (scrip.expiry - india_day(self._clock.now())).days
        found = greeks.black_scholes(
            greeks.Option(
                spot=float(spot),
                strike=float(scrip.strike),
                years=max(days, 1) / 365,
                rate=0.065,
                volatility=0.15,
            )
        )
        price = found["cal_price" if scrip.right == "CE" else "put_price"]
        return Decimal(str(round(price, 4)))

    def _moved(self, key: tuple[str, str], since: datetime, step: int) -> int:
        block = step // _BLOCK
        done, moved = self._walked.get((key, since), (0, 0))
        if done > block:
            done, moved = 0, 0
        name = f"{self._settings.seed}|{':'.join(key)}"
        for each in range(done, block):
            moved += _wandered(name, each, _BLOCK)
        self._walked[key, since] = (block, moved)
        return moved + _wandered(name, block, step % _BLOCK)


def _wandered(name: str, block: int, steps: int) -> int:
    # Two bits a step, one up and one down: -1, 0 or 1.
    size = _BLOCK // 8
    bits = hashlib.shake_128(f"{name}|{block}".encode()).digest(2 * size)
    mask = (1 << steps) - 1
    up = int.from_bytes(bits[:size], "little") & mask
    down = int.from_bytes(bits[size:], "little") & mask
    return up.bit_count() - down.bit_count()
