"""
What can be traded, with lot, tick and freeze quantity, as far as it is known.

The broker knows these figures best; this table serves where there is none to ask: the
paper broker.  What is not known is never guessed
tighter than it may be: a lot of 1 and the smallest tick that the exchange has, so
that a valid order is not refused here for want of a figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Protocol

import msgspec

from shoonya_platform.domain.instruments import Exchange, Instrument, Kind, Right
from shoonya_platform.errors import ConfigError


class Figures(Protocol):
    """Anything with these figures, for example a section of the configuration."""

    @property
    def lot_size(self) -> int: ...

    @property
    def tick_size(self) -> Decimal: ...

    @property
    def freeze_quantity(self) -> int | None: ...

    @property
    def price_factor(self) -> Decimal | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A tradingsymbol taken apart."""

    #: `NIFTY` of `NIFTY27JAN26C25700`, `M&M` of `M&M-EQ`.
    root: str
    kind: Kind
    #: The last day of trading; None for cash, and where the symbol does not say.
    expiry: date | None = None
    strike: Decimal | None = None
    right: Right | None = None


class Underlying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of all derivatives of one underlying; None is not known."""

    lot_size: int | None = None
    freeze_quantity: int | None = None
    #: By kind, in rupees; the exchange's own where it is missing.
    tick_size: dict[Kind, Decimal] = msgspec.field(default_factory=dict)
    #: Rupees that one unit gains when its price rises by one.
    price_factor: Decimal | None = None
    #: The day of the month on which its futures end, or the trading day before; None
    #: where the exchange has a rule for all.
    expiry_day: Annotated[int, msgspec.Meta(ge=1, le=31)] | None = None
    #: The months that have a future; empty is each.
    expiry_months: tuple[int, ...] = ()


class Defaults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The packaged table."""

    #: The day on which the figures were collected.
    as_of: date
    #: Ticks in rupees by exchange and kind, where nothing better is known.
    ticks: dict[Exchange, dict[Kind, Decimal]]
    #: By exchange, where it is not 1 for all that the exchange lists.
    price_factors: dict[Exchange, Decimal] = msgspec.field(default_factory=dict)
    #: By `EXCHANGE:UNDERLYING`.
    underlyings: dict[str, Underlying]
    #: Names that are quoted and never traded themselves.
    indices: tuple[str, ...] = ()
    #: Names of shares with a sign in place of which TradingView writes `_`.
    signed_names: tuple[str, ...] = ()


def parse_catalogue(data: Mapping[str, object]) -> Defaults:
    """
    Read the table as it stands in `instruments.toml`.

    Raises:
        ConfigError: With the place and what would be right.
    """
    try:
        defaults = msgspec.convert(data, Defaults, builtin_types=(date,))
    except msgspec.ValidationError as e:
        raise ConfigError(f"the table of instruments cannot be used: {e}") from e
    check_names(defaults.underlyings, "instruments")
    return defaults


# fmt: off
MONTHS = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN",
    "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)
# fmt: on
#: Root, DDMMMYY, then F (a future), or C/P and the strike, or nothing (MCX futures).
_DERIVATIVE = re.compile(
    rf"([A-Z0-9&_-]+?)(\d\d)({'|'.join(MONTHS)})(\d\d)(F|[CP]\d+(?:\.\d+)?)?"
)
#: BSE's own form: SENSEX26OCT70300CE of the month's last expiry, SENSEX2690385000CE of
#: the week that ends on 2026-09-03, SENSEX26OCTFUT.  A root may end in digits.
_BSE_DERIVATIVE = re.compile(
    rf"([A-Z0-9&_-]+?)([23]\d)"
    rf"(?:(?:{'|'.join(MONTHS)})|([1-9OND])(0[1-9]|[12]\d|3[01]))"
    r"(?:(FUT)|(\d+(?:\.\d+)?)([CP]E))"
)
BSE_MONTHS = "123456789OND"
_CASH = re.compile(r"[A-Z0-9][A-Z0-9&._-]*")
_SERIES = re.compile(r"-[A-Z][A-Z0-9]?$")
_CASH_EXCHANGES = (Exchange.NSE, Exchange.BSE)


def parse_symbol(exchange: Exchange, tradingsymbol: str) -> Symbol | None:
    """Take a tradingsymbol apart; None if the exchange has none of this form."""
    if exchange in _CASH_EXCHANGES:
        if not _CASH.fullmatch(tradingsymbol):
            return None
        return Symbol(root=_SERIES.sub("", tradingsymbol), kind=Kind.CASH)
    match = _DERIVATIVE.fullmatch(tradingsymbol)
    if match is None and exchange is Exchange.BFO:
        return _bse_symbol(tradingsymbol)
    if match is None:
        return None
    root, day, month, year, rest = match.groups()
    if rest is None and exchange is not Exchange.MCX:
        return None
    try:
        expiry = date(2000 + int(year), MONTHS.index(month) + 1, int(day))
    except ValueError:
        return None
    if rest in (None, "F"):
        return Symbol(root=root, kind=Kind.FUTURE, expiry=expiry)
    return Symbol(
        root=root,
        kind=Kind.OPTION,
        expiry=expiry,
        strike=Decimal(rest[1:]),
        right=Right(f"{rest[0]}E"),
    )


def _bse_symbol(tradingsymbol: str) -> Symbol | None:
    match = _BSE_DERIVATIVE.fullmatch(tradingsymbol)
    if match is None:
        return None
    root, year, month, day, future, strike, right = match.groups()
    expiry = None
    if month is not None:
        try:
            expiry = date(2000 + int(year), BSE_MONTHS.index(month) + 1, int(day))
        except ValueError:
            return None
    if future is not None:
        return Symbol(root=root, kind=Kind.FUTURE, expiry=expiry)
    return Symbol(
        root=root,
        kind=Kind.OPTION,
        expiry=expiry,
        strike=Decimal(strike),
        right=Right(right),
    )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """
    Finds instruments by name.

    Args:
        defaults: The packaged table.

        overrides: By `EXCHANGE:TRADINGSYMBOL`, or by `EXCHANGE:ROOT` for everything
            of that root: the operator's word, which counts more than the table.

    Raises:
        ConfigError: A key or a figure of the overrides cannot be.
    """

    defaults: Defaults
    overrides: Mapping[str, Figures] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_overrides(self.overrides)

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        """
        Return an instrument's figures.

        An expired one is found too: whether it still trades is not known here.

        Returns:
            None if the exchange has no instruments with such a name.
        """
        symbol = parse_symbol(exchange, tradingsymbol)
        if symbol is None:
            return None
        known = self.defaults.underlyings.get(f"{exchange}:{symbol.root}", _UNKNOWN)
        tick_size = known.tick_size.get(symbol.kind)
        if tick_size is None:
            tick_size = self.defaults.ticks[exchange][symbol.kind]
        price_factor = known.price_factor
        if price_factor is None:
            price_factor = self.defaults.price_factors.get(exchange, Decimal(1))
        found = Instrument(
            exchange=exchange,
            tradingsymbol=tradingsymbol,
            lot_size=known.lot_size or 1,
            tick_size=tick_size,
            freeze_quantity=known.freeze_quantity,
            price_factor=price_factor,
            kind=symbol.kind,
            underlying=symbol.root,
            expiry=symbol.expiry,
            strike=symbol.strike,
            right=symbol.right,
        )
        return overridden(found, self.overrides)


def overridden(found: Instrument, overrides: Mapping[str, Figures]) -> Instrument:
    """Return the instrument with the operator's figures, where there are any."""
    figures = overrides.get(f"{found.exchange}:{found.tradingsymbol}")
    if figures is None:
        figures = overrides.get(f"{found.exchange}:{found.underlying}")
    if figures is None:
        return found
    return replace(
        found,
        lot_size=figures.lot_size,
        tick_size=figures.tick_size,
        freeze_quantity=figures.freeze_quantity,
        price_factor=figures.price_factor or found.price_factor,
        is_overridden=True,
    )


_UNKNOWN = Underlying()


def check_overrides(overrides: Mapping[str, Figures]) -> None:
    """
    Refuse names and figures that cannot be.

    Raises:
        ConfigError: With the key and what would be right.
    """
    check_names(overrides, "instruments")
    for key, figures in overrides.items():
        tick, freeze = figures.tick_size, figures.freeze_quantity
        factor = figures.price_factor
        if not (tick.is_finite() and tick > 0):
            raise ConfigError(
                f"instruments.'{key}'.tick_size: expected more than 0, was {tick}"
            )
        if factor is not None and not (factor.is_finite() and factor > 0):
            raise ConfigError(
                f"instruments.'{key}'.price_factor: expected more than 0, was {factor}"
            )
        if freeze is not None and freeze < figures.lot_size:
            raise ConfigError(
                f"instruments.'{key}'.freeze_quantity: expected at least one lot "
                f"({figures.lot_size}), was {freeze}"
            )


def check_names(names: Iterable[str], where: str) -> None:
    """
    Refuse names of instruments that can never match.

    Raises:
        ConfigError: One is not `EXCHANGE:NAME` in capitals.
    """
    for key in names:
        exchange, _, name = key.partition(":")
        if exchange not in Exchange.__members__ or not name or name != name.upper():
            raise ConfigError(
                f"{where}.'{key}': expected an exchange, a colon and a name in "
                "capitals, for example 'NFO:NIFTY'"
            )
