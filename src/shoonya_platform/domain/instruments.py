"""Exchanges and what may be traded on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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


class Kind(StrEnum):
    """What sort of thing a tradingsymbol names."""

    CASH = "cash"
    FUTURE = "future"
    OPTION = "option"
    INDEX = "index"  #: quoted, and never traded itself


class Right(StrEnum):
    """What an option gives, in the words of the masters."""

    CALL = "CE"
    PUT = "PE"


class Source(StrEnum):
    """Where an instrument's figures come from."""

    MASTER = "master"  #: the broker's list of the day
    SECURITY_INFO = "security info"  #: the broker's answer; the list lacks it
    #: A guess from the packaged table: the list of the day lacks it.
    UNLISTED = "unlisted"
    PACKAGED = "packaged"  #: the table of this version; no list is at hand

    @property
    def is_broker(self) -> bool:
        return self in (Source.MASTER, Source.SECURITY_INFO)


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
    kind: Kind = Kind.CASH
    #: The broker's number, unique within the exchange; empty where it is not known.
    token: str = ""
    #: `NIFTY` of all its futures and options, `RELIANCE` of `RELIANCE-EQ`.
    underlying: str = ""
    #: The last day of trading; None for cash.
    expiry: date | None = None
    strike: Decimal | None = None  #: of an option, in rupees
    right: Right | None = None  #: of an option
    #: Decimals of a price; None where it is not known.
    precision: int | None = None
    #: The exchange's own word, for example `OPTSTK`, or the series of a share.
    instrument_type: str = ""
    source: Source = Source.PACKAGED
    #: Lot, tick and freeze quantity are what the configuration says.
    is_overridden: bool = False

    @property
    def largest_quantity(self) -> int | None:
        """The freeze quantity rounded down to whole lots, in units."""
        if self.freeze_quantity is None:
            return None
        # Less than a lot cannot be: such a figure is damaged, and limits nothing.
        return self.freeze_quantity - self.freeze_quantity % self.lot_size or None

    @property
    def is_tradable(self) -> bool:
        return self.kind is not Kind.INDEX

    def has_expired(self, today: date) -> bool:
        """Return whether its last day of trading is before `today`, in India."""
        return self.expiry is not None and self.expiry < today

    def on_tick(self, price: Decimal, rounding: str) -> Decimal:
        """Return the price on a tick, rounded by one of `decimal`'s rules."""
        ticks = (price / self.tick_size).to_integral_value(rounding)
        return ticks * self.tick_size
