"""
The paper broker's books: orders, trades, positions, money and reports.

What holds after every transaction: an order's filled quantity and value are the
sums of its trades; a position is the sum of all trades in it; the margin used is
what the positions and the working orders block; each change has its report.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from shoonya_platform.brokers.base import (
    BrokerOrder,
    BrokerTrade,
    ExecutionReport,
    Limits,
)
from shoonya_platform.brokers.paper_faults import REPORTING, FaultKind, take
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    Fill,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    TradeId,
)
from shoonya_platform.domain.positions import Position

_NUMBERS_A_DAY = 10**8
_PAISE = Decimal("0.01")
_ZERO = Decimal(0)
_WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_WORKING_SQL = "status IN ('accepted', 'partially_filled')"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """An order as the book has it; prices and values in rupees."""

    number: int
    client_order_id: ClientOrderId | None
    exchange: Exchange
    tradingsymbol: str
    side: Side
    product: Product
    quantity: int
    order_type: OrderType
    price: Decimal | None
    trigger_price: Decimal | None
    time_in_force: TimeInForce
    status: OrderStatus
    #: Always true of an order without a trigger price.
    is_triggered: bool
    held_until: datetime | None
    filled_quantity: int
    filled_value: Decimal
    #: What the account must have for the whole quantity.
    margin: Decimal
    reason: str
    updated_at: datetime

    @property
    def broker_order_id(self) -> BrokerOrderId:
        return BrokerOrderId(f"{self.number:014d}")

    @property
    def is_working(self) -> bool:
        return self.status in _WORKING

    @property
    def leaves_quantity(self) -> int:
        return self.quantity - self.filled_quantity if self.is_working else 0

    @property
    def blocked(self) -> Decimal:
        """The margin that the order itself blocks; what is filled, positions do."""
        if not self.margin:
            return _ZERO
        return (self.margin * self.leaves_quantity / self.quantity).quantize(_PAISE)

    @property
    def claim(self) -> BrokerOrder:
        return BrokerOrder(
            broker_order_id=self.broker_order_id,
            client_order_id=self.client_order_id,
            exchange=self.exchange,
            tradingsymbol=self.tradingsymbol,
            side=self.side,
            product=self.product,
            quantity=self.quantity,
            status=self.status,
            filled_quantity=self.filled_quantity,
            average_price=(
                self.filled_value / self.filled_quantity
                if self.filled_quantity
                else None
            ),
            reason=self.reason,
            updated_at=self.updated_at,
        )


class Book:
    """
    The books within one transaction, at one moment.

    Changes need a writing transaction and `settle` before it is committed.
    """

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.connection = connection
        self.now = now
        self._first_number = first_number(now)
        self._realised = _ZERO
        self._position_margin = _ZERO
        self._order_margin = _ZERO
        self._has_faults = (
            connection.execute("SELECT 1 FROM faults LIMIT 1").fetchone() is not None
        )

    # -- reading ---------------------------------------------------------------

    def orders(self) -> list[PaperOrder]:
        """Return the orders of the day."""
        rows = self.connection.execute(
            "SELECT * FROM orders WHERE number >= ? AND number < ? ORDER BY number",
            self._day,
        )
        return [_order(row) for row in rows]

    def working(
        self, exchange: Exchange | None = None, tradingsymbol: str = ""
    ) -> list[PaperOrder]:
        """Return what may still be filled, of any day, oldest first."""
        if exchange is None:
            rows = self.connection.execute(
                f"SELECT * FROM orders WHERE {_WORKING_SQL} ORDER BY number"  # noqa: S608
            )
        else:
            rows = self.connection.execute(
                f"SELECT * FROM orders WHERE {_WORKING_SQL}"  # noqa: S608
                " AND exchange = ? AND tradingsymbol = ? ORDER BY number",
                (exchange, tradingsymbol),
            )
        return [_order(row) for row in rows.fetchall()]

    def find(self, broker_order_id: str) -> PaperOrder | None:
        if not (broker_order_id.isascii() and broker_order_id.isdigit()):
            return None
        row = self.connection.execute(
            "SELECT * FROM orders WHERE number = ?", (int(broker_order_id[:18]),)
        ).fetchone()
        return None if row is None else _order(row)

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
                fill=_fill(row),
            )
            for row in rows
        ]

    def positions(self) -> list[Position]:
        rows = self.connection.execute("SELECT * FROM positions")
        return [_position(row) for row in rows]

    def position(
        self, exchange: Exchange, tradingsymbol: str, product: Product
    ) -> Position:
        row = self.connection.execute(
            "SELECT * FROM positions"
            " WHERE exchange = ? AND tradingsymbol = ? AND product = ?",
            (exchange, tradingsymbol, product),
        ).fetchone()
        if row is not None:
            return _position(row)
        return Position(
            strategy="", exchange=exchange, tradingsymbol=tradingsymbol, product=product
        )

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
                _order(row),
                status=OrderStatus(row["then_status"]),
                filled_quantity=row["then_quantity"],
                filled_value=Decimal(row["then_value"]),
                reason=row["then_reason"],
                updated_at=datetime.fromisoformat(row["then_at"]),
            )
            fill = None if row["trade_number"] is None else _fill(row)
            found.append(ExecutionReport(order=then.claim, fill=fill))
        return found, rows[-1]["report_id"] if rows else after

    def last_report(self) -> int:
        query = "SELECT coalesce(max(report_id), 0) FROM reports"
        return int(self.connection.execute(query).fetchone()[0])

    # -- changing --------------------------------------------------------------

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
                _text(order.price),
                _text(order.trigger_price),
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
        return self._first_number if last is None else int(last) + 1

    @property
    def _day(self) -> tuple[int, int]:
        return self._first_number - 1, self._first_number - 1 + _NUMBERS_A_DAY


def first_number(moment: datetime) -> int:
    """Return the first order number of a moment's trading day."""
    day = int(f"{trading_day(moment):%y%m%d}")
    return day * _NUMBERS_A_DAY + 1


def position_margin(position: Position) -> Decimal:
    """Return what a position blocks: its full value, as there is no leverage."""
    return (abs(position.quantity) * position.average_price).quantize(_PAISE)


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


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order(row: sqlite3.Row) -> PaperOrder:
    held_until = row["held_until"]
    return PaperOrder(
        number=row["number"],
        client_order_id=row["client_order_id"],
        exchange=Exchange(row["exchange"]),
        tradingsymbol=row["tradingsymbol"],
        side=Side(row["side"]),
        product=Product(row["product"]),
        quantity=row["quantity"],
        order_type=OrderType(row["order_type"]),
        price=_decimal(row["price"]),
        trigger_price=_decimal(row["trigger_price"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        status=OrderStatus(row["status"]),
        is_triggered=bool(row["is_triggered"]),
        held_until=None if held_until is None else datetime.fromisoformat(held_until),
        filled_quantity=row["filled_quantity"],
        filled_value=Decimal(row["filled_value"]),
        margin=Decimal(row["margin"]),
        reason=row["reason"],
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def _fill(row: sqlite3.Row) -> Fill:
    return Fill(
        trade_id=TradeId(f"{row['trade_number']:014d}"),
        quantity=row["trade_quantity"],
        price=Decimal(row["trade_price"]),
        filled_at=datetime.fromisoformat(row["filled_at"]),
    )


def _position(row: sqlite3.Row) -> Position:
    return Position(
        strategy="",
        exchange=Exchange(row["exchange"]),
        tradingsymbol=row["tradingsymbol"],
        product=Product(row["product"]),
        quantity=row["quantity"],
        average_price=Decimal(row["average_price"]),
        realised_pnl=Decimal(row["realised"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
