"""What a completed word on the command line is offered, and at what cost."""

import sqlite3
from contextlib import closing

from shoonya_platform.store.sqlite_recent import recent_alerts, recent_orders
from shoonya_platform.testing.orders import store_order


def test_newest_come_first_and_no_more_than_asked_for(store, clock):
    orders = []
    for _ in range(3):
        orders.append(store_order(store))

    found = recent_orders(store.path, limit=2)

    assert [each.name for each in found] == [
        orders[2].client_order_id,
        orders[1].client_order_id,
    ]
    assert found[0].about.startswith(f"{orders[2].order_id}: BUY 65 NFO:")
    assert len(recent_alerts(store.path, limit=2)) == 2


def test_store_that_is_not_there_is_not_made(tmp_path):
    path = tmp_path / "orders.db"

    assert recent_orders(path, limit=9) == recent_alerts(path, limit=9) == []
    assert not path.exists()


def test_store_in_use_by_a_writer_answers(store):
    order = store_order(store)
    with store.transaction(durable=False):
        assert [e.name for e in recent_orders(store.path, limit=9)] == [
            order.client_order_id
        ]


def test_another_programs_file_has_nothing(tmp_path):
    path = tmp_path / "orders.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url)")

    assert recent_orders(path, limit=9) == []
