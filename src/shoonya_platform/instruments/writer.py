"""Writes the file of instruments: a day's list, and what the broker adds to a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shoonya_platform.domain.instruments import Exchange, Instrument
from shoonya_platform.instruments.file import InstrumentFile
from shoonya_platform.instruments.rows import (
    COLUMNS,
    PLACES,
    MasterState,
    Security,
    row_of,
)

_VERSION = 1

_SCHEMA = """\
CREATE TABLE masters (
    exchange TEXT PRIMARY KEY,
    loaded_at TEXT NOT NULL,  -- when the rows were downloaded, UTC
    made_on TEXT,             -- when the list was made, as the zip says
    url TEXT NOT NULL,
    rows INTEGER NOT NULL,    -- rows kept
    skipped TEXT NOT NULL,    -- reasons and counts of the others, empty for none
    expired INTEGER NOT NULL  -- rows whose expiry was past when they were loaded
) STRICT;
CREATE TABLE attempts (
    exchange TEXT PRIMARY KEY,
    at TEXT NOT NULL,         -- of the last download, UTC
    problem TEXT NOT NULL     -- why it was not used, empty if it was
) STRICT;
CREATE TABLE instruments (
    exchange TEXT NOT NULL,
    tradingsymbol TEXT NOT NULL,
    token TEXT NOT NULL,
    lot_size INTEGER NOT NULL,
    tick_size TEXT NOT NULL,
    price_factor TEXT NOT NULL,
    kind TEXT NOT NULL,
    underlying TEXT NOT NULL,
    expiry TEXT,
    strike TEXT,
    right TEXT,
    precision INTEGER,
    instrument_type TEXT NOT NULL,
    source TEXT NOT NULL,     -- master, or security info where the list lacks it
    PRIMARY KEY (exchange, tradingsymbol)
) STRICT, WITHOUT ROWID;
CREATE TABLE securities (
    exchange TEXT NOT NULL,
    token TEXT NOT NULL,
    asked_on TEXT NOT NULL,   -- India's date
    freeze_quantity INTEGER,  -- NULL: the broker names none
    precision INTEGER,
    name TEXT NOT NULL,
    PRIMARY KEY (exchange, token)
) STRICT, WITHOUT ROWID;
"""


class InstrumentWriter(InstrumentFile):
    """The file, to be written; several processes may, one transaction at a time."""

    def create(self) -> None:
        """
        Make the file if there is none, and replace one that is damaged.

        Raises:
            InstrumentsUnavailable: It cannot be made, as the disk is full.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._translated():
            if self._is_sound():
                return
            self.close()
            journal = self.path.with_name(f"{self.path.name}-journal")
            # An earlier version had a file for each exchange.
            earlier = self.path.parent.glob("*.scrips")
            for path in (self.path, journal, *earlier):
                path.unlink(missing_ok=True)
            database = sqlite3.connect(self.path, isolation_level=None)
            try:
                database.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;"
                )
            finally:
                database.close()

    def _is_sound(self) -> bool:
        if not self.path.exists():
            return False
        try:
            database = self._open()
            check = database.execute("PRAGMA quick_check(1)").fetchall()
            version = database.execute("PRAGMA user_version").fetchall()
        except sqlite3.OperationalError:
            # Locked, or the disk does not answer: that proves no damage.
            raise
        except sqlite3.DatabaseError:
            return False
        return check == [("ok",)] and version == [(_VERSION,)]

    def replace(
        self,
        exchange: Exchange,
        instruments: Iterable[Instrument],
        *,
        accept: Callable[[int, int, int], MasterState],
    ) -> MasterState:
        """
        Replace an exchange's rows by new ones; the readers see all of them or none.

        Args:
            accept: Returns the state to write down, or raises what ends this before
                anything is changed; gets the number of the new rows, of the old, and
                of those left out as their symbol names several things.

        Raises:
            InstrumentsUnavailable: They cannot be written.
        """
        with self._translated():
            database = self._open()
            with _scratch(database, self.path.with_suffix(".new")):
                with _transaction(database):
                    database.executemany(
                        f"INSERT INTO scratch.incoming VALUES ({PLACES})",  # noqa: S608
                        (row_of(instrument) for instrument in instruments),
                    )
                # A symbol that names several things names nothing.
                database.execute(
                    "CREATE INDEX scratch.by_symbol ON incoming (tradingsymbol)"
                )
                doubled = database.execute(
                    "DELETE FROM incoming WHERE tradingsymbol IN (SELECT tradingsymbol"
                    " FROM incoming GROUP BY tradingsymbol HAVING count(*) > 1)"
                ).rowcount
                new = _count(database, "SELECT count(*) FROM incoming")
                old = _count(
                    database,
                    "SELECT count(*) FROM instruments WHERE exchange = ?",
                    str(exchange),
                )
                state = accept(new, old, doubled)
                with _transaction(database):
                    _merge(database, str(exchange))
                    _note(database, state)
        return state

    def note_problem(self, exchange: Exchange, at: datetime, problem: str) -> None:
        """
        Write down why a download was not used.

        Raises:
            InstrumentsUnavailable: It cannot be written.
        """
        with self._translated():
            self._open().execute(
                "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)",
                (str(exchange), at.isoformat(), problem),
            )

    def add(self, instrument: Instrument) -> None:
        """
        Keep an instrument that the list of the day lacks, until the next list.

        Raises:
            InstrumentsUnavailable: It cannot be written.
        """
        with self._translated():
            self._open().execute(
                f"INSERT OR IGNORE INTO instruments VALUES ({PLACES})",  # noqa: S608
                row_of(instrument),
            )

    def note_security(self, exchange: Exchange, token: str, security: Security) -> None:
        """
        Keep what the broker said of an instrument.

        Raises:
            InstrumentsUnavailable: It cannot be written.
        """
        with self._translated():
            self._open().execute(
                "INSERT OR REPLACE INTO securities VALUES (?, ?, ?, ?, ?, ?)",
                (
                    str(exchange),
                    token,
                    security.asked_on.isoformat(),
                    security.freeze_quantity,
                    security.precision,
                    security.name,
                ),
            )


def _count(database: sqlite3.Connection, statement: str, *values: object) -> int:
    found: int = database.execute(statement, values).fetchall()[0][0]
    return found


def _merge(database: sqlite3.Connection, exchange: str) -> None:
    """Change the rows that differ: on most days few do."""
    database.execute(
        "DELETE FROM instruments WHERE exchange = ? AND tradingsymbol NOT IN"
        " (SELECT tradingsymbol FROM incoming)",
        (exchange,),
    )
    database.execute(
        f"INSERT OR REPLACE INTO instruments SELECT {COLUMNS} FROM incoming"  # noqa: S608
        f" EXCEPT SELECT {COLUMNS} FROM instruments WHERE exchange = ?",
        (exchange,),
    )


def _note(database: sqlite3.Connection, state: MasterState) -> None:
    if state.loaded_at is None:
        raise ValueError("a list that was loaded has a time")
    database.execute(
        "INSERT OR REPLACE INTO masters VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            str(state.exchange),
            state.loaded_at.isoformat(),
            None if state.made_on is None else state.made_on.isoformat(),
            state.url,
            state.rows,
            state.skipped,
            state.expired,
        ),
    )
    database.execute(
        "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?)",
        (str(state.exchange), state.loaded_at.isoformat(), state.problem),
    )


@contextmanager
def _scratch(database: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Attach a file for the new rows: in memory they would take 20 MB."""
    path.unlink(missing_ok=True)
    database.execute("ATTACH ? AS scratch", (str(path),))
    try:
        # What a crash leaves of it is removed by the next load.
        database.execute("PRAGMA scratch.journal_mode = OFF")
        database.execute("PRAGMA scratch.synchronous = OFF")
        database.execute(f"CREATE TABLE scratch.incoming ({COLUMNS})")
        yield
    finally:
        database.execute("DETACH scratch")
        path.unlink(missing_ok=True)


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN")
    try:
        yield
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
