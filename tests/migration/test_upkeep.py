"""A store that is copied while it is used, migrated, and taken back with its rows."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.errors import StoreError
from shoonya_platform.store import sqlite_upkeep
from shoonya_platform.store.sqlite import SqliteOrderStore, migrations
from shoonya_platform.testing.orders import store_alert, store_order


@pytest.fixture
def path(tmp_path):
    return tmp_path / "orders.db"


@pytest.fixture
def store(path, clock):
    opened = SqliteOrderStore(path, service="tests", run_id="run-1", clock=clock)
    yield opened
    opened.close()


def dump(path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


def execute(path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA legacy_alter_table = ON")
        for statement in statements:
            connection.execute(statement)


def test_copy_of_a_store_in_use_is_whole_and_for_its_owner_alone(store, path, tmp_path):
    store_order(store, OrderStatus.FILLED)
    copied = tmp_path / "copy.db"

    sqlite_upkeep.copy(path, copied)

    assert dump(copied) == dump(path)
    assert copied.stat().st_mode & 0o777 == 0o600
    assert sqlite_upkeep.schema_version(copied) == len(migrations())
    assert sorted(each.name for each in tmp_path.glob("*copy*")) == ["copy.db"]


def test_store_that_is_not_there_yet_has_version_0(path):
    assert sqlite_upkeep.schema_version(path) == 0


def test_copy_that_an_earlier_one_left_half_written_is_no_obstacle(
    store, path, tmp_path
):
    copied = tmp_path / "copy.db"
    (tmp_path / ".copy.db.new").write_bytes(b"half")

    sqlite_upkeep.copy(path, copied)

    assert dump(copied) == dump(path)


def make_first_version(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(migrations()[0])
        connection.execute("PRAGMA application_id = 0x53484F4F")
        connection.execute("PRAGMA user_version = 1")


def test_older_file_is_migrated(path):
    make_first_version(path)

    sqlite_upkeep.migrate(path)

    assert sqlite_upkeep.schema_version(path) == len(migrations())


def test_program_migrates_an_older_file(path):
    make_first_version(path)

    subprocess.run(
        [sys.executable, "-m", "shoonya_platform.store.sqlite_upkeep", path], check=True
    )

    assert sqlite_upkeep.schema_version(path) == len(migrations())


def test_program_says_what_is_wrong_with_a_file_and_its_exit_code(path):
    path.write_bytes(b"no database" * 100)

    done = subprocess.run(
        [sys.executable, "-m", "shoonya_platform.store.sqlite_upkeep", path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 14
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr


NEWER = {
    "new-table": ("CREATE TABLE later (a INTEGER)", "INSERT INTO later VALUES (1)"),
    "new-column": ("ALTER TABLE orders ADD COLUMN later TEXT",),
    "new-column-of-the-referred": (
        "ALTER TABLE alerts ADD COLUMN later TEXT NOT NULL DEFAULT 'x'",
    ),
    "new-index": ("CREATE INDEX later ON orders (leg)",),
    "other-index": (
        "DROP INDEX orders_by_status",
        "CREATE INDEX orders_by_status ON orders (status)",
    ),
    "gone-index": ("DROP INDEX orders_not_placed",),
    "gone-table": ("DROP TABLE risk_days",),
    "gone-table-with-an-index": ("DROP TABLE fills",),
    "trigger": (
        "CREATE TRIGGER later AFTER INSERT ON orders BEGIN SELECT 1; END",
        "CREATE VIEW seen AS SELECT * FROM orders",
    ),
    "all": (
        "ALTER TABLE orders ADD COLUMN later TEXT",
        "ALTER TABLE events ADD COLUMN later TEXT",
        "CREATE INDEX later ON orders (later)",
        "CREATE TABLE later_too (a INTEGER REFERENCES orders (order_id))",
    ),
}


@pytest.mark.parametrize("newer", [pytest.param(s, id=n) for n, s in NEWER.items()])
def test_store_is_taken_back_with_all_that_came_since(store, path, tmp_path, newer):
    store_order(store, OrderStatus.FILLED)
    sqlite_upkeep.copy(path, tmp_path / "older.db")
    execute(path, *newer, f"PRAGMA user_version = {len(migrations()) + 1}")
    # The new version's services go on writing.
    since = store_order(store, OrderStatus.ACCEPTED)
    wanted = store.orders.get(since.order_id)

    sqlite_upkeep.take_back(path, tmp_path / "older.db")

    assert sqlite_upkeep.schema_version(path) == len(migrations())
    assert schema(path) == schema(tmp_path / "older.db")
    assert store.orders.get(since.order_id) == wanted
    # Numbers are never given twice.
    assert store_order(store, OrderStatus.FILLED).order_id > since.order_id
    store_alert(store)


def schema(path) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_schema"))


def test_rows_that_do_not_fit_the_older_schema_change_nothing(store, path, tmp_path):
    sqlite_upkeep.copy(path, tmp_path / "older.db")
    text = next(sql for kind, name, sql in schema(path) if name == "risk_days")
    execute(
        path,
        "DROP TABLE risk_days",
        text.replace("best_pnl     TEXT NOT NULL", "best_pnl     TEXT"),
        "INSERT INTO risk_days (day, last_pnl) VALUES ('2026-11-24', '0')",
        f"PRAGMA user_version = {len(migrations()) + 1}",
    )
    before = dump(path)

    with pytest.raises(StoreError):
        sqlite_upkeep.take_back(path, tmp_path / "older.db")

    assert dump(path) == before
    assert sqlite_upkeep.schema_version(path) == len(migrations()) + 1


def test_copy_that_is_none_is_refused(store, path, tmp_path):
    before = dump(path)

    with pytest.raises(StoreError, match="no copy"):
        sqlite_upkeep.take_back(path, tmp_path / "gone.db")

    assert dump(path) == before
