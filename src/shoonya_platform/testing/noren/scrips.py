"""Finds the rows of the masters by token, by name and by words."""

from __future__ import annotations

from shoonya_platform.testing.noren.masters import (
    EXCHANGES,
    Masters,
    Scrip,
    scrips_of,
    zipped,
)

#: SearchScrip's answer has at most so many rows.
_MOST_FOUND = 500


class Scrips:
    """
    The masters' rows; an exchange's file is read when it is first asked for.

    Args:
        masters: Where the files come from.
    """

    def __init__(self, masters: Masters) -> None:
        self._masters = masters
        self._by_name: dict[str, dict[str, Scrip]] = {}
        self._by_token: dict[str, dict[str, Scrip]] = {}

    def named(self, exchange: str, tradingsymbol: str) -> Scrip | None:
        return self._names(exchange).get(tradingsymbol)

    def numbered(self, exchange: str, token: str) -> Scrip | None:
        self._names(exchange)
        return self._by_token.get(exchange, {}).get(token)

    def token(self, exchange: str, tradingsymbol: str) -> str:
        """
        Return a token.

        Raises:
            KeyError: The masters have no such name.
        """
        return self._names(exchange)[tradingsymbol].token

    def all(self, exchange: str) -> list[Scrip]:
        return list(self._names(exchange).values())

    def search(self, exchange: str, text: str) -> list[Scrip]:
        """Return what has all words of a text: in its name, its day or its right."""
        words = text.upper().split()
        found = [
            scrip
            for scrip in self._names(exchange).values()
            if all(word in _searched(scrip) for word in words)
        ]
        return found[:_MOST_FOUND] if words else []

    def chain(self, scrip: Scrip) -> list[Scrip]:
        """Return the options with a derivative's underlying and expiry, by strike."""
        found = [
            each
            for each in self._names(scrip.exchange).values()
            if each.is_option
            and each.expiry == scrip.expiry
            and each.root == scrip.root
        ]
        return sorted(found, key=lambda each: (each.strike or 0, each.right))

    def nearest_expiry(self, scrip: Scrip) -> Scrip | None:
        """Return an option of the underlying's first expiry, for a future or a name."""
        found = [
            each
            for each in self._names(scrip.exchange).values()
            if each.is_option and each.root == scrip.root and each.expiry
        ]
        if scrip.expiry is not None:
            found = [each for each in found if each.expiry == scrip.expiry] or found
        return min(found, key=lambda each: str(each.expiry), default=None)

    def file(self, exchange: str) -> bytes | None:
        """Return `{exchange}_symbols.txt.zip`; None if there is none."""
        text = self._masters.text(exchange)
        return None if text is None else zipped(exchange, text)

    def _names(self, exchange: str) -> dict[str, Scrip]:
        if exchange not in EXCHANGES:
            return {}
        known = self._by_name.get(exchange)
        if known is None:
            text = self._masters.text(exchange)
            rows = [] if text is None else list(scrips_of(text))
            known = {row.tradingsymbol: row for row in rows}
            self._by_token[exchange] = {row.token: row for row in rows}
            # Last, as another thread that finds it uses both.
            self._by_name[exchange] = known
        return known


def _searched(scrip: Scrip) -> str:
    day = "" if scrip.expiry is None else f"{scrip.expiry:%d%b%y %d%b}".upper()
    return f"{scrip.tradingsymbol} {scrip.symbol} {day} {scrip.right}".upper()
