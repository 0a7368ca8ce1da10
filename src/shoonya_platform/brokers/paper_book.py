"""
The paper broker's books: orders, trades, positions, money and reports.

What holds after every transaction: an order's filled quantity and value are the
sums of its trades; a position is the sum of all trades in it; the margin used is
what the positions and the working orders block; each change has its report.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from shoonya_platform.brokers.base import (
    BrokerTrade,
    ExecutionReport,
    Limits,
)
from shoonya_platform.brokers.paper_faults import REPORTING, FaultKind, take
from shoonya_platform.brokers.paper_rows import (
    NUMBERS_A_DAY,
    PaperOrder,
    decimal_text,
    fill_of,
    first_number,
    order_of,
    position_margin,
    position_of,
)
from shoonya_platform.domain.days import day_begin
from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    OrderStatus,
)
from shoonya_platform.domain.positions import Position

_ZERO = Decimal(0)
_POSITIONS = (
    "SELECT positions.*, coalesce(price_factor, '1') AS price_factor FROM positions"
    " LEFT JOIN price_factors USING (exchange, tradingsymbol)"
)
_WORKING_SQL = "status IN ('accepted', 'partially_filled')"
# A buyer waits for the price to fall to the limit, or to rise to the trigger.
_DUE = f"""
    SELECT * FROM (
        SELECT *, CAST(iif(is_triggered, price, trigger_price) AS REAL) AS waits_for
        FROM orders
        WHERE {_WORKING_SQL} AND exchange = :exchange AND tradingsymbol = :tradingsymbol
    )
    WHERE number < :first OR waits_for IS NULL OR time_in_force = 'IOC'
        OR iif((side = 'BUY') = is_triggered,
               :last <= waits_for + 1e-6, :last >= waits_for - 1e-6)
    ORDER BY number
"""  # noqa: S608


class Book:
    """
    The books within one transaction, at one moment.

    Changes need a writing transaction and `settle` before it is committed.
    """

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self._realised = _ZERO
        self._position_margin = _ZERO
        self._order_margin = _ZERO
        self._has_faults = (
            connection.execute("SELECT 1 FROM faults LIMIT 1").fetchone() is not None
        )

    def orders(self) -> list[PaperOrder]:
        """Return the orders of the day."""
        return [order_of(row) for row in self.order_rows()]

    def order_rows(self) -> list[sqlite3.Row]:
        """Return the orders of the day as they are stored."""
        return self.connection.execute(
            "SELECT * FROM orders WHERE number >= ? AND number < ? ORDER BY number",
            self._day,
        ).fetchall()

    def working(self, exchange: Exchange, tradingsymbol: str) -> list[PaperOrder]:
        """Return what may still be filled of one instrument, oldest first."""
        rows = self.connection.execute(
            f"SELECT * FROM orders WHERE {_WORKING_SQL}"  # noqa: S608
            " AND exchange = ? AND tradingsymbol = ? ORDER BY number",
            (exchange, tradingsymbol),
        ).fetchall()
        return [order_of(row) for row in rows]

    def worked(self) -> list[tuple[Exchange, str]]:
        """Return the instruments that have working orders."""
        rows = self.connection.execute(
            "SELECT DISTINCT exchange, tradingsymbol FROM orders"  # noqa: S608
            f" WHERE {_WORKING_SQL}"
        ).fetchall()
        return [(Exchange(row[0]), row[1]) for row in rows]

    def due(
        self, exchange: Exchange, tradingsymbol: str, last: Decimal | None
    ) -> list[PaperOrder]:
        """
        Return the working orders that a last price may touch, oldest first.

        A coarse look in floats, so that hundreds of resting orders cost nothing;
        whether one is touched is for the exact look to say.
        """
        rows = self.connection.execute(
            _DUE,
            {
                "exchange": exchange,
                "tradingsymbol": tradingsymbol,
                "first": self._first_number,
                "last": None if last is None else float(last),
            },
        ).fetchall()
        return [order_of(row) for row in rows]

    def find(self, broker_order_id: str) -> PaperOrder | None:
        if not (broker_order_id.isascii() and broker_order_id.isdigit()):
            return None
        row = self.connection.execute(
            "SELECT * FROM orders WHERE number = ?", (int(broker_order_id[:18]),)
        ).fetchone()
        return None if row is None else order_of(row)

    def trades(self) -> list[BrokerTrade]:
        """Return the trades of the day."""
        rows = self.connection.execute(
            "SELECT trades.number AS trade_number, order_number, client_order_id,"
            " trades.quantity AS trade_quantity, trades.price AS trade_price, filled_at"
            " FROM trades JOIN orders ON orders.number = order_number"
            " WHERE trades.number >= ? AND trades.number < ? ORDER BY trades.number",
            self._day,
        )
        return [
            BrokerTrade(
                broker_order_id=BrokerOrderId(f"{row['order_number']:014d}"),
                client_order_id=row["client_order_id"],
                fill=fill_of(row),
            )
            for row in rows
        ]

    def positions(self) -> list[Position]:
        return [position_of(row) for row in self.connection.execute(_POSITIONS)]

    def position(
        self, exchange: Exchange, tradingsymbol: str, product: Product
    ) -> Position:
        row = self.connection.execute(
            f"{_POSITIONS} WHERE exchange = ? AND tradingsymbol = ? AND product = ?",
            (exchange, tradingsymbol, product),
        ).fetchone()
        if row is not None:
            return position_of(row)
        return Position(
            strategy="",
            exchange=exchange,
            tradingsymbol=tradingsymbol,
            product=product,
            price_factor=self.price_factor(exchange, tradingsymbol),
        )

    def price_factor(self, exchange: Exchange, tradingsymbol: str) -> Decimal:
        """Return what quantity times price is multiplied by to be rupees."""
        row = self.connection.execute(
            "SELECT price_factor FROM price_factors"
            " WHERE exchange = ? AND tradingsymbol = ?",
            (exchange, tradingsymbol),
        ).fetchone()
        return Decimal(1) if row is None else Decimal(row["price_factor"])

    def next_factor(self, instrument: Instrument) -> Decimal:
        """
        Return the price factor that another order for an instrument counts by.

        While it is held or an order for it works, its factor stays: the money that
        they block is released by the factor that it was blocked by.
        """
        key = (instrument.exchange, instrument.tradingsymbol)
        known = self.price_factor(*key)
        if known == instrument.price_factor or not (
            self.working(*key)
            or any(
                position.quantity
                for position in self.positions()
                if (position.exchange, position.tradingsymbol) == key
            )
        ):
            return instrument.price_factor
        return known

    def note_factor(self, instrument: Instrument) -> Decimal:
        """Count an instrument by its next factor from now on, and return that."""
        key = (instrument.exchange, instrument.tradingsymbol)
        factor = self.next_factor(instrument)
        if factor != self.price_factor(*key):
            self.connection.execute(
                "INSERT INTO price_factors VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET price_factor = excluded.price_factor",
                (*key, str(factor)),
            )
        return factor

    def limits(self, cash: Decimal) -> Limits:
        """Return the account's money, of which `cash` was there at the beginning."""
        row = self.connection.execute("SELECT * FROM account").fetchone()
        return Limits(
            cash=cash + Decimal(row["realised"]) + self._realised,
            margin_used=Decimal(row["position_margin"])
            + Decimal(row["order_margin"])
            + self._position_margin
            + self._order_margin,
        )

    def reports(self, after: int) -> tuple[list[ExecutionReport], int]:
        """Return the reports behind a cursor, and where the cursor stands then."""
        rows = self.connection.execute(
            "SELECT orders.*, report_id, reports.status AS then_status,"
            " reports.filled_quantity AS then_quantity,"
            " reports.filled_value AS then_value, reports.reason AS then_reason,"
            " reports.updated_at AS then_at, trade_number,"
            " trades.quantity AS trade_quantity, trades.price AS trade_price, filled_at"
            " FROM reports JOIN orders ON orders.number = reports.order_number"
            " LEFT JOIN trades ON trades.number = trade_number"
            " WHERE report_id > ? ORDER BY report_id",
            (after,),
        ).fetchall()
        found = []
        for row in rows:
            then = replace(
                order_of(row),
                status=OrderStatus(row["then_status"]),
                filled_quantity=row["then_quantity"],
                filled_value=Decimal(row["then_value"]),
                reason=row["then_reason"],
                updated_at=datetime.fromisoformat(row["then_at"]),
            )
            fill = None if row["trade_number"] is None else fill_of(row)
            found.append(ExecutionReport(order=then.claim, fill=fill))
        return found, rows[-1]["report_id"] if rows else after

    def last_report(self) -> int:
        query = "SELECT coalesce(max(report_id), 0) FROM reports"
        return int(self.connection.execute(query).fetchone()[0])

    def next_number(self) -> int:
        return self._next("orders")

    def add(self, order: PaperOrder) -> None:
        self.connection.execute(
            "INSERT INTO orders VALUES"
            " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.number,
                order.client_order_id,
                order.exchange,
                order.tradingsymbol,
                order.side,
                order.product,
                order.quantity,
                order.order_type,
                decimal_text(order.price),
                decimal_text(order.trigger_price),
                order.time_in_force,
                order.status,
                order.is_triggered,
                None if order.held_until is None else order.held_until.isoformat(),
                order.filled_quantity,
                str(order.filled_value),
                str(order.margin),
                order.reason,
                order.updated_at.isoformat(),
            ),
        )
        self._order_margin += order.blocked
        self._report(order, None)

    def trigger(self, order: PaperOrder) -> PaperOrder:
        """Turn a stop order whose trigger price was touched into a plain one."""
        self.connection.execute(
            "UPDATE orders SET is_triggered = 1 WHERE number = ?", (order.number,)
        )
        return replace(order, is_triggered=True)

    def modify(self, order: PaperOrder, after: PaperOrder) -> PaperOrder:
        """Give an order the quantity, prices and margin of another."""
        after = replace(after, updated_at=self.now)
        self.connection.execute(
            "UPDATE orders SET quantity = ?, price = ?, trigger_price = ?, margin = ?"
            " WHERE number = ?",
            (
                after.quantity,
                decimal_text(after.price),
                decimal_text(after.trigger_price),
                str(after.margin),
                after.number,
            ),
        )
        self._change(order, after, None)
        return after

    def end(self, order: PaperOrder, status: OrderStatus, reason: str) -> PaperOrder:
        """Take an order out of the book."""
        after = replace(order, status=status, reason=reason, updated_at=self.now)
        self._change(order, after, None)
        return after

    def fill(self, order: PaperOrder, quantity: int, price: Decimal) -> PaperOrder:
        """Trade a part of an order, or all of it."""
        filled = order.filled_quantity + quantity
        after = replace(
            order,
            status=(
                OrderStatus.FILLED
                if filled == order.quantity
                else OrderStatus.PARTIALLY_FILLED
            ),
            filled_quantity=filled,
            filled_value=order.filled_value + quantity * price,
            updated_at=self.now,
        )
        trade = self._next("trades")
        self.connection.execute(
            "INSERT INTO trades VALUES (?, ?, ?, ?, ?)",
            (trade, order.number, quantity, str(price), self.now.isoformat()),
        )
        self._change(order, after, trade)
        self._move_position(order, quantity, price)
        return after

    def release(self) -> None:
        """Let go the orders that a fault holds."""
        self.connection.execute(
            "UPDATE orders SET held_until = NULL WHERE held_until IS NOT NULL"  # noqa: S608
            f" AND {_WORKING_SQL}"
        )

    def settle(self) -> None:
        """Write down what the changes did to the money."""
        if not (self._realised or self._position_margin or self._order_margin):
            return
        row = self.connection.execute("SELECT * FROM account").fetchone()
        self.connection.execute(
            "UPDATE account SET realised = ?, position_margin = ?, order_margin = ?",
            (
                str(Decimal(row["realised"]) + self._realised),
                str(Decimal(row["position_margin"]) + self._position_margin),
                str(Decimal(row["order_margin"]) + self._order_margin),
            ),
        )
        self._realised = self._position_margin = self._order_margin = _ZERO

    def _change(
        self, before: PaperOrder, after: PaperOrder, trade_number: int | None
    ) -> None:
        self.connection.execute(
            "UPDATE orders SET status = ?, filled_quantity = ?, filled_value = ?,"
            " reason = ?, updated_at = ? WHERE number = ?",
            (
                after.status,
                after.filled_quantity,
                str(after.filled_value),
                after.reason,
                after.updated_at.isoformat(),
                after.number,
            ),
        )
        self._order_margin += after.blocked - before.blocked
        self._report(after, trade_number)

    def _move_position(self, order: PaperOrder, quantity: int, price: Decimal) -> None:
        before = self.position(order.exchange, order.tradingsymbol, order.product)
        after = before.after_fill(order.side, quantity, price)
        self._realised += after.realised_pnl - before.realised_pnl
        self._position_margin += position_margin(after) - position_margin(before)
        self.connection.execute(
            "INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET quantity = excluded.quantity, average_price = excluded.average_price,"
            " realised = excluded.realised, updated_at = excluded.updated_at",
            (
                after.exchange,
                after.tradingsymbol,
                after.product,
                after.quantity,
                str(after.average_price),
                str(after.realised_pnl),
                self.now.isoformat(),
            ),
        )

    def _report(self, order: PaperOrder, trade_number: int | None) -> None:
        copies = 1
        if self._has_faults:
            fault = take(self.connection, REPORTING, self.now)
            if fault is not None:
                copies = 0 if fault.kind is FaultKind.DROP_REPORT else 2
        for _ in range(copies):
            self.connection.execute(
                "INSERT INTO reports (order_number, trade_number, status,"
                " filled_quantity, filled_value, reason, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    order.number,
                    trade_number,
                    order.status,
                    order.filled_quantity,
                    str(order.filled_value),
                    order.reason,
                    order.updated_at.isoformat(),
                ),
            )

    def _next(self, table: str) -> int:
        query = f"SELECT max(number) FROM {table} WHERE number >= ? AND number < ?"  # noqa: S608
        last = self.connection.execute(query, self._day).fetchone()[0]
        if last is not None:
            return int(last) + 1
        # Not the day's first: a book that was moved away today had numbers too, and
        # whoever knows them must not meet another order under one of them.
        seconds = (self.now - day_begin(self.now)).total_seconds()
        return self._first_number + 1000 * int(seconds)

    # A look at a price needs neither, and there are more of those than of orders.
    @cached_property
    def _first_number(self) -> int:
        return first_number(self.now)

    @property
    def _day(self) -> tuple[int, int]:
        return self._first_number - 1, self._first_number - 1 + NUMBERS_A_DAY


def prune(connection: sqlite3.Connection, before: datetime) -> None:
    """Forget what is older than a day that nobody asks about any more."""
    first = first_number(before)
    moment = before.isoformat()
    connection.execute(
        f"DELETE FROM orders WHERE number < ? AND NOT {_WORKING_SQL}",  # noqa: S608
        (first,),
    )
    connection.execute("DELETE FROM trades WHERE number < ?", (first,))
    connection.execute("DELETE FROM reports WHERE order_number < ?", (first,))
    connection.execute(
        "DELETE FROM positions WHERE quantity = 0 AND updated_at < ?", (moment,)
    )
    connection.execute(
        "DELETE FROM price_factors WHERE (exchange, tradingsymbol) NOT IN"
        " (SELECT exchange, tradingsymbol FROM positions"
        " UNION SELECT exchange, tradingsymbol FROM orders)"
    )
