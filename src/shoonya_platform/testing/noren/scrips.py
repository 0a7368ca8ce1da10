"""The simulator's scrip master: a token for each symbol that was ever asked for."""

from __future__ import annotations

import io
import zipfile

from shoonya_platform.domain.catalogue import Catalogue, parse_symbol
from shoonya_platform.domain.instruments import Exchange, Instrument

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
_HEADINGS = "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,"


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
        """Return `{exchange}_symbols.txt.zip`."""
        lines = [_HEADINGS]
        for (listed_on, tradingsymbol), token in self._tokens.items():
            instrument = self._catalogue.find(listed_on, tradingsymbol)
            if listed_on is exchange and instrument is not None:
                root = tradingsymbol.partition("-")[0]
                lines.append(
                    f"{exchange},{token},{instrument.lot_size},{root},"
                    f"{tradingsymbol},,{instrument.tick_size},"
                )
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{exchange}_symbols.txt", "\n".join(lines) + "\n")
        return buffer.getvalue()
