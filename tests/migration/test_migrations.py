"""The chain of migrations gives the schema, whole or not at all."""

import re
import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal
from importlib import resources

import pytest

from shoonya_platform.domain.orders import OrderId, OrderStatus, TradeId
from shoonya_platform.errors import StoreBusy
from shoonya_platform.store.sqlite import SqliteOrderStore, migrations, statements
from shoonya_platform.testing.orders import a_fill, store_alert, store_order
from tests.migration import old_store

FOLDER = resources.files("shoonya_platform.store") / "migrations"
TABLES = {
    "alerts",
    "orders",
    "events",
    "fills",
    "risk_days",
    "positions",
    "prices",
    "services",
    "trading",
    "cancel_requests",
    "starts",
    "reconciliations",
    "modify_requests",
    "pnl",
    "absences",
    "bands",
    "refusal_counts",
    "refused_alerts",
    "products",
    "margins",
    "account",
    "order_counts",
    "realised_days",
    "discrepancies",
}


def schema(path):
    with closing(sqlite3.connect(path)) as connection:
        return sorted(
            connection.execute(
                "SELECT type, name, sql FROM sqlite_schema"
                " WHERE name NOT LIKE 'sqlite_%'"
            )
        )


def pragma(path, name):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def opened(path, clock):
    SqliteOrderStore(path, service="tests", run_id="run-1", clock=clock).close()
    return path


def test_scripts_are_numbered_without_a_gap_and_named_for_what_they_do():
    names = sorted(entry.name for entry in FOLDER.iterdir() if entry.is_file())

    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert len(migrations()) == len(names)


def test_new_store_has_the_newest_schema_and_our_mark(tmp_path, clock):
    path = opened(tmp_path / "orders.db", clock)

    assert pragma(path, "user_version") == len(migrations())
    assert pragma(path, "application_id").to_bytes(4, "big") == b"SHOO"
    assert {name for kind, name, _ in schema(path) if kind == "table"} == TABLES


@pytest.mark.parametrize("version", range(len(migrations())))
def test_store_of_any_earlier_version_becomes_like_a_new_one(tmp_path, clock, version):
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as connection:
        for script in migrations()[:version]:
            connection.executescript(script)
        if version:
            connection.execute(f"PRAGMA application_id = {0x53484F4F}")
            connection.execute(f"PRAGMA user_version = {version}")

    assert schema(opened(old, clock)) == schema(opened(tmp_path / "new.db", clock))
    assert pragma(old, "user_version") == len(migrations())


def test_orders_with_all_that_hangs_on_them_survive_being_made_anew(tmp_path, clock):
    path = tmp_path / "orders.db"
    with closing(sqlite3.connect(path)) as connection:
        for script in migrations()[:2]:
            connection.executescript(script)
        connection.executescript(
            """
            INSERT INTO alerts VALUES ('A1', 'k', 't', 's', '{}', 'planned', '');
            INSERT INTO orders VALUES (7, 'O1-1', 'A1', 1, 1, 's', 'entry', 'NFO', 'X',
                'BUY', 65, 'MARKET', NULL, NULL, 'NRML', 'DAY', NULL, 'accepted', 'B7',
                25, '100', '', '2026-11-25T04:30:00+00:00',
                '2026-11-25T04:30:00+00:00', '2026-11-25T04:30:00+00:00');
            INSERT INTO fills
                VALUES (7, 'T1', 25, '100', '0', '2026-11-25T04:30:00+00:00');
            INSERT INTO cancel_requests
                VALUES (7, 'me', '2026-11-25T04:30:00+00:00', NULL);
            UPDATE sqlite_sequence SET seq = 9 WHERE name = 'orders';
            """
        )
        connection.execute(f"PRAGMA application_id = {0x53484F4F}")
        connection.execute("PRAGMA user_version = 2")

    store = SqliteOrderStore(path, service="tests", run_id="run-1", clock=clock)

    order = store.orders.get(OrderId(7))
    assert order is not None
    assert (order.client_order_id, order.part, order.filled_quantity) == ("O1-1", 1, 25)
    assert order.price_factor == 1
    assert [request.order_id for request in store.orders.cancel_requests(limit=9)] == [
        7
    ]
    with store.transaction(durable=True):
        assert store.orders.fill(order, a_fill(40, trade_id=TradeId("T1"))) is None
    alert_id = store_alert(store)
    # The number of an order that is gone is not given again.
    assert store_order(store, alert_id=alert_id).order_id == 10
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("DELETE FROM orders WHERE order_id = 7")


def test_opening_again_changes_nothing(tmp_path, clock):
    path = opened(tmp_path / "orders.db", clock)
    before = schema(path)

    assert schema(opened(path, clock)) == before


def test_each_table_is_strict_so_that_a_text_is_a_text(tmp_path, clock):
    path = opened(tmp_path / "orders.db", clock)

    for kind, name, sql in schema(path):
        assert kind != "table" or "STRICT" in sql, name


def test_script_that_fails_leaves_nothing_behind(tmp_path, clock):
    path = tmp_path / "orders.db"
    store = SqliteOrderStore(path, service="tests", run_id="run-1", clock=clock)
    before = schema(path)
    number = len(migrations()) + 1

    with pytest.raises(sqlite3.OperationalError):
        store._apply(number, "CREATE TABLE half (a) STRICT;\nNONSENSE;\n")

    store.close()
    assert schema(path) == before
    assert pragma(path, "user_version") == len(migrations())


@pytest.mark.parametrize(
    ("script", "count"),
    [
        pytest.param("", 0, id="empty"),
        pytest.param("CREATE TABLE a (x);\nCREATE TABLE b (x);\n", 2, id="two"),
        pytest.param("CREATE TABLE a (\n  x\n);\n", 1, id="over-lines"),
        pytest.param("-- one; two;\nCREATE TABLE a (x);\n", 1, id="comment"),
        pytest.param("CREATE TABLE a (x -- why; not\n, y);\n", 1, id="comment-inside"),
        pytest.param("INSERT INTO t VALUES ('a;\nb;');\n", 1, id="text"),
        pytest.param(
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n"
            "  DELETE FROM b;\n  DELETE FROM c;\nEND;\nSELECT 1;\n",
            2,
            id="trigger",
        ),
        pytest.param("SELECT 1;\nSELECT 2", 2, id="no-last-semicolon"),
    ],
)
def test_script_is_cut_into_whole_statements(script, count):
    found = list(statements(script))

    assert len(found) == count
    assert "".join(found) == script


def test_statements_of_each_script_are_all_of_it():
    for script in migrations():
        assert "".join(statements(script)) == script


def test_figures_of_the_days_are_made_of_the_orders_and_fills_that_are_there(
    tmp_path, clock
):
    path = tmp_path / "orders.db"
    with closing(sqlite3.connect(path)) as connection:
        for script in migrations()[:8]:
            connection.executescript(script)
        connection.execute(
            "INSERT INTO alerts VALUES ('A1', 'k', 't', 's', '{}', 'planned', '')"
        )
        # The second is of the next day in India.
        for number, at in enumerate(("18:29:59.999999", "18:30:00.000000"), start=1):
            moment = f"2026-11-25T{at}+00:00"
            connection.execute(
                "INSERT INTO orders VALUES (?, ?, 'A1', ?, 1, 1, 's', 'entry', 'NFO',"
                " 'X', 'BUY', 65, 'MARKET', NULL, NULL, 'NRML', 'DAY', NULL, 'filled',"
                " ?, 65, '100', '', ?, ?, ?)",
                (number, f"O{number}", number, f"B{number}", moment, moment, moment),
            )
            connection.execute(
                "INSERT INTO fills VALUES (?, 'T', 65, '100', '-0.15', ?)",
                (number, moment),
            )
        connection.execute(f"PRAGMA application_id = {0x53484F4F}")
        connection.execute("PRAGMA user_version = 8")
        connection.commit()

    store = SqliteOrderStore(path, service="tests", run_id="run-1", clock=clock)

    for day in (date(2026, 11, 25), date(2026, 11, 26)):
        assert store.orders.passed_on(day) == 1
        assert store.positions.realised_on(day) == Decimal("-0.15")
    assert store.orders.count() == {OrderStatus.FILLED: 2}
    store.close()


def test_long_way_to_the_newest_schema_is_told_on_the_way_and_can_be_given_up(
    tmp_path, clock
):
    path = tmp_path / "orders.db"
    old_store.make_old_store(path, orders=30_000)
    before = schema(path)
    told: list[str] = []

    def go_on() -> bool:
        told.append("on the way")
        return False

    def opened_with(progress):
        return SqliteOrderStore(
            path, service="tests", run_id="run-1", clock=clock, progress=progress
        )

    with pytest.raises(StoreBusy):
        opened_with(lambda: True)
    assert (pragma(path, "user_version"), schema(path)) == (old_store.VERSION, before)

    store = opened_with(go_on)
    assert len(told) > 1
    assert store.orders.count() == {OrderStatus.FILLED: 30_000}
    # Once it is done nobody interrupts the work.
    told.clear()
    store.orders.recent(limit=30_000, strategy="nobody")
    assert told == []
    store.close()
