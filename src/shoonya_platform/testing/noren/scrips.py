"""The simulator's scrip master: a token for each symbol that was ever asked for."""

from __future__ import annotations

import io
import zipfile
from datetime import date

from shoonya_platform.domain.catalogue import Catalogue, parse_symbol
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind

#: Listed from the beginning; anything else is once it was traded, priced or added.
LISTED = (
    ("NFO", "NIFTY27JAN26C25700"),
    ("NFO", "NIFTY27JAN26P25700"),
    ("NFO", "NIFTY27JAN26F"),
    ("NFO", "BANKNIFTY27JAN26C55000"),
    ("NSE", "RELIANCE-EQ"),
    ("NSE", "M&M-EQ"),
    ("NSE", "INFY-EQ"),
)
_FIRST_TOKEN = 35001
_FACTOR_HEADINGS = {Exchange.MCX: "GNGD,", Exchange.CDS: "Precision,Multiplier,"}
_KINDS = {Exchange.MCX: "COM", Exchange.CDS: "CUR"}
_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()  # noqa: SIM905


class Scrips:
    """Tokens and symbols; tokens are given in the order of asking."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._tokens: dict[tuple[Exchange, str], str] = {}
        for exchange, tradingsymbol in LISTED:
            self.token(Exchange(exchange), tradingsymbol)

    def token(self, exchange: Exchange, tradingsymbol: str) -> str:
        return self._tokens.setdefault(
            (exchange, tradingsymbol), str(_FIRST_TOKEN + len(self._tokens))
        )

    def find(self, exchange: str, token: str) -> str | None:
        """Return the tradingsymbol of a token."""
        for (listed_on, tradingsymbol), known in self._tokens.items():
            if known == token and listed_on == exchange:
                return tradingsymbol
        return None

    def instrument(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        return self._catalogue.find(exchange, tradingsymbol)

    def search(self, exchange: str, text: str) -> list[tuple[str, str]]:
        """Return the (token, tradingsymbol) of what has all words of a text."""
        words = text.upper().split()
        if exchange in Exchange.__members__ and len(words) == 1:
            # Whatever the exchange could list it does list, once it is asked for.
            known = Exchange(exchange)
            symbol = parse_symbol(known, words[0])
            if symbol is not None and (symbol.expiry or words[0].endswith("-EQ")):
                self.token(known, words[0])
        return [
            (token, tradingsymbol)
            for (listed_on, tradingsymbol), token in self._tokens.items()
            if listed_on == exchange and all(word in tradingsymbol for word in words)
        ]

    def file(self, exchange: Exchange) -> bytes:
        """Return `{exchange}_symbols.txt.zip`, in the broker's own format."""
        is_cash = exchange in (Exchange.NSE, Exchange.BSE)
        lines = [
            "Exchange,Token,LotSize,"
            + _FACTOR_HEADINGS.get(exchange, "")
            + "Symbol,TradingSymbol,"
            + ("Instrument," if is_cash else "Expiry,Instrument,OptionType,")
            + ("TickSize," if is_cash else "StrikePrice,TickSize,")
        ]
        lines += [
            _line(instrument, token)
            for (listed_on, tradingsymbol), token in self._tokens.items()
            if listed_on is exchange
            and (instrument := self._catalogue.find(listed_on, tradingsymbol))
        ]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{exchange}_symbols.txt", "\n".join(lines) + "\n")
        return buffer.getvalue()


def _line(instrument: Instrument, token: str) -> str:
    exchange, symbol = instrument.exchange, instrument.tradingsymbol
    cells: list[object] = [exchange, token, instrument.lot_size]
    if exchange is Exchange.CDS:
        cells.append(4)
    if exchange in _FACTOR_HEADINGS:
        cells.append(instrument.price_factor)
    cells += [instrument.underlying, symbol]
    if instrument.kind is Kind.CASH:
        cells.append(symbol.rpartition("-")[2])
    else:
        # A form without a day is a month's last expiry: late enough.
        expiry = instrument.expiry or date(2099, 12, 31)
        kind = "OPT" if instrument.kind is Kind.OPTION else "FUT"
        cells += [
            f"{expiry.day:02}-{_MONTHS[expiry.month - 1]}-{expiry.year}",
            kind + _KINDS.get(exchange, "IDX"),
            instrument.right or "XX",
            instrument.strike or 0,
        ]
    cells.append(instrument.tick_size)
    return "".join(f"{cell}," for cell in cells)
