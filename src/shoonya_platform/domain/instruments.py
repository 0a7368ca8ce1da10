"""Exchanges and what may be traded on them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Exchange(StrEnum):
    """Exchange and segment, in the words that alerts and Noren share."""

    NSE = "NSE"  #: National Stock Exchange, equity cash
    NFO = "NFO"  #: National Stock Exchange, futures and options
    BSE = "BSE"  #: Bombay Stock Exchange, equity cash
    BFO = "BFO"  #: Bombay Stock Exchange, futures and options
    CDS = "CDS"  #: National Stock Exchange, currency derivatives
    MCX = "MCX"  #: Multi Commodity Exchange


class Product(StrEnum):
    """How long a position is meant to be held."""

    CNC = "CNC"  #: delivery
    NRML = "NRML"  #: carried overnight on margin
    MIS = "MIS"  #: squared off the same day


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBand:
    """The prices an exchange takes today, in rupees; None is no limit."""

    lower: Decimal | None = None
    upper: Decimal | None = None

    def has(self, price: Decimal) -> bool:
        return (self.lower is None or price >= self.lower) and (
            self.upper is None or price <= self.upper
        )

    def nearest(self, price: Decimal) -> Decimal:
        """Return the price, or the border that is nearest to it."""
        if self.lower is not None:
            price = max(price, self.lower)
        return price if self.upper is None else min(price, self.upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One thing that can be traded, with the limits its exchange sets."""

    exchange: Exchange
    tradingsymbol: str
    #: Quantities are multiples of this many units.
    lot_size: int = 1
    #: Prices are multiples of this many rupees.
    tick_size: Decimal = Decimal("0.05")
    #: The largest quantity of one order, in units; None if the exchange sets none.
    freeze_quantity: int | None = None
    #: Rupees that one unit gains when its price rises by one: 100 for GOLD, whose lot
    #: of 1 kg is quoted for 10 g.  Noren calls it `prcftr`.
    price_factor: Decimal = Decimal(1)

    @property
    def largest_quantity(self) -> int | None:
        """The freeze quantity rounded down to whole lots, in units."""
        if self.freeze_quantity is None:
            return None
        return self.freeze_quantity - self.freeze_quantity % self.lot_size
