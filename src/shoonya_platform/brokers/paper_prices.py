"""
Prices that nobody has to pay for.

"last" stands still at the last price heard of.  "walk" wanders from there, a step a
second: where it stands depends on the seed, the instrument and the number of steps
alone, so all processes see the same and a test can repeat it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand
from shoonya_platform.errors import ConfigError, NotAllowed

PriceSource = Literal["last", "walk"]
STEP_SECONDS = 1.0
#: A step moves by about this share of the price: some 0.4 % in an hour.
_STEP_SHARE = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """How the paper broker behaves; money and prices in rupees."""

    #: What the account begins with.
    cash: Decimal = Decimal(10_000_000)
    price_source: PriceSource = "last"
    #: Where a price begins that nobody has named.
    first_price: Decimal = Decimal(100)
    #: By `EXCHANGE:TRADINGSYMBOL`; these stand, whatever price is heard of.
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    #: By `EXCHANGE:TRADINGSYMBOL`; orders beyond them are rejected.
    bands: Mapping[str, PriceBand] = field(default_factory=dict)
    seed: int = 1
    #: Fills at most this many units of an order in one step; 0 is no limit.
    max_fill_quantity: int = 0

    def __post_init__(self) -> None:
        for name, price in {"first_price": self.first_price, **self.prices}.items():
            if not (price.is_finite() and price > 0):
                raise ConfigError(f"paper: {name}: expected a price, was {price}")
        for name, band in self.bands.items():
            borders = [band.lower or Decimal(0), band.upper or Decimal("Infinity")]
            if not 0 <= borders[0] < borders[1]:
                raise ConfigError(
                    f"paper: bands: {name}: expected a lower and a higher price, "
                    f"was {band.lower} to {band.upper}"
                )
        if self.max_fill_quantity < 0:
            raise ConfigError(
                "paper.max_fill_quantity: expected 0 or more, "
                f"was {self.max_fill_quantity}"
            )


class Prices:
    """The price of everything, as of a moment."""

    def __init__(self, settings: PaperSettings) -> None:
        self._settings = settings
        # Ticks moved in all whole blocks, so that a walk of weeks is not walked
        # again for each question.
        self._walked: dict[tuple[str, str], tuple[int, int]] = {}

    def set(
        self,
        connection: sqlite3.Connection,
        exchange: Exchange,
        tradingsymbol: str,
        price: Decimal,
        now: datetime,
    ) -> None:
        if not (price.is_finite() and 0 < price <= 100_000_000):
            raise NotAllowed(f"expected a price in rupees, was {price}")
        connection.execute(
            "INSERT INTO prices VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET price = excluded.price, set_at = excluded.set_at",
            (exchange, tradingsymbol, str(price), now.isoformat()),
        )

    def last(
        self, connection: sqlite3.Connection, instrument: Instrument, now: datetime
    ) -> Decimal:
        """Return the last price, on the instrument's tick."""
        name = f"{instrument.exchange}:{instrument.tradingsymbol}"
        tick = instrument.tick_size
        fixed = self._settings.prices.get(name)
        row = None
        if fixed is None:
            row = connection.execute(
                "SELECT price, set_at FROM prices"
                " WHERE exchange = ? AND tradingsymbol = ?",
                (instrument.exchange, instrument.tradingsymbol),
            ).fetchone()
        if row is not None:
            begin = to_tick(Decimal(row["price"]), tick)
        else:
            begin = to_tick(fixed or self._settings.first_price, tick)
        if self._settings.price_source == "last":
            return begin
        if row is not None:
            since = row["set_at"]
        else:
            since = connection.execute("SELECT opened_at FROM account").fetchone()[0]
        seconds = (now - datetime.fromisoformat(since)).total_seconds()
        moved = self._moved(name, since, max(0, int(seconds / STEP_SECONDS)))
        return walked(begin, tick, moved)

    def band(self, exchange: Exchange, tradingsymbol: str) -> PriceBand:
        """Return the invented band; without limits where none was invented."""
        return self._settings.bands.get(f"{exchange}:{tradingsymbol}", PriceBand())

    def _moved(self, name: str, since: str, step: int) -> int:
        block = step // STEPS_A_BLOCK
        done, moved = self._walked.get((name, since), (0, 0))
        if done > block:
            done, moved = 0, 0
        seed = self._settings.seed
        for number in range(done, block):
            moved += _block(seed, name, number, STEPS_A_BLOCK)
        self._walked[name, since] = (block, moved)
        return moved + _block(seed, name, block, step % STEPS_A_BLOCK)


STEPS_A_BLOCK = 1024


def _block(seed: int, name: str, block: int, steps: int) -> int:
    # Two bits a step, one up and one down: -1, 0 or 1.
    size = STEPS_A_BLOCK // 8
    source = hashlib.shake_128(f"{seed}|{name}|{block}".encode())
    bits = source.digest(2 * size)
    mask = (1 << steps) - 1
    up = int.from_bytes(bits[:size], "little") & mask
    down = int.from_bytes(bits[size:], "little") & mask
    return up.bit_count() - down.bit_count()


def walked(begin: Decimal, tick: Decimal, moved: int) -> Decimal:
    """Return the price after `moved` steps up (or down); it bounces off one tick."""
    stride = max(tick, to_tick(begin * _STEP_SHARE, tick))
    price = begin + stride * moved
    return price if price >= tick else 2 * tick - price


def to_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Return the nearest price on the tick, which is never 0."""
    ticks = (price / tick).to_integral_value(rounding=ROUND_HALF_UP)
    return max(ticks, Decimal(1)) * tick
