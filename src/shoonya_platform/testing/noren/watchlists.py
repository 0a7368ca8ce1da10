"""Market watch lists: names, and the scrips on each."""

from __future__ import annotations

from shoonya_platform.testing.noren.quotes import search_row
from shoonya_platform.testing.noren.reading import INVALID, Refusal
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import Row

NO_DATA = 'Error Occurred : 5 "no data"'


class Watchlists:
    """The account's lists; a list begins with its first scrip."""

    def __init__(self, scrips: Scrips) -> None:
        self._scrips = scrips
        self._lists: dict[str, list[str]] = {"1": ["NSE|26000", "NSE|2885"]}

    def names(self) -> list[str]:
        return list(self._lists)

    def rows(self, name: str) -> list[Row]:
        """
        Return a list's scrips.

        Raises:
            Refusal: There is no such list.
        """
        if name not in self._lists:
            raise Refusal(NO_DATA)
        found = [self._scrips.numbered(*_split(key)) for key in self._lists[name]]
        return [search_row(scrip) for scrip in found if scrip is not None]

    def add(self, name: str, keys: str) -> None:
        """
        Put scrips (`NSE|22#BSE|508123`) on a list.

        Raises:
            Refusal: There is no such scrip, or the list has no name.
        """
        for key in _keys(name, keys):
            if self._scrips.numbered(*_split(key)) is None:
                raise Refusal(INVALID)
            known = self._lists.setdefault(name, [])
            if key not in known:
                known.append(key)

    def remove(self, name: str, keys: str) -> None:
        """
        Take scrips off a list.

        Raises:
            Refusal: There is no such list.
        """
        if name not in self._lists:
            raise Refusal(NO_DATA)
        gone = set(_keys(name, keys))
        self._lists[name] = [key for key in self._lists[name] if key not in gone]


def _keys(name: str, keys: str) -> list[str]:
    found = [key for key in keys.split("#") if key]
    if not name or not found:
        raise Refusal(INVALID)
    return found


def _split(key: str) -> tuple[str, str]:
    exchange, _, token = key.partition("|")
    return exchange, token
