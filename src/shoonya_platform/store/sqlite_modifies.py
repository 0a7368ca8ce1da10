"""Requests for other terms of orders in SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from shoonya_platform.domain.orders import Order, OrderId, OrderTrigger
from shoonya_platform.domain.terms import ModifyRequest, ModifyStage, Terms
from shoonya_platform.store._session import Session, decimal_of, decimal_text
from shoonya_platform.store.sqlite_orders import SqliteOrders

_PASSED = {
    ModifyStage.RISK_PASSED: OrderTrigger.REPLACE_RISK_PASSED,
    ModifyStage.GUARD_PASSED: OrderTrigger.REPLACE_GUARD_PASSED,
}


class SqliteModifies:
    """The `ModifyTable`."""

    def __init__(self, session: Session, orders: SqliteOrders) -> None:
        self._session = session
        self._orders = orders

    def request(self, order_id: OrderId, terms: Terms, *, by: str) -> bool:
        return bool(
            self._session.execute(
                "INSERT INTO modify_requests (order_id, quantity, price,"
                " trigger_price, stage, requested_by, requested_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET"
                " quantity = excluded.quantity, price = excluded.price,"
                " trigger_price = excluded.trigger_price, stage = excluded.stage,"
                " requested_by = excluded.requested_by,"
                " requested_at = excluded.requested_at, result = NULL"
                " WHERE result IS NOT NULL",
                (
                    order_id,
                    terms.quantity,
                    decimal_text(terms.price),
                    decimal_text(terms.trigger_price),
                    ModifyStage.REQUESTED,
                    by,
                    self._session.now(),
                ),
            )
        )

    def get(self, order_id: OrderId) -> ModifyRequest | None:
        found = self._read("order_id = ?", (order_id,))
        return found[0] if found else None

    def waiting(self, *stages: ModifyStage, limit: int) -> list[ModifyRequest]:
        marks = ", ".join("?" * len(stages))
        return self._read(
            f"result IS NULL AND stage IN ({marks}) ORDER BY requested_at LIMIT ?",
            (*stages, limit),
        )

    def pass_on(self, order: Order, stage: ModifyStage, *, text: str = "") -> None:
        self._session.execute(
            "UPDATE modify_requests SET stage = ? WHERE order_id = ?",
            (stage, order.order_id),
        )
        if stage in _PASSED:
            self._orders.note(order, _PASSED[stage], text)

    def deny(self, order: Order, reason: str) -> None:
        self.finish(order.order_id, result=f"denied: {reason}")
        self._orders.note(order, OrderTrigger.REPLACE_DENIED, reason)

    def finish(self, order_id: OrderId, *, result: str) -> None:
        self._session.execute(
            "UPDATE modify_requests SET result = ?"
            " WHERE order_id = ? AND result IS NULL",
            (result, order_id),
        )

    def _read(self, where: str, parameters: tuple[object, ...]) -> list[ModifyRequest]:
        query = f"SELECT * FROM modify_requests WHERE {where}"
        return self._session.read(_request, query, parameters)


def _request(row: sqlite3.Row) -> ModifyRequest:
    return ModifyRequest(
        order_id=OrderId(row["order_id"]),
        terms=Terms(
            quantity=row["quantity"],
            price=decimal_of(row["price"]),
            trigger_price=decimal_of(row["trigger_price"]),
        ),
        stage=ModifyStage(row["stage"]),
        requested_by=row["requested_by"],
        requested_at=datetime.fromisoformat(row["requested_at"]),
        result=row["result"],
    )
