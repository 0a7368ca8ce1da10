"""
One SQLite file with all that the broker lists, read by key.

The keeper in recovery_service writes it once a day, exchange by exchange, each in one
transaction that changes only the rows which differ: readers see yesterday's rows or
today's, and wait for neither.  Everybody else looks up single rows and pays a few
hundred kB for that.  Trading hours never depend on the file being new: a reader takes
what is there, and `states` says how old it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.instruments.rows import (
    SELECT,
    InstrumentsUnavailable,
    Listed,
    MasterState,
    listed_of,
    state_of,
)

__all__ = ["FILE_NAME", "InstrumentFile", "InstrumentsUnavailable"]

FILE_NAME = "instruments.db"

#: A commit of the keeper is over in well under a second.
_BUSY_SECONDS = 5.0
#: Pages in memory; a look-up touches about four of 4 kB.
_CACHE_KIB = 256

# A day or a year stands behind the name of an underlying, so NIFTYNXT50 is not NIFTY's.
_OF_ROOT = (
    "WHERE i.exchange = ? AND i.tradingsymbol >= ? AND i.tradingsymbol < ?"
    " AND i.underlying = ? "
)


def _range(exchange: Exchange, root: str) -> tuple[str, str, str, str]:
    return str(exchange), f"{root}0", f"{root}:", root


class InstrumentFile:
    """
    The file, opened at the first question and reopened when it was replaced.

    One thread uses an object; each process has its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    # -- reading ---------------------------------------------------------------

    def find(self, exchange: Exchange, tradingsymbol: str) -> Listed | None:
        """
        Return a row by its symbol; None if the list has none.

        Raises:
            InstrumentsUnavailable: There is no list of this exchange.
        """
        found = self._select(
            "WHERE i.exchange = ? AND i.tradingsymbol = ?", exchange, tradingsymbol
        )
        if not found and not self.has_list(exchange):
            raise InstrumentsUnavailable(f"there is no list of {exchange} yet")
        return found[0] if found else None

    def named(self, tradingsymbol: str) -> list[Listed]:
        """Return the rows of this symbol on all exchanges."""
        return [
            listed
            for exchange in Exchange
            for listed in self._select(
                "WHERE i.exchange = ? AND i.tradingsymbol = ?", exchange, tradingsymbol
            )
        ]

    def like(self, text: str, *, limit: int = 10) -> list[Listed]:
        """Return rows whose symbol begins with a text, or else contains it."""
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        order = "ORDER BY length(i.tradingsymbol), i.tradingsymbol LIMIT ?"
        for pattern in (f"{escaped}%", f"%{escaped}%"):
            found = self._select(
                f"WHERE i.tradingsymbol LIKE ? ESCAPE '\\' {order}", pattern, limit
            )
            if found:
                return found
        return []

    def underlyings(self) -> list[str]:
        """Return the names of all underlyings, each once."""
        rows = self._rows("SELECT DISTINCT underlying FROM instruments")
        return [str(row[0]) for row in rows]

    def underlyings_of(self, exchange: Exchange) -> list[str]:
        """Return the names of an exchange's underlyings, each once."""
        rows = self._rows(
            "SELECT DISTINCT underlying FROM instruments WHERE exchange = ?",
            str(exchange),
        )
        return [str(row[0]) for row in rows]

    def futures(self, exchange: Exchange, root: str) -> list[Listed]:
        """Return an underlying's futures, expired ones too."""
        return self._select(_OF_ROOT + "AND i.kind = 'future'", *_range(exchange, root))

    def options_near(
        self,
        exchange: Exchange,
        root: str,
        expiry: date,
        strike: Decimal,
        *,
        limit: int,
    ) -> list[Listed]:
        """Return an underlying's options, of the nearest expiry and strike first."""
        return self._select(
            _OF_ROOT + "AND i.kind = 'option'"
            " ORDER BY abs(julianday(i.expiry) - julianday(?)), abs(i.strike - ?),"
            " i.tradingsymbol LIMIT ?",
            *_range(exchange, root),
            expiry.isoformat(),
            float(strike),
            limit,
        )

    def shares_like(self, exchange: Exchange, name: str, *, limit: int) -> list[Listed]:
        """Return the shares whose name begins with a text, the shortest first."""
        return self._select(
            "WHERE i.exchange = ? AND i.tradingsymbol >= ? AND i.tradingsymbol < ?"
            " AND i.kind = 'cash' ORDER BY length(i.tradingsymbol), i.tradingsymbol"
            " LIMIT ?",
            str(exchange),
            name,
            f"{name}\x7f",
            limit,
        )

    def price_factor(self, exchange: Exchange, underlying: str) -> Decimal | None:
        """Return the factor of what has this underlying; None if nothing has."""
        found = self._select(
            "WHERE i.exchange = ? AND i.underlying = ? LIMIT 1", exchange, underlying
        )
        return found[0].instrument.price_factor if found else None

    def has_list(self, exchange: Exchange) -> bool:
        """
        Return whether there is a list of this exchange.

        Raises:
            InstrumentsUnavailable: The file is missing or damaged.
        """
        return bool(
            self._rows("SELECT 1 FROM masters WHERE exchange = ?", str(exchange))
        )

    def states(self) -> list[MasterState]:
        """
        Return how each exchange's list is, in the order of the exchanges.

        Raises:
            InstrumentsUnavailable: The file is damaged; one that is missing is not.
        """
        if not self.path.exists():
            return [MasterState(exchange=exchange) for exchange in Exchange]
        rows = self._rows(
            "SELECT e.exchange, m.loaded_at, m.made_on, m.url, m.rows, m.skipped,"
            " m.expired, a.at, a.problem"
            " FROM (SELECT exchange FROM masters UNION SELECT exchange FROM attempts)"
            " AS e LEFT JOIN masters AS m USING (exchange)"
            " LEFT JOIN attempts AS a USING (exchange)"
        )
        with self._translated():
            found = {row[0]: state_of(row) for row in rows}
        return [
            found.get(exchange, MasterState(exchange=exchange)) for exchange in Exchange
        ]

    def _select(self, clause: str, *values: object) -> list[Listed]:
        with self._translated():
            return [listed_of(row) for row in self._rows(SELECT + clause, *values)]

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._translated():
            # All of them: an unfinished statement would hold its lock.
            return self._open().execute(statement, values).fetchall()

    # -- the connection --------------------------------------------------------

    def close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _open(self) -> sqlite3.Connection:
        try:
            found = self.path.stat()
        except OSError as e:
            self.close()
            raise InstrumentsUnavailable(
                f"'{self.path}' cannot be read: {(e.strerror or '').lower()}",
                hint="shoonyactl instrument refresh",
            ) from e
        identity = (found.st_dev, found.st_ino)
        if self._database is None or identity != self._identity:
            self.close()
            # Writable for readers too: the first after a crash completes what the
            # journal beside the file holds.
            database = sqlite3.connect(
                f"file:{self.path}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
            )
            self._database, self._identity = database, identity
            database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return self._database

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, ArithmeticError) as e:
            # A damaged file shows in rows that cannot be read, too.
            self.close()
            raise InstrumentsUnavailable(
                f"the list of instruments '{self.path}' cannot be used: {e}",
                hint="shoonyactl instrument refresh",
            ) from e
