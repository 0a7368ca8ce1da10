"""
The scrip master: tokens, lots and ticks, fetched once a day.

The files have some hundred thousand rows, so they become a small database beside the
session, made by whichever process comes first.  If today's cannot be had, the last
one serves, and a sentence says so.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable

#: A download that failed is tried again after this.
RETRY_SECONDS = 600.0
#: Beyond these a figure is damaged; real lots reach 125,000, ticks 0.0001 to 5.
_MAX_LOT = 10**9
_TICKS = (Decimal("0.000001"), Decimal(10_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrip:
    """One row of the master."""

    token: str
    lot_size: int
    tick_size: Decimal


class ScripMaster:
    """
    Finds scrips by name.

    Args:
        download: Returns a file's content, or raises `BrokerUnavailable`.

        tell: Gets a sentence for the operator.
    """

    def __init__(
        self,
        folder: Path,
        base_url: str,
        clock: Clock,
        *,
        download: Callable[[str], bytes],
        tell: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._base_url = base_url
        self._clock = clock
        self._download = download
        self._tell = tell
        self._failed_at: dict[Exchange, float] = {}
        self._days: dict[Exchange, date] = {}

    def find(self, exchange: Exchange, tradingsymbol: str) -> Scrip | None:
        """
        Return a scrip, None if the exchange lists none of this name.

        Raises:
            BrokerUnavailable: There is no master, not even an old one.
        """
        self._freshen(exchange)
        with self._reading(exchange) as database:
            row = database.execute(
                "SELECT token, lot_size, tick_size FROM scrips WHERE tradingsymbol = ?",
                (tradingsymbol,),
            ).fetchone()
        if row is None:
            return None
        return Scrip(token=row[0], lot_size=row[1], tick_size=Decimal(row[2]))

    def _freshen(self, exchange: Exchange) -> None:
        today = trading_day(self._clock.now())
        if self._days.get(exchange) == today:
            return
        day = self._day(exchange)
        if day != today and not self._failed_lately(exchange):
            try:
                with self._locked():
                    # Another process may have been faster.
                    if self._day(exchange) != today:
                        self._fetch(exchange, today)
                day = today
            except (BrokerUnavailable, OSError) as e:
                if day is None:
                    if isinstance(e, BrokerUnavailable):
                        raise
                    raise BrokerUnavailable(
                        f"the scrip master of {exchange} cannot be kept in "
                        f"'{self._folder}': {e.strerror}"
                    ) from e
                self._failed_at[exchange] = self._clock.monotonic()
                words = e.message if isinstance(e, BrokerUnavailable) else e.strerror
                self._tell(
                    f"no scrip master of {exchange} for today ({words}), going on "
                    f"with the one of {day}"
                )
        if day == today:
            self._days[exchange] = today

    def _failed_lately(self, exchange: Exchange) -> bool:
        failed_at = self._failed_at.get(exchange, float("-inf"))
        return self._clock.monotonic() - failed_at < RETRY_SECONDS

    def _day(self, exchange: Exchange) -> date | None:
        if not self._path(exchange).exists():
            return None
        try:
            with self._reading(exchange) as database:
                text = database.execute("SELECT day FROM master").fetchone()[0]
            return date.fromisoformat(text)
        except (BrokerUnavailable, TypeError, ValueError):
            return None

    def _fetch(self, exchange: Exchange, today: date) -> None:
        content = self._download(f"{self._base_url}{exchange}_symbols.txt.zip")
        rows = list(read_master(content))
        if not rows:
            raise BrokerUnavailable(f"the scrip master of {exchange} is empty")
        new = self._path(exchange).with_suffix(f".new.{os.getpid()}")
        new.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(new, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = OFF")
                database.execute("PRAGMA synchronous = OFF")
                database.execute("BEGIN")
                database.execute("CREATE TABLE master (day TEXT NOT NULL) STRICT")
                database.execute("INSERT INTO master VALUES (?)", (today.isoformat(),))
                database.execute(
                    "CREATE TABLE scrips (tradingsymbol TEXT PRIMARY KEY, token TEXT"
                    " NOT NULL, lot_size INTEGER NOT NULL, tick_size TEXT NOT NULL)"
                    " STRICT, WITHOUT ROWID"
                )
                database.executemany(
                    "INSERT OR REPLACE INTO scrips VALUES (?, ?, ?, ?)", rows
                )
                database.execute("COMMIT")
            new.replace(self._path(exchange))
        except sqlite3.Error as e:
            new.unlink(missing_ok=True)
            raise BrokerUnavailable(
                f"the scrip master of {exchange} cannot be kept: {e}",
                hint="is there space left?",
            ) from e

    @contextmanager
    def _reading(self, exchange: Exchange) -> Iterator[sqlite3.Connection]:
        path = self._path(exchange)
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                yield database
        except sqlite3.Error as e:
            raise BrokerUnavailable(
                f"the scrip master '{path}' cannot be read: {e}",
                hint="remove it, and it is fetched anew",
            ) from e

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "scrips.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, exchange: Exchange) -> Path:
        return self._folder / f"{exchange}.scrips"


def read_master(content: bytes) -> Iterator[tuple[str, str, int, str]]:
    """
    Read a master's zip: yield tradingsymbol, token, lot size and tick size.

    Columns are found by their headings, which differ from exchange to exchange.

    Raises:
        BrokerUnavailable: It is no such file.
    """
    try:
        with (
            zipfile.ZipFile(io.BytesIO(content)) as archive,
            archive.open(archive.namelist()[0]) as file,
        ):
            lines = io.TextIOWrapper(file, encoding="utf-8", errors="replace")
            for row in csv.DictReader(lines):
                found = _row(row)
                if found is not None:
                    yield found
    # A damaged zip raises nearly anything: zlib.error, EOFError, NotImplementedError.
    except Exception as e:
        raise BrokerUnavailable(
            f"the scrip master cannot be read: {type(e).__name__}, {e}"
        ) from e


def _row(row: dict[str, str]) -> tuple[str, str, int, str] | None:
    symbol, token = row.get("TradingSymbol"), row.get("Token")
    if not symbol or not token:
        return None
    try:
        lot_size = int(row.get("LotSize") or 1)
        tick_size = Decimal(row.get("TickSize") or "0.05")
    except (ValueError, InvalidOperation):
        return None
    if not 1 <= lot_size <= _MAX_LOT:
        return None
    if not (tick_size.is_finite() and _TICKS[0] <= tick_size <= _TICKS[1]):
        return None
    return symbol.strip(), token.strip(), lot_size, str(tick_size)
