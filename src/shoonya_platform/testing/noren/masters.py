"""
The daily symbol masters in the form in which the broker publishes them.

A file for each exchange, comma separated.  The headings differ by exchange, every line
may end with a comma, and figures may be blank (the underlyings of CDS) or zero (the
tick of an index).
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Protocol

from shoonya_platform.errors import ConfigError
from shoonya_platform.testing.noren.words import read_day

EXCHANGES = ("NSE", "NFO", "BSE", "BFO", "CDS", "MCX")
_DERIVATIVE = "Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,"
#: The first line of each exchange's file.
HEADINGS = {
    "NSE": "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,",
    "BSE": "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,",
    "NFO": f"Exchange,Token,LotSize,{_DERIVATIVE}",
    "BFO": f"Exchange,Token,LotSize,{_DERIVATIVE}",
    "MCX": f"Exchange,Token,LotSize,GNGD,{_DERIVATIVE}",
    "CDS": f"Exchange,Token,LotSize,Precision,Multiplier,{_DERIVATIVE}",
}
_SUFFIX = "_symbols.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrip:
    """One row of a master."""

    exchange: str
    token: str
    tradingsymbol: str
    #: The master's `Symbol`, which is not always the underlying's name.
    symbol: str
    #: `EQ`, `INDEX`, `OPTIDX`, `FUTCOM`, `UNDCUR` …
    instrument: str
    lot_size: int
    #: 0 for what is not traded itself: an index, an underlying.
    tick_size: Decimal
    #: Rupees that one unit gains when its price rises by one (`GNGD`, `Multiplier`).
    factor: Decimal = Decimal(1)
    precision: int = 2
    expiry: date | None = None
    strike: Decimal | None = None
    #: `CE`, `PE`, `XX` for futures, blank otherwise.
    right: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.exchange, self.tradingsymbol

    @property
    def is_traded(self) -> bool:
        return self.tick_size > 0

    @property
    def is_option(self) -> bool:
        return self.right in ("CE", "PE")

    @property
    def is_derivative(self) -> bool:
        return self.expiry is not None

    @property
    def root(self) -> str:
        """The underlying's name within the trading symbol."""
        if self.expiry is None:
            return self.tradingsymbol.partition("-")[0]
        year = f"{self.expiry:%y}"
        for mark in (f"{self.expiry:%d%b%y}".upper(), year):
            found = self.tradingsymbol.find(mark, 1)
            if found > 0:
                return self.tradingsymbol[:found]
        return self.symbol


class Masters(Protocol):
    """Where the files come from."""

    def text(self, exchange: str) -> str | None:
        """Return an exchange's file; None if there is no such file."""
        ...


class FolderMasters:
    """
    Files of a folder: `EXCHANGE_symbols.txt.zip`, or `EXCHANGE_symbols.txt`.

    Raises:
        ConfigError: The folder has none of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not any(self._path(exchange) for exchange in EXCHANGES):
            raise ConfigError(
                f"'{folder}' has no symbol master",
                hint="expected files such as NFO_symbols.txt.zip or NFO_symbols.txt",
            )

    def text(self, exchange: str) -> str | None:
        path = self._path(exchange)
        if path is None:
            return None
        try:
            if path.suffix != ".zip":
                return path.read_text()
            with zipfile.ZipFile(path) as archive:
                return archive.read(archive.namelist()[0]).decode()
        except (OSError, ValueError, IndexError, zipfile.BadZipFile) as e:
            raise ConfigError(f"the master '{path}' cannot be read: {e}") from e

    def _path(self, exchange: str) -> Path | None:
        for name in (f"{exchange}{_SUFFIX}.zip", f"{exchange}{_SUFFIX}"):
            if (self._folder / name).is_file():
                return self._folder / name
        return None


class TextMasters:
    """Files that are in memory, by exchange."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def text(self, exchange: str) -> str | None:
        return self._texts.get(exchange)


def zipped(exchange: str, text: str) -> bytes:
    """Return `{exchange}_symbols.txt.zip`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{exchange}{_SUFFIX}", text)
    return buffer.getvalue()


def scrips_of(text: str) -> Iterator[Scrip]:
    """
    Read a master; rows that cannot be used are passed over.

    Raises:
        ConfigError: The first line does not have the headings of a master.
    """
    lines = csv.DictReader(io.StringIO(text))
    if not {"Exchange", "Token", "TradingSymbol"} <= set(lines.fieldnames or ()):
        raise ConfigError("expected a symbol master: its headings are missing")
    for row in lines:
        try:
            yield _scrip(row)
        except (KeyError, TypeError, ValueError, InvalidOperation):
            continue


def _scrip(row: Mapping[str, str]) -> Scrip:
    expiry = row.get("Expiry")
    right = row.get("OptionType") or ""
    option = right in ("CE", "PE")
    return Scrip(
        exchange=row["Exchange"],
        token=row["Token"],
        tradingsymbol=row["TradingSymbol"],
        symbol=row["Symbol"],
        instrument=row["Instrument"],
        lot_size=int(row["LotSize"]),
        tick_size=Decimal(row["TickSize"] or 0),
        factor=Decimal(row.get("GNGD") or row.get("Multiplier") or 1),
        precision=int(row.get("Precision") or 2),
        expiry=read_day(expiry, "%d-%b-%Y") if expiry else None,
        strike=Decimal(row["StrikePrice"]) if option else None,
        right=right,
    )
