"""What the tables of the SQLite store share."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from msgspec import MsgspecError

from shoonya_platform.clock import Clock
from shoonya_platform.errors import AlertRefused, StoreBusy, StoreDamaged, StoreError

T = TypeVar("T")

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True)
class Session:
    """A connection, and who uses it."""

    connection: sqlite3.Connection
    path: Path
    service: str
    run_id: str
    clock: Clock

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows, so that no error of SQLite's comes out untranslated."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as e:
            raise translate(e, self.path) from e

    def read(
        self, make: Callable[[sqlite3.Row], T], sql: str, parameters: tuple[Any, ...]
    ) -> list[T]:
        """Return what is made of all rows."""
        rows = self.query(sql, parameters)
        try:
            return [make(row) for row in rows]
        except (ValueError, ArithmeticError, AlertRefused, MsgspecError) as e:
            raise damaged(self.path, f"a row cannot be read: {e}") from e

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        try:
            return self.connection.execute(sql, parameters).rowcount
        except sqlite3.Error as e:
            raise translate(e, self.path) from e

    def now(self) -> str:
        return text_of(self.clock.now())


def text_of(moment: datetime) -> str:
    """Return a moment as text that sorts by time, so always in UTC."""
    if moment.tzinfo is None:
        raise ValueError("expected an aware time, was a naive one")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def decimal_of(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def decimal_text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def damaged(path: Path, what: str) -> StoreDamaged:
    return StoreDamaged(
        f"the order store '{path}' is damaged: {what}",
        hint="stop the services, keep the file, and restore a backup in its place",
    )


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """Return our error for SQLite's, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # Without a table of ours it is no store, whatever its header says.
    if code in _DAMAGED or str(error).startswith("no such "):
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL:
        return StoreBusy(
            f"no space left for the order store '{path}'", hint="free some disk space"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(
            f"the order store '{path}' is locked by another program",
            hint=f"see who holds it: fuser -v '{path}'",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreBusy(
            f"the order store '{path}' cannot be written: {error}",
            hint="check the owner and mode of the file and of its directory",
        )
    if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
        return StoreBusy(f"the order store '{path}' does not answer: {error}")
    return StoreError(f"the order store '{path}' refused: {error}")
