"""Fills an order store with orders that have had their day, by bulk insert."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.store.sqlite import SqliteOrderStore

BODY = (
    '{"exchange":"NFO","execution_type":"entry","legs":[{"direction":"SELL","qty":65,'
    '"tradingsymbol":"NIFTY28DEC27F"}],"strategy_name":"history"}'
)
#: An hour old and of today, which is the worst there is; one in a hundred was never
#: placed, and each ten orders have left a flat position.
_STATEMENTS = (
    "INSERT INTO alerts (alert_id, dedupe_key, received_at, strategy, body, content,"
    " status, outcome) SELECT printf('A000101-%08d', i), 'id:history:' || i, :at,"
    " 'history', :body, :content, 'completed', 'filled' FROM n",
    "INSERT INTO orders (client_order_id, alert_id, leg, attempt, part, strategy,"
    " intent, exchange, tradingsymbol, side, quantity, order_type, product,"
    " time_in_force, status, broker_order_id, filled_quantity, average_price,"
    " alerted_at, created_at, updated_at)"
    " SELECT printf('O000101-%08d-1', i), printf('A000101-%08d', i), 1, 1, 1,"
    " 'history', 'entry', 'NFO', 'NIFTY28DEC27F', 'SELL', 65, 'MARKET', 'NRML', 'DAY',"
    " iif(i % 100, 'filled', 'not_placed'), iif(i % 100, printf('H%014d', i), NULL),"
    " iif(i % 100, 65, 0), '100', :at, :at, :at FROM n",
    "INSERT INTO events (alert_id, order_id, trigger, order_status, service, run_id,"
    " occurred_at, text) SELECT printf('A000101-%08d', i), i, trigger, trigger,"
    " 'history', 'history', :at, 'SELL 65 NFO:NIFTY28DEC27F @ MARKET' FROM n,"
    " (SELECT 'created' AS trigger UNION ALL SELECT 'risk_passed' UNION ALL"
    " SELECT 'guard_passed' UNION ALL SELECT 'submitted' UNION ALL SELECT 'accepted'"
    " UNION ALL SELECT 'filled')",
    "INSERT INTO fills (order_id, trade_id, quantity, price, realised_pnl, filled_at)"
    " SELECT i, 'T1', 65, '100', '-1.5', :at FROM n WHERE i % 100",
    "INSERT INTO positions (strategy, exchange, tradingsymbol, product, quantity,"
    " average_price, realised_pnl, updated_at) SELECT printf('history-%08d', i), 'NFO',"
    " 'NIFTY28DEC27F', 'NRML', 0, '0', '-1.5', :at FROM n WHERE i % 10 = 0",
)
#: Of one order with the ids that are given.
_ONE = (
    "INSERT INTO alerts (alert_id, dedupe_key, received_at, strategy, body, content,"
    " status, outcome) VALUES (:alert_id, 'id:bench:' || :number, :at, :strategy,"
    " :body, :content, 'completed', 'filled')",
    "INSERT INTO orders (order_id, client_order_id, alert_id, leg, attempt, part,"
    " strategy, intent, exchange, tradingsymbol, side, quantity, order_type, product,"
    " time_in_force, status, broker_order_id, filled_quantity, average_price,"
    " alerted_at, created_at, updated_at)"
    " VALUES (:number, :client_order_id, :alert_id, 1, 1, 1, :strategy, 'entry', 'NFO',"
    " 'NIFTY28DEC27F', 'SELL', 65, 'MARKET', 'NRML', 'DAY', 'filled',"
    " :broker_order_id, 65, '100', :at, :at, :at)",
    "INSERT INTO events (alert_id, order_id, trigger, order_status, service, run_id,"
    " occurred_at, text) SELECT :alert_id, :number, trigger, trigger, 'bench', 'bench',"
    " :at, '' FROM (SELECT 'created' AS trigger UNION ALL SELECT 'risk_passed'"
    " UNION ALL SELECT 'guard_passed' UNION ALL SELECT 'submitted'"
    " UNION ALL SELECT 'accepted' UNION ALL SELECT 'filled')",
)
_READ = {
    "body": BODY,
    "content": msgspec.json.encode(parse(json.loads(BODY))).decode(),
}


def fill_with(path: Path, orders: Iterable[Mapping[str, object]]) -> None:
    """
    Make a store in which these orders were filled.

    Args:
        orders: Each with `number`, `at`, `alert_id`, `client_order_id`,
            `broker_order_id` and `strategy`.
    """
    _make(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        for each in orders:
            for statement in _ONE:
                connection.execute(statement, {**each, **_READ})


def fill(path: Path, orders: int) -> None:
    """Make a store with so many orders at their end."""
    _make(path)
    if not orders:
        return
    values = {
        "at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(
            timespec="microseconds"
        ),
        **_READ,
        "size": orders,
    }
    numbers = (
        "WITH RECURSIVE n (i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :size) "
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for statement in _STATEMENTS:
            connection.execute(numbers + statement, values)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # What the disk has still to write of it would be measured as the platform's.
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    SqliteOrderStore(path, service="bench", run_id="bench", clock=SystemClock()).close()
