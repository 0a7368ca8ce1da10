"""Whether the order store can be read, and by this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shoonya_platform.ctl.checks.world import Unseen, Verdict, World, is_there, ok
from shoonya_platform.ctl.context import store_path
from shoonya_platform.services.findings import Level
from shoonya_platform.store.sqlite import migrations

BUSY_SECONDS = 5.0


def integrity(world: World) -> Verdict:
    """A damaged page is found before an order lies on it."""
    path = store_path(world.settings)
    if not is_there(path):
        return Level.NOTE, "there is no order store yet", ""
    try:
        with _opened(path) as store:
            said = [str(row[0]) for row in store.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as e:
        if _not_ours_to_see(e):
            raise Unseen(f"the order store '{path}'") from e
        said = [str(e)]
    if said == ["ok"]:
        return ok("the order store is sound")
    return (
        Level.ERROR,
        f"the order store '{path}' is damaged: {'; '.join(said)}",
        "sudo shoonyactl restore /var/backups/shoonya/NEWEST.tar.gz",
    )


def schema(world: World) -> Verdict:
    """The store is brought to this version's schema when a service starts."""
    path = store_path(world.settings)
    if not is_there(path):
        return Level.NOTE, "there is no order store yet", ""
    try:
        with _opened(path) as store:
            version: int = store.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as e:
        raise Unseen(f"the schema of '{path}'") from e
    known = len(migrations())
    if version == known:
        return ok(f"the order store has schema {version}")
    if version > known:
        return (
            Level.ERROR,
            f"the order store has schema {version}, this version knows {known}: it is "
            "of a newer one",
            "sudo ./scripts/install  # in a newer clone of the repository",
        )
    return (
        Level.WARNING,
        f"the order store has schema {version}, this version's is {known}: it is "
        "brought there when a service of this version starts",
        "sudo shoonyactl restart"
        if not world.with_units
        else "sudo systemctl restart shoonya.target",
    )


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # Nobody has it open: then, too, nothing is made beside it, which SQLite would.
    still = "" if is_there(path.with_name(f"{path.name}-wal")) else "&immutable=1"
    store = sqlite3.connect(
        f"file:{path}?mode=ro{still}", uri=True, timeout=BUSY_SECONDS
    )
    try:
        yield store
    finally:
        store.close()


def _not_ours_to_see(error: sqlite3.DatabaseError) -> bool:
    return error.sqlite_errorcode & 0xFF in (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_BUSY,
    )
