"""
The store's engine as the simulation drives it: copies, power cuts, hooks at commits.

`Engine` is what another database would have to offer; SQLite is the one there is.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Protocol

from shoonya_platform.clock import Clock
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.sqlite import SqliteOrderStore

#: Log written since the last checkpoint, in bytes, at which the next one is due.
CHECKPOINT_BYTES = 4 << 20

#: Called with "begin", "commit" or "committed", and whether the commit is durable.
Hook = Callable[[str, bool], None]


class Engine(Protocol):
    """A database that can be opened by many, copied, and cut off from its power."""

    def open(self, service: str, run_id: str, clock: Clock, hook: Hook) -> OrderStore:
        """Open the store for a process."""
        ...

    def drop(self, store: OrderStore) -> None:
        """Close a store as the kernel does for a process that was killed."""
        ...

    def copy(self) -> object:
        """Return a copy of all that is committed."""
        ...

    def restore(self, copy: object) -> None:
        """Put a copy in the store's place; no process has it open."""
        ...

    def note_power(self) -> object:
        """Return what a power cut at this moment leaves on the disk."""
        ...

    def tidy(self) -> None:
        """Do what the engine does beside its work now and then."""
        ...


class _Wal:
    """Takes the place of `WalFile`: the disk's word is a figure here."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine

    def sync(self) -> None:
        self._engine.note_sync()

    def close(self) -> None:
        """No descriptor is held."""


class SimulatedStore(SqliteOrderStore):
    """The SQLite store with hooks where a process may die, wait or be stopped."""

    hook: Hook

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        self.hook("begin", durable)
        with super().transaction(durable=durable):
            yield
            self.hook("commit", durable)
        self.hook("committed", durable)


class SqliteEngine:
    """
    One file in WAL mode on a file system in memory.

    Args:
        template: A store as its first start makes it.
    """

    def __init__(self, path: Path, template: Path, random: Random) -> None:
        self.path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._shm = path.with_name(f"{path.name}-shm")
        self._random = random
        self._durable = 0
        self._opened: list[SimulatedStore] = []
        shutil.copyfile(template, path)

    def open(
        self, service: str, run_id: str, clock: Clock, hook: Hook
    ) -> SimulatedStore:
        store = SimulatedStore(self.path, service=service, run_id=run_id, clock=clock)
        store.hook = hook
        store._wal = _Wal(self)  # type: ignore[assignment]
        # What is in the log and what is in the database is the engine's to know.
        store._connection.execute("PRAGMA wal_autocheckpoint = 0")
        store._connection.execute("PRAGMA synchronous = OFF")
        self._opened.append(store)
        return store

    def drop(self, store: OrderStore) -> None:
        assert isinstance(store, SimulatedStore)
        store._connection.close()
        store.trading.close()
        self._opened = [each for each in self._opened if each is not store]

    def note_sync(self) -> None:
        self._durable = self._size()

    def copy(self) -> tuple[bytes, bytes]:
        log = self._wal.read_bytes() if self._wal.exists() else b""
        return self.path.read_bytes(), log

    def restore(self, copy: object) -> None:
        assert isinstance(copy, tuple)
        database, log = copy
        # Through one left open the old file's log would come back.
        assert not self._opened
        self._shm.unlink(missing_ok=True)
        self.path.write_bytes(database)
        self._wal.write_bytes(log)
        self._durable = len(log)

    def note_power(self) -> tuple[bytes, bytes]:
        database, log = self.copy()
        # Of what the disk gave no word for, any beginning may have got there.
        kept = self._random.choice(
            (
                self._durable,
                self._random.randint(self._durable, max(self._durable, len(log))),
            )
        )
        return database, log[:kept]

    def tidy(self) -> None:
        if self._size() < CHECKPOINT_BYTES:
            return
        connection = sqlite3.connect(self.path, timeout=0)
        try:
            busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError:
            busy = 1
        finally:
            connection.close()
        if not busy:
            self._durable = 0

    def _size(self) -> int:
        return self._wal.stat().st_size if self._wal.exists() else 0


def make_template(path: Path, clock: Clock) -> None:
    """Make a store that is empty and brought to this version's schema."""
    store = SqliteOrderStore(path, service="simulation", run_id="template", clock=clock)
    store.close()
