"""
The paper broker's database: one SQLite file, shared by the processes that ask it.

An error of SQLite's never gets out.  What was certainly not written is
`BrokerUnavailable`; where a request's commit failed, nobody can say, which is
`OutcomeUnknown`.  After any error the connection is given up and the next call
opens a new one, so a mended file works again without a restart.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.errors import BrokerError, BrokerUnavailable, OutcomeUnknown

#: Marks the file as ours (`file(1)` shows it): "SHOP".
_APPLICATION_ID = 0x53484F50
_SCHEMA_VERSION = 1

# Order and trade numbers are YYMMDD and eight digits, so a day is a range of them.
# Times are ISO 8601 in UTC, prices decimal text in rupees.
_SCHEMA = """
CREATE TABLE account (
    opened_at        TEXT NOT NULL,
    realised         TEXT NOT NULL,
    position_margin  TEXT NOT NULL,
    order_margin     TEXT NOT NULL
) STRICT;
CREATE TABLE orders (
    number           INTEGER PRIMARY KEY,
    client_order_id  TEXT,              -- NULL: placed by another program
    exchange         TEXT NOT NULL,
    tradingsymbol    TEXT NOT NULL,
    side             TEXT NOT NULL,
    product          TEXT NOT NULL,
    quantity         INTEGER NOT NULL,
    order_type       TEXT NOT NULL,
    price            TEXT,
    trigger_price    TEXT,
    time_in_force    TEXT NOT NULL,
    status           TEXT NOT NULL,
    is_triggered     INTEGER NOT NULL,
    held_until       TEXT,              -- not filled before, by order of a fault
    filled_quantity  INTEGER NOT NULL CHECK (filled_quantity BETWEEN 0 AND quantity),
    filled_value     TEXT NOT NULL,
    margin           TEXT NOT NULL,     -- blocked for the whole quantity
    reason           TEXT NOT NULL,
    updated_at       TEXT NOT NULL
) STRICT;
CREATE INDEX orders_working ON orders (exchange, tradingsymbol, number)
    WHERE status IN ('accepted', 'partially_filled');
CREATE TABLE trades (
    number           INTEGER PRIMARY KEY,
    order_number     INTEGER NOT NULL,
    quantity         INTEGER NOT NULL CHECK (quantity > 0),
    price            TEXT NOT NULL,
    filled_at        TEXT NOT NULL
) STRICT;
CREATE TABLE positions (
    exchange         TEXT NOT NULL,
    tradingsymbol    TEXT NOT NULL,
    product          TEXT NOT NULL,
    quantity         INTEGER NOT NULL,
    average_price    TEXT NOT NULL,
    realised         TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    PRIMARY KEY (exchange, tradingsymbol, product)
) STRICT, WITHOUT ROWID;
CREATE TABLE reports (
    report_id        INTEGER PRIMARY KEY AUTOINCREMENT,
    order_number     INTEGER NOT NULL,
    trade_number     INTEGER,
    status           TEXT NOT NULL,
    filled_quantity  INTEGER NOT NULL,
    filled_value     TEXT NOT NULL,
    reason           TEXT NOT NULL,
    updated_at       TEXT NOT NULL
) STRICT;
CREATE TABLE prices (
    exchange         TEXT NOT NULL,
    tradingsymbol    TEXT NOT NULL,
    price            TEXT NOT NULL,
    set_at           TEXT NOT NULL,
    PRIMARY KEY (exchange, tradingsymbol)
) STRICT, WITHOUT ROWID;
CREATE TABLE faults (
    fault_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind             TEXT NOT NULL,
    count            INTEGER NOT NULL CHECK (count > 0),
    seconds          REAL NOT NULL,
    added_at         TEXT NOT NULL
) STRICT;
"""
# Added to existing books too, in a way that an older version can continue with.
_ADDITION = """
CREATE TABLE IF NOT EXISTS price_factors (
    exchange         TEXT NOT NULL,
    tradingsymbol    TEXT NOT NULL,
    price_factor     TEXT NOT NULL,
    PRIMARY KEY (exchange, tradingsymbol)
) STRICT, WITHOUT ROWID
"""


class PaperSession:
    """
    Opens the database when it is needed, and runs transactions.

    Args:
        on_open: Called with each new connection, inside no transaction.

        timeout_seconds: How long to wait for other processes.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        timeout_seconds: float,
        on_open: Callable[[sqlite3.Connection], None],
    ) -> None:
        self.path = path
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._on_open = on_open
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection; errors come out as `BrokerUnavailable`."""
        try:
            yield self._open()
        except sqlite3.Error as e:
            self.close()
            raise translate(e, self.path) from e

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection with one unchanging view of everything."""
        with self.connected() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self, *, request: bool = False) -> Iterator[sqlite3.Connection]:
        """
        Run a transaction that is committed at the end, or not at all.

        Args:
            request: It answers somebody's request, so a commit that failed is an
                unknown outcome.
        """
        with self.connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as e:
                self.close()
                if request:
                    raise OutcomeUnknown(
                        f"the paper broker's book '{self.path}' may not have kept "
                        f"the request: {e}"
                    ) from e
                raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            stat = self.path.stat()
            file = (stat.st_dev, stat.st_ino)
        except OSError:
            file = None
        if self._connection is not None:
            if file == self._file:
                return self._connection
            # Going on with the deleted file would split the account in two.
            self.close()
            if file is None:
                raise self._gone()
        elif file is None and self._file is not None:
            raise self._gone()
        connection = self._connect()
        try:
            self._on_open(connection)
            stat = self.path.stat()
        except BaseException:
            connection.close()
            raise
        self._file = (stat.st_dev, stat.st_ino)
        self._connection = connection
        return connection

    def _gone(self) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the paper broker's book '{self.path}' has gone",
            hint="put it back, or restart the services to begin an empty one",
        )

    def _connect(self) -> sqlite3.Connection:
        # Each process uses its broker from one thread at a time, though not
        # always from the same one.
        connection = sqlite3.connect(
            self.path,
            timeout=self._timeout_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.row_factory = sqlite3.Row
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            self._make_schema(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_schema(self, connection: sqlite3.Connection) -> None:
        if self._is_made(connection) and _has_addition(connection):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Eight services start at once: another may have been faster.
            if not self._is_made(connection):
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO account VALUES (?, '0', '0', '0')",
                    (self._clock.now().isoformat(),),
                )
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            connection.execute(_ADDITION)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _is_made(self, connection: sqlite3.Connection) -> bool:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if (owner, version) == (_APPLICATION_ID, _SCHEMA_VERSION):
            return True
        query = "SELECT 1 FROM sqlite_schema LIMIT 1"
        if owner == 0 and connection.execute(query).fetchone() is None:
            return False
        if owner == _APPLICATION_ID:
            raise BrokerUnavailable(
                f"the paper broker's book '{self.path}' is of another version "
                f"(schema {version}, this one knows {_SCHEMA_VERSION})",
                hint="stop the services and move it away to begin an empty one",
            )
        raise BrokerUnavailable(
            f"'{self.path}' is another program's database",
            hint="point 'paths.state_dir' to a directory of Shoonya's own",
        )


def _has_addition(connection: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_schema WHERE name = 'price_factors'"
    return connection.execute(query).fetchone() is not None


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait by its busy time-out while another process changes the
    # mode, which happens once in the file's life, when eight services start.
    for last_attempt in [False] * 50 + [True]:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as e:
            if last_attempt or _code(e) not in _BUSY:
                raise
            time.sleep(0.02)


_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_ACCESS = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
)


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def translate(error: sqlite3.Error, path: Path) -> BrokerError:
    """Return our error for SQLite's, with what to do about it."""
    book = f"the paper broker's book '{path}'"
    code = _code(error)
    if code in _BUSY:
        return BrokerUnavailable(
            f"{book} is locked by another program",
            hint=f"see who holds it: fuser -v '{path}'",
        )
    if code in _DAMAGED:
        return BrokerUnavailable(
            f"{book} is damaged: {error}",
            hint="stop the services and move it away to begin an empty one",
        )
    if code in _NO_ACCESS:
        return BrokerUnavailable(
            f"{book} cannot be opened: {error}",
            hint="check the owner and mode of the file and of its directory",
        )
    if code == sqlite3.SQLITE_FULL:
        return BrokerUnavailable(
            f"no space left for {book}", hint="free some disk space"
        )
    return BrokerUnavailable(f"{book} does not answer: {error}")
