"""
The embedded order store: one SQLite file in WAL mode, shared by the eight.

A connection belongs to one thread at a time.  Writers take turns by
`BEGIN IMMEDIATE`; readers are never held up.  A writer that waits for the disk does so
after its turn: the disk's word on the log covers all that stands in it by then.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.errors import OtherAccount, StoreBusy, StoreDamaged
from shoonya_platform.store._session import Session, translate
from shoonya_platform.store.accounts import account_of, is_of, other_books
from shoonya_platform.store.base import OtherBook
from shoonya_platform.store.separation import separate
from shoonya_platform.store.sqlite_alerts import SqliteAlerts
from shoonya_platform.store.sqlite_allowances import SqliteAllowances
from shoonya_platform.store.sqlite_discrepancies import SqliteDiscrepancies
from shoonya_platform.store.sqlite_modifies import SqliteModifies
from shoonya_platform.store.sqlite_orders import SqliteOrders
from shoonya_platform.store.sqlite_positions import SqlitePositions
from shoonya_platform.store.sqlite_recovery import SqliteRecovery
from shoonya_platform.store.sqlite_risk import SqliteRisk
from shoonya_platform.store.sqlite_services import SqliteServices, SqliteTrading
from shoonya_platform.store.walfile import WalFile

#: Longer than any transaction of ours takes, shorter than a service's watchdog.
BUSY_TIMEOUT_SECONDS = 5.0

#: Between two tries to become the writer; a transaction takes about a millisecond.
SHORTEST_NAP_SECONDS = 0.0002
LONGEST_NAP_SECONDS = 0.002

#: Steps of SQLite's machine between two calls while tables are made anew: some 50 ms.
PROGRESS_STEPS = 1_000_000

#: Marks the file as ours (`file(1)` shows it): "SHOO".
_APPLICATION_ID = 0x53484F4F


class SqliteOrderStore:
    """
    The `OrderStore` over a file.

    Args:
        path: The database; made and migrated if it is not there.

        service: Which of the eight (or `shoonyactl`) writes.

        run_id: Which process of it.

        account: Whose book it has to be; a store without an owner becomes its. Empty
            for a look that does not depend on it.

        busy_timeout_seconds: How long to wait for other writers.

        progress: Called again and again while a store of an earlier version is brought
            to this one's schema, which takes minutes with millions of orders; it
            returns whether to give that up, with StoreBusy.

    Raises:
        OtherAccount: It is another account's book.
        StoreDamaged: The file is no database, another program's, or from a newer
            version.
        StoreBusy: It cannot be opened now.
    """

    def __init__(
        self,
        path: Path,
        *,
        service: str,
        run_id: str,
        clock: Clock,
        account: str = "",
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        progress: Callable[[], bool] | None = None,
    ) -> None:
        self.path = path
        self._busy_timeout_seconds = busy_timeout_seconds
        self._wal = WalFile(path)
        with self._translated():
            try:
                # A service hands its store to one worker thread (the HTTP ones), so
                # the check by thread identity would only be in the way.
                connection = sqlite3.connect(
                    path,
                    timeout=busy_timeout_seconds,
                    isolation_level=None,
                    check_same_thread=False,
                )
            except sqlite3.OperationalError as e:
                raise StoreBusy(
                    f"the order store '{path}' cannot be opened: {e}",
                    hint="check that its directory exists and belongs to the service",
                ) from e
            self._connection = connection
            try:
                connection.row_factory = sqlite3.Row
                # First: another program's file is left as it is.
                version = self._version()
                _use_wal(connection, busy_timeout_seconds)
                connection.execute("PRAGMA synchronous = NORMAL")
                steps = migrations()
                # A table that is made anew is dropped first, with its references.
                connection.execute("PRAGMA foreign_keys = OFF")
                connection.set_progress_handler(progress, PROGRESS_STEPS)
                for number, script in enumerate(steps[version:], start=version + 1):
                    self._apply(number, script)
                connection.set_progress_handler(None, 0)
                connection.execute("PRAGMA foreign_keys = ON")
                if account:
                    self._claim(account, clock.now())
            except BaseException:
                connection.close()
                raise
        session = Session(connection, path, service, run_id, clock)
        self.alerts = SqliteAlerts(session)
        self.orders = SqliteOrders(session)
        self.modifies = SqliteModifies(session, self.orders)
        self.positions = SqlitePositions(session)
        self.services = SqliteServices(session)
        self.trading = SqliteTrading(session)
        self.risk = SqliteRisk(session)
        self.allowances = SqliteAllowances(session)
        self.recovery = SqliteRecovery(session)
        self.discrepancies = SqliteDiscrepancies(session)

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        with self._translated():
            _begin(self._connection, self._busy_timeout_seconds)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # After some errors (disk full) SQLite has rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        if durable:
            self._wal.sync()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("SAVEPOINT part")
            try:
                yield
            except BaseException:
                # After some errors (disk full) all is rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK TO part")
                    self._connection.execute("RELEASE part")
                raise
            self._connection.execute("RELEASE part")

    @contextmanager
    def view(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def other_books(self) -> list[OtherBook]:
        return other_books(self.path)

    def close(self) -> None:
        self._connection.close()
        self._wal.close()
        self.trading.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as e:
            raise translate(e, self.path) from e

    def _version(self) -> int:
        """Return the schema's version, if this version of ours can use the file."""
        connection = self._connection
        # One view of all three: another process may be making the tables just now.
        connection.execute("BEGIN")
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        has_tables = connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        connection.execute("COMMIT")
        if owner not in (0, _APPLICATION_ID) or (
            owner == 0 and (version or has_tables)
        ):
            raise StoreDamaged(
                f"'{self.path}' is another program's database",
                hint="point 'paths.state_dir' to a directory of Shoonya's own",
            )
        known = len(migrations())
        if version > known:
            raise StoreDamaged(
                f"the order store '{self.path}' was written by a newer version "
                f"(schema {version}, this one knows {known})",
                hint="upgrade Shoonya, or restore the backup made before the upgrade",
            )
        return version

    def _claim(self, account: str, now: datetime) -> None:
        """Make sure that this is the account's book; take one without an owner."""
        query = "SELECT name FROM account"
        row = self._connection.execute(query).fetchone()
        if row is None:
            owner = account_of(self.path)
            if owner is None or is_of(owner, account):
                self._take(account, now)
                row = self._connection.execute(query).fetchone()
            else:
                row = (owner,)
        elif row[0] != account and is_of(row[0], account):
            # The copy of a book that was separated knows the broker alone.
            self._connection.execute("UPDATE account SET name = ?", (account,))
            row = (account,)
        if row[0] != account:
            raise OtherAccount(
                f"the order store '{self.path}' is the book of '{row[0]}', and "
                f"'{account}' is configured",
                hint="each account has a store of its own: move this file away, or "
                "configure its account under [broker]",
            )

    def _take(self, account: str, now: datetime) -> None:
        """Make a book without an owner the account's, and leave it nothing else's."""
        connection = self._connection
        _begin(connection, self._busy_timeout_seconds)
        try:
            # Eight services start at once: another may have been faster.
            if connection.execute("SELECT 1 FROM account").fetchone() is None:
                separate(connection, self.path, account.partition("-")[0], now)
                connection.execute(
                    "INSERT INTO account (id, name) VALUES (1, ?)", (account,)
                )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _apply(self, number: int, script: str) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Eight services start at once: another may have been faster.
            if connection.execute("PRAGMA user_version").fetchone()[0] < number:
                for statement in statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _use_wal(connection: sqlite3.Connection, timeout_seconds: float) -> None:
    # SQLite does not always wait while another process changes the mode, which
    # happens once in the file's life: when eight services start at once.
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as e:
            if not _is_busy(e) or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)


def migrations() -> list[str]:
    """Return the scripts in order; the n-th leads to schema version n."""
    # Not importlib.resources: it brings half a megabyte into each of the eight.
    files = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return [entry.read_text(encoding="utf-8") for entry in files]


def statements(script: str) -> Iterator[str]:
    """Cut a script into statements; `executescript` would commit in between."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending:
        yield pending


def _begin(connection: sqlite3.Connection, timeout_seconds: float) -> None:
    """
    Begin to write; wait for other writers in short naps.

    SQLite's own waiting sleeps up to 100 ms at a time: with eight writers in turn it
    made a flood of orders wait longer than work.
    """
    deadline = time.monotonic() + timeout_seconds
    nap = SHORTEST_NAP_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as e:
                if not _is_busy(e) or time.monotonic() >= deadline:
                    raise
            else:
                return
            time.sleep(nap)
            nap = min(2 * nap, LONGEST_NAP_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(timeout_seconds * 1000)}")
