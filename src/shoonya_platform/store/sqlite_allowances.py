"""What the broker's account may do and afford, in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.margins import MarginReading
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.store._session import Session, decimal_of, decimal_text, text_of

#: A reading is of one moment; the alert's own record stays.
_KEPT = timedelta(days=1)


class SqliteAllowances:
    """The `AllowanceTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def products(self) -> dict[Exchange, frozenset[Product]]:
        found: dict[Exchange, frozenset[Product]] = {}
        for row in self._session.query("SELECT exchange, product FROM products"):
            exchange = Exchange(row["exchange"])
            found[exchange] = found.get(exchange, frozenset()) | {
                Product(row["product"])
            }
        return found

    def note_products(self, products: Mapping[Exchange, frozenset[Product]]) -> None:
        self._session.execute("DELETE FROM products")
        for exchange, allowed in products.items():
            for product in allowed:
                self._session.execute(
                    "INSERT INTO products (exchange, product) VALUES (?, ?)",
                    (exchange, product),
                )

    def margin(self, alert_id: AlertId) -> MarginReading | None:
        rows = self._session.query(
            "SELECT required, available, is_refused, failure, asked_at FROM margins"
            " WHERE alert_id = ?",
            (alert_id,),
        )
        if not rows:
            return None
        (row,) = rows
        return MarginReading(
            required=decimal_of(row["required"]),
            available=decimal_of(row["available"]),
            is_refused=bool(row["is_refused"]),
            failure=row["failure"],
            asked_at=datetime.fromisoformat(row["asked_at"]),
        )

    def note_margin(self, alert_id: AlertId, reading: MarginReading) -> None:
        self._session.execute(
            "DELETE FROM margins WHERE asked_at < ?",
            (text_of(reading.asked_at - _KEPT),),
        )
        self._session.execute(
            "INSERT OR REPLACE INTO margins"
            " (alert_id, required, available, is_refused, failure, asked_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                alert_id,
                decimal_text(reading.required),
                decimal_text(reading.available),
                reading.is_refused,
                reading.failure,
                text_of(reading.asked_at),
            ),
        )
