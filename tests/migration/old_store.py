"""A store as a version before orders in parts left it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from shoonya_platform.store.sqlite import migrations

VERSION = 2

_NUMBERS = (
    "WITH RECURSIVE n (i) AS"
    " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :orders) "
)
_STATEMENTS = (
    "INSERT INTO alerts SELECT 'A' || i, 'id:history:' || i, :at, 'history', '{}',"
    " 'completed', 'filled' FROM n",
    "INSERT INTO orders SELECT i, 'O' || i, 'A' || i, 1, 1, 'history', 'entry', 'NFO',"
    " 'NIFTY28DEC27F', 'SELL', 65, 'MARKET', NULL, NULL, 'NRML', 'DAY', NULL,"
    " 'filled', 'H' || i, 65, '100', '', :at, :at, :at FROM n",
)


def make_old_store(path: Path, orders: int) -> None:
    """Make one with so many filled orders."""
    values = {"orders": orders, "at": "2026-11-24T04:30:00+00:00"}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for script in migrations()[:VERSION]:
            connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {0x53484F4F}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("BEGIN")
        for statement in _STATEMENTS:
            connection.execute(_NUMBERS + statement, values)
        connection.execute("COMMIT")
