"""Finds instruments by what a person enters, and names what is nearly that."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from shoonya_platform.domain.catalogue import Catalogue, overridden, parse_symbol
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind
from shoonya_platform.errors import NotFound
from shoonya_platform.instruments.file import InstrumentFile
from shoonya_platform.instruments.rows import Listed

_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What was asked for."""

    symbol: str
    exchange: Exchange | None = None  #: None for all

    @classmethod
    def of(cls, text: str) -> Entered:
        """Take `NSE:RELIANCE-EQ` or `RELIANCE-EQ`, in any case."""
        name, colon, symbol = text.strip().upper().partition(":")
        if colon and name in Exchange.__members__:
            return cls(symbol=symbol.strip(), exchange=Exchange(name))
        return cls(symbol=text.strip().upper())

    def fits(self, exchange: Exchange) -> bool:
        return self.exchange in (None, exchange)


def find_listed(
    file: InstrumentFile, catalogue: Catalogue, entered: Entered, today: date
) -> list[Listed]:
    """
    Return what the broker's lists have of this name, with the operator's figures.

    Raises:
        NotFound: Nothing; the hint names what is near.

        InstrumentsUnavailable: There are no lists.
    """
    found = [
        replace(listed, instrument=overridden(listed.instrument, catalogue.overrides))
        # A share's symbol on NSE ends in its series, which people leave out.
        for symbol in (entered.symbol, f"{entered.symbol}-EQ")
        for listed in file.named(symbol)
        if entered.fits(listed.instrument.exchange)
    ]
    if found:
        return found
    raise NotFound(_missing(entered, today), hint=_hint(_near(file, entered)))


def find_packaged(catalogue: Catalogue, entered: Entered) -> list[Instrument]:
    """
    Return what the packaged table says of this name, on each exchange that fits.

    Raises:
        NotFound: No exchange has a name of this form.
    """
    found = [
        instrument
        for exchange in Exchange
        if entered.fits(exchange)
        and (instrument := catalogue.find(exchange, entered.symbol)) is not None
    ]
    known = [
        instrument
        for instrument in found
        if f"{instrument.exchange}:{instrument.underlying}"
        in catalogue.defaults.underlyings
        or instrument.is_overridden
    ]
    if not found:
        raise NotFound(
            f"no exchange has an instrument with a name like '{entered.symbol}'",
            hint="for example NSE:RELIANCE-EQ, NFO:NIFTY28DEC27F, MCX:GOLD05DEC26",
        )
    return known or found


def _missing(entered: Entered, today: date) -> str:
    where = "" if entered.exchange is None else f" on {entered.exchange}"
    text = f"no instrument is called '{entered.symbol}'{where}"
    for exchange in Exchange:
        symbol = parse_symbol(exchange, entered.symbol)
        if (
            entered.fits(exchange)
            and symbol is not None
            and symbol.expiry is not None
            and symbol.expiry < today
        ):
            return f"{text}: by its name it expired on {symbol.expiry}"
    return text


def _near(file: InstrumentFile, entered: Entered) -> list[str]:
    """Return names with the same letters, or of an underlying that is nearly it."""
    found = _names(file.like(entered.symbol, limit=4 * _MOST), entered)
    if found:
        return found
    root = _root(entered.symbol)
    for close in difflib.get_close_matches(root, file.underlyings(), n=3):
        found += _names(file.like(close, limit=_MOST), entered)
    return list(dict.fromkeys(found))[:_MOST]


def _root(symbol: str) -> str:
    parsed = [parse_symbol(exchange, symbol) for exchange in Exchange]
    found = [each for each in parsed if each is not None]
    # Nearly anything could be a share.
    found.sort(key=lambda each: each.kind is Kind.CASH)
    return found[0].root if found else symbol


def _names(found: Iterable[Listed], entered: Entered) -> list[str]:
    return [
        f"{each.instrument.exchange}:{each.instrument.tradingsymbol}"
        for each in found
        if entered.fits(each.instrument.exchange)
    ][:_MOST]


def _hint(names: list[str]) -> str:
    if not names:
        return "the lists are reloaded by: shoonyactl instrument refresh"
    return f"did you mean {', '.join(names)}?"
