"""
What an upgrade does to the order store's file: copies it, migrates it, takes it back.

    python -m shoonya_platform.store.sqlite_upkeep FILE

migrates a file to this version's schema, as a service does when it opens it.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.errors import ShoonyaError, StoreError
from shoonya_platform.store._session import translate
from shoonya_platform.store.sqlite import BUSY_TIMEOUT_SECONDS, SqliteOrderStore


def schema_version(path: Path) -> int:
    """
    Return the version of a store's schema; 0 if there is no store yet.

    Raises:
        StoreError: It cannot be read.
    """
    if not path.exists():
        return 0
    with _opened(path) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def facts(path: Path) -> dict[str, object]:
    """
    Return a store's schema version and how many rows each table has; writes nothing.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
            version: int = reader.execute("PRAGMA user_version").fetchone()[0]
            tables = [name for kind, name in _schema(reader) if kind == "table"]
            rows = {
                name: reader.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                for name in sorted(tables)
            }
    except sqlite3.Error as e:
        raise translate(e, path) from e
    return {"schema_version": version, "rows": rows}


def copy(path: Path, target: Path) -> None:
    """
    Copy a store that may be in use, as a whole or not at all; for root's eyes alone.

    Raises:
        StoreError: It cannot be read, or the copy not be written.
    """
    fresh = target.with_name(f".{target.name}.new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with _opened(path) as source, _opened(fresh) as into:
        # In one step: a copy in several begins anew with each write of a service.
        source.backup(into)
        # One file, that a copy of it is complete.
        into.execute("PRAGMA journal_mode = DELETE")
    fresh.replace(target)


def migrate(path: Path) -> None:
    """
    Bring a store to this version's schema.

    Raises:
        StoreError: It cannot be used, or a migration failed.
    """
    SqliteOrderStore(
        path, service="shoonyactl", run_id=str(os.getpid()), clock=SystemClock()
    ).close()


def take_back(path: Path, older: Path) -> None:
    """
    Give a store the schema of an older copy of it, and keep all that came since.

    In one transaction, while services may be using it: tables that the copy lacks go,
    changed ones are made as they were and filled from the columns that both have.

    Raises:
        StoreError: The rows do not fit the older schema; nothing was changed.
    """
    with _opened(older) as before:
        wanted = _schema(before)
        version: int = before.execute("PRAGMA user_version").fetchone()[0]
    if not version:
        raise StoreError(f"'{older}' is no copy of an order store")
    with _opened(path) as connection:
        # Else renaming a table would rewrite what refers to it.
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _reshape(connection, wanted)
            if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise StoreError(
                    f"the order store '{path}' cannot be taken back: a row of "
                    f"'{broken[0]}' would refer to nothing"
                )
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _schema(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Return what makes each table, index, trigger and view."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema "
        "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {(kind, name): sql for kind, name, sql in rows}


def _reshape(
    connection: sqlite3.Connection, wanted: dict[tuple[str, str], str]
) -> None:
    for (kind, name), sql in _schema(connection).items():
        # Those of a table that changes go with it; all are made again below.
        if kind != "table" and wanted.get((kind, name)) != sql:
            connection.execute(f'DROP {kind} "{name}"')
    for (kind, name), sql in _schema(connection).items():
        if kind != "table" or wanted.get((kind, name)) == sql:
            continue
        if (kind, name) not in wanted:
            connection.execute(f'DROP TABLE "{name}"')
            continue
        newer = f"{name}__newer"
        connection.execute(f'ALTER TABLE "{name}" RENAME TO "{newer}"')
        connection.execute(wanted[kind, name])
        columns = ", ".join(_columns_of_both(connection, name, newer))
        connection.execute(
            f'INSERT INTO "{name}" ({columns}) SELECT {columns} FROM "{newer}"'
        )
        connection.execute(f'DROP TABLE "{newer}"')
    there = _schema(connection)
    for key, sql in sorted(wanted.items(), key=lambda each: each[0][0] != "table"):
        if key not in there:
            connection.execute(sql)


def _columns_of_both(
    connection: sqlite3.Connection, name: str, newer: str
) -> list[str]:
    mine, theirs = (
        [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
        for table in (name, newer)
    )
    return [f'"{column}"' for column in mine if column in theirs]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(
            sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
        ) as connection:
            yield connection
    except sqlite3.Error as e:
        raise translate(e, path) from e


def main() -> int:
    try:
        migrate(Path(sys.argv[1]))
    except ShoonyaError as e:
        sys.stderr.write(f"{e}\n")
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
