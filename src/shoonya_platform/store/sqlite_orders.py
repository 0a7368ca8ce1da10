"""
Orders, their events, fills and cancel requests in SQLite.

Long, as an order's row and its event are written together, by one class only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from shoonya_platform.domain.alerts import client_order_id
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    NOTES,
    OPEN,
    AlertId,
    BrokerOrderId,
    ClientOrderId,
    Fill,
    Intent,
    NewOrder,
    Order,
    OrderEvent,
    OrderId,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
    TimeInForce,
    TradeId,
    next_status,
)
from shoonya_platform.domain.terms import Terms, with_terms
from shoonya_platform.errors import NotAllowed
from shoonya_platform.store._session import Session, decimal_of, decimal_text, text_of
from shoonya_platform.store.base import CancelRequest
from shoonya_platform.store.sqlite_positions import SqlitePositions

_COLUMNS = ", ".join(field.name for field in fields(Order))
_OPEN = ", ".join(f"'{status}'" for status in sorted(OPEN))
#: That no later attempt took the place of, and that is wanted still.
_UNREPLACED = (
    "NOT EXISTS ("
    " SELECT 1 FROM orders AS later WHERE later.alert_id = orders.alert_id"
    " AND later.leg = orders.leg AND later.part = orders.part"
    " AND later.attempt > orders.attempt)"
    " AND EXISTS (SELECT 1 FROM alerts WHERE alerts.alert_id = orders.alert_id"
    " AND alerts.status = 'planned') AND NOT EXISTS (SELECT 1 FROM cancel_requests"
    " WHERE cancel_requests.order_id = orders.order_id)"
)
_NEW_COLUMNS = [field.name for field in fields(NewOrder)]


#: Lost exits are looked for among the alerts of so long.
EXITS_SOUGHT = timedelta(days=1)


class SqliteOrders:
    """The `OrderTable`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._positions = SqlitePositions(session)

    def add(self, order: NewOrder, *, alerted_at: datetime) -> Order:
        return self._insert(order, OrderStatus.INITIALIZED, alerted_at, "")

    def adopt(
        self,
        order: NewOrder,
        broker_order_id: BrokerOrderId | None,
        *,
        alerted_at: datetime,
        text: str,
    ) -> Order:
        made = self._insert(
            order, OrderStatus.ACCEPTED, alerted_at, text, OrderTrigger.ADOPTED
        )
        is_known = broker_order_id is not None
        return self.note_number(made, broker_order_id, is_confirmed=is_known)

    def _insert(
        self,
        order: NewOrder,
        status: OrderStatus,
        alerted_at: datetime,
        text: str,
        trigger: OrderTrigger = OrderTrigger.CREATED,
    ) -> Order:
        now = self._session.now()
        values = {name: _stored(getattr(order, name)) for name in _NEW_COLUMNS} | {
            "status": status.value,
            "alerted_at": text_of(alerted_at),
            "created_at": now,
            "updated_at": now,
        }
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        rows = self._session.query(
            f"INSERT INTO orders ({names}) VALUES ({marks}) RETURNING {_COLUMNS}",
            tuple(values.values()),
        )
        stored = _order(rows[0])
        self._event(stored, trigger, text or stored.summary, now)
        return stored

    def get(self, order_id: OrderId) -> Order | None:
        return self._one("order_id = ?", order_id)

    def by_client_order_id(self, client_order_id: ClientOrderId) -> Order | None:
        return self._one("client_order_id = ?", client_order_id)

    def by_broker_order_id(self, broker_order_id: BrokerOrderId) -> Order | None:
        return self._one("broker_order_id = ?", broker_order_id)

    def by_trade_id(self, trade_id: TradeId) -> Order | None:
        found = self._select(
            "WHERE order_id = (SELECT order_id FROM fills WHERE trade_id = ?"
            " ORDER BY order_id DESC LIMIT 1)",
            (trade_id,),
        )
        return found[0] if found else None

    def of_alert(self, alert_id: AlertId) -> list[Order]:
        return self._select(
            "WHERE alert_id = ? ORDER BY leg, part, attempt", (alert_id,)
        )

    def in_status(
        self, *statuses: OrderStatus, limit: int | None = None
    ) -> list[Order]:
        marks = ", ".join("?" * len(statuses))
        return self._select(
            f"WHERE status IN ({marks}) ORDER BY order_id LIMIT ?",
            (*statuses, -1 if limit is None else limit),
        )

    def ready(self, *, limit: int) -> list[Order]:
        # Two questions, each along an index of its own.
        exits = self._select(
            "WHERE status = 'guard_passed' AND intent = 'exit'"
            " ORDER BY order_id LIMIT ?",
            (limit,),
        )
        if len(exits) == limit:
            return exits
        others = self.in_status(OrderStatus.GUARD_PASSED, limit=limit)
        rest = [order for order in others if order.intent is not Intent.EXIT]
        return exits + rest[: limit - len(exits)]

    def confirmed_numbers(self, *, since: datetime, limit: int) -> set[BrokerOrderId]:
        rows = self._session.query(
            "SELECT broker_order_id FROM (SELECT * FROM orders"
            " ORDER BY order_id DESC LIMIT ?)"
            " WHERE created_at >= ? AND is_number_confirmed",
            (limit, text_of(since)),
        )
        return {BrokerOrderId(row["broker_order_id"]) for row in rows}

    def count_in(self, *statuses: OrderStatus) -> int:
        marks = ", ".join("?" * len(statuses))
        rows = self._session.query(
            f"SELECT COUNT(*) AS number FROM orders WHERE status IN ({marks})",
            statuses,
        )
        return int(rows[0]["number"])

    def count(self) -> dict[OrderStatus, int]:
        rows = self._session.query(
            "SELECT status, SUM(number) AS number FROM order_counts GROUP BY status"
            " HAVING SUM(number)"
        )
        return {OrderStatus(row["status"]): row["number"] for row in rows}

    def count_on(self, day: date) -> dict[OrderStatus, int]:
        rows = self._session.query(
            "SELECT status, number FROM order_counts WHERE day = ? AND number",
            (day.isoformat(),),
        )
        return {OrderStatus(row["status"]): row["number"] for row in rows}

    def passed_on(self, day: date) -> int:
        rows = self._session.query(
            "SELECT coalesce(SUM(number), 0) AS number FROM order_counts"
            " WHERE day = ? AND status NOT IN (?, ?)",
            (day.isoformat(), OrderStatus.DENIED, OrderStatus.INITIALIZED),
        )
        return int(rows[0]["number"])

    def recent(
        self,
        *,
        limit: int,
        statuses: Collection[OrderStatus] = (),
        strategy: str = "",
        tradingsymbol: str = "",
        before: int = 0,
    ) -> list[Order]:
        conditions: list[str] = []
        parameters: list[object] = []
        if statuses:
            conditions.append(f"status IN ({', '.join('?' * len(statuses))})")
            parameters += statuses
        for column, value in (
            ("strategy", strategy),
            ("tradingsymbol", tradingsymbol),
        ):
            if value:
                conditions.append(f"{column} = ?")
                parameters.append(value)
        if before:
            conditions.append("order_id < ?")
            parameters.append(before)
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        return self._select(
            f"{where}ORDER BY order_id DESC LIMIT ?", (*parameters, limit)
        )

    def unreplaced(self, *, since: datetime) -> list[Order]:
        now = self._session.clock.now()
        return self._select(
            "WHERE status = 'not_placed' AND alerted_at > ?"
            f" AND (alerted_at > ? OR intent = 'exit') AND {_UNREPLACED}"
            " ORDER BY order_id",
            (text_of(min(since, now - EXITS_SOUGHT)), text_of(since)),
        )

    def refused_exits(self) -> list[Order]:
        return self._select(
            "WHERE status = 'rejected' AND intent = 'exit' AND alerted_at > ?"
            f" AND {_UNREPLACED} ORDER BY order_id",
            (text_of(self._session.clock.now() - EXITS_SOUGHT),),
        )

    def beside_failed(self, *, limit: int) -> list[Order]:
        return self._select(
            f"WHERE status IN ({_OPEN}) AND intent = 'entry' AND EXISTS ("
            " SELECT 1 FROM orders AS other WHERE other.alert_id = orders.alert_id"
            " AND other.status IN ('denied', 'rejected', 'not_placed', 'expired'))"
            " AND NOT EXISTS (SELECT 1 FROM cancel_requests"
            " WHERE cancel_requests.order_id = orders.order_id)"
            " ORDER BY order_id LIMIT ?",
            (limit,),
        )

    def record(
        self,
        order: Order,
        trigger: OrderTrigger,
        *,
        text: str = "",
        reason: str | None = None,
        broker_order_id: BrokerOrderId | None = None,
    ) -> Order:
        self._check_free(order, broker_order_id)
        moved = replace(
            order,
            status=next_status(
                order.status, trigger, filled_quantity=order.filled_quantity
            ),
            reason=order.reason if reason is None else reason,
            broker_order_id=broker_order_id or order.broker_order_id,
        )
        return self._move(order, moved, trigger, text or moved.reason)

    def note_number(
        self, order: Order, number: BrokerOrderId | None, *, is_confirmed: bool
    ) -> Order:
        self._check_free(order, number)
        self._session.execute(
            "UPDATE orders SET broker_order_id = ?, is_number_confirmed = ?"
            " WHERE order_id = ?",
            (number, is_confirmed, order.order_id),
        )
        return replace(order, broker_order_id=number, is_number_confirmed=is_confirmed)

    def _check_free(self, order: Order, number: BrokerOrderId | None) -> None:
        if number is None or number == order.broker_order_id:
            return
        holder = self.by_broker_order_id(number)
        if holder is not None and holder.order_id != order.order_id:
            raise NotAllowed(
                f"order {holder.order_id} has the broker's number {number} already",
                hint="compare both with the broker's order book",
            )

    def reprice(
        self, order: Order, order_type: OrderType, price: Decimal, *, text: str
    ) -> Order:
        self._session.execute(
            "UPDATE orders SET order_type = ?, price = ? WHERE order_id = ?",
            (order_type, str(price), order.order_id),
        )
        repriced = replace(order, order_type=order_type, price=price)
        self._event(repriced, OrderTrigger.REPRICED, text, self._session.now())
        return repriced

    def shrink(self, order: Order, quantity: int, *, text: str) -> Order:
        if not 0 < quantity <= order.quantity:
            raise ValueError(f"{quantity} is not within order {order.order_id}")
        self._session.execute(
            "UPDATE orders SET quantity = ? WHERE order_id = ?",
            (quantity, order.order_id),
        )
        smaller = replace(order, quantity=quantity)
        self._event(smaller, OrderTrigger.REPRICED, text, self._session.now())
        return smaller

    def replace(self, order: Order, terms: Terms, *, text: str = "") -> Order:
        status = next_status(
            order.status, OrderTrigger.REPLACED, filled_quantity=order.filled_quantity
        )
        moved = replace(with_terms(order, terms), status=status)
        self._session.execute(
            "UPDATE orders SET quantity = ?, price = ?, trigger_price = ?"
            " WHERE order_id = ?",
            (
                terms.quantity,
                decimal_text(terms.price),
                decimal_text(terms.trigger_price),
                order.order_id,
            ),
        )
        self._session.execute(
            "UPDATE modify_requests SET result = 'replaced'"
            " WHERE order_id = ? AND result IS NULL",
            (order.order_id,),
        )
        return self._move(order, moved, OrderTrigger.REPLACED, text or terms.text)

    def note(self, order: Order, trigger: OrderTrigger, text: str) -> None:
        if trigger not in NOTES:
            raise ValueError(f"'{trigger}' moves an order: record it")
        self._event(order, trigger, text, self._session.now())

    def split(self, order: Order, quantities: Sequence[int]) -> list[Order]:
        first, *others = quantities
        if sum(quantities) != order.quantity or order.part != 1:
            raise ValueError(f"{quantities} are no parts of order {order.order_id}")
        self._session.execute(
            "UPDATE orders SET quantity = ? WHERE order_id = ?", (first, order.order_id)
        )
        kept = replace(order, quantity=first)
        total = len(quantities)
        text = f"{order.quantity} goes out in {total} orders, here {first}"
        self._event(kept, OrderTrigger.SPLIT, text, self._session.now())
        parts = [kept]
        for part, quantity in enumerate(others, start=2):
            made = replace(
                kept,
                client_order_id=client_order_id(
                    order.alert_id, order.leg, order.attempt, part
                ),
                part=part,
                quantity=quantity,
            )
            text = f"{made.summary}, part {part} of {total} of order {order.order_id}"
            parts.append(self._insert(made, made.status, made.alerted_at, text))
        return parts

    def fill(self, order: Order, fill: Fill) -> Order | None:
        known = self._session.query(
            "SELECT 1 FROM fills WHERE order_id = ? AND trade_id = ?",
            (order.order_id, fill.trade_id),
        )
        if known:
            return None
        within = min(fill.quantity, order.quantity - order.filled_quantity)
        filled = order.filled_quantity + within
        beyond = fill.quantity - within
        if not within:
            trigger = OrderTrigger.OVERFILLED
        elif filled == order.quantity:
            trigger = OrderTrigger.FILLED
        else:
            trigger = OrderTrigger.PARTIALLY_FILLED
        # Before anything is written: a refused fill must not move the position.
        status = next_status(order.status, trigger)
        realised = self._positions.apply(order, fill)
        self._session.execute(
            "INSERT INTO fills (order_id, trade_id, quantity, price, realised_pnl,"
            " filled_at) VALUES (?, ?, ?, ?, ?, ?)",
            (
                order.order_id,
                fill.trade_id,
                fill.quantity,
                str(fill.price),
                str(realised),
                text_of(fill.filled_at),
            ),
        )
        before = (order.average_price or Decimal(0)) * order.traded_quantity
        moved = replace(
            order,
            status=status,
            filled_quantity=filled,
            overfilled_quantity=order.overfilled_quantity + beyond,
            average_price=(before + fill.price * fill.quantity)
            / (order.traded_quantity + fill.quantity),
        )
        text = f"{fill.quantity} at {fill.price}, {filled} of {order.quantity} filled"
        if beyond:
            excess = f"{moved.overfilled_quantity} more than was ordered"
            moved = replace(moved, reason=excess)
            text += f", {excess}"
        after = self._move(order, moved, trigger, text)
        if beyond and within:
            self._event(after, OrderTrigger.OVERFILLED, excess, self._session.now())
        return after

    def events(
        self, *, alert_id: AlertId | None = None, order_id: OrderId | None = None
    ) -> list[OrderEvent]:
        column, value = (
            ("order_id", order_id) if alert_id is None else ("alert_id", alert_id)
        )
        return self._events(f"WHERE {column} = ? ORDER BY event_id", (value,))

    def fills_of(self, order_id: OrderId) -> list[Fill]:
        rows = self._session.query(
            "SELECT trade_id, quantity, price, filled_at FROM fills"
            " WHERE order_id = ? ORDER BY filled_at, trade_id",
            (order_id,),
        )
        return [_fill(row) for row in rows]

    def fills_between(
        self, begin: datetime, end: datetime
    ) -> list[tuple[OrderId, Fill]]:
        rows = self._session.query(
            "SELECT order_id, trade_id, quantity, price, filled_at FROM fills"
            " WHERE filled_at >= ? AND filled_at < ? ORDER BY filled_at, order_id",
            (text_of(begin), text_of(end)),
        )
        return [(OrderId(row["order_id"]), _fill(row)) for row in rows]

    def events_after(self, event_id: int, *, limit: int) -> list[OrderEvent]:
        return self._events(
            "WHERE event_id > ? ORDER BY event_id LIMIT ?", (event_id, limit)
        )

    def newest_event_id(self) -> int:
        rows = self._session.query("SELECT max(event_id) AS newest FROM events")
        return int(rows[0]["newest"] or 0)

    def _events(self, where: str, parameters: tuple[object, ...]) -> list[OrderEvent]:
        rows = self._session.query(
            "SELECT event_id, alert_id, order_id, trigger, order_status, service,"
            f" run_id, occurred_at, text FROM events {where}",
            parameters,
        )
        return [
            OrderEvent(
                event_id=row["event_id"],
                alert_id=row["alert_id"],
                order_id=row["order_id"],
                trigger=row["trigger"],
                order_status=row["order_status"],
                service=row["service"],
                run_id=row["run_id"],
                occurred_at=datetime.fromisoformat(row["occurred_at"]),
                text=row["text"],
            )
            for row in rows
        ]

    def request_cancel(self, order_id: OrderId, *, by: str) -> None:
        self._session.execute(
            "INSERT INTO cancel_requests (order_id, requested_by, requested_at)"
            " VALUES (?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET result = NULL,"
            " requested_by = excluded.requested_by,"
            " requested_at = excluded.requested_at WHERE result IS NOT NULL",
            (order_id, by, self._session.now()),
        )

    def cancel_requests(self, *, limit: int) -> list[CancelRequest]:
        return self._session.read(
            _cancel_request,
            "SELECT order_id, requested_by, requested_at"
            " FROM cancel_requests JOIN orders USING (order_id)"
            " WHERE result IS NULL"
            " ORDER BY orders.status IN (?, ?), requested_at LIMIT ?",
            (OrderStatus.SUBMITTED, OrderStatus.OUTCOME_UNKNOWN, limit),
        )

    def cancel_request(self, order_id: OrderId) -> CancelRequest | None:
        found = self._session.read(
            _cancel_request,
            "SELECT order_id, requested_by, requested_at FROM cancel_requests"
            " WHERE order_id = ? AND result IS NULL",
            (order_id,),
        )
        return found[0] if found else None

    def canceled_by(self, order_id: OrderId) -> str:
        rows = self._session.query(
            "SELECT requested_by FROM cancel_requests WHERE order_id = ?", (order_id,)
        )
        return str(rows[0]["requested_by"]) if rows else ""

    def finish_cancel(self, order_id: OrderId, *, result: str) -> None:
        self._session.execute(
            "UPDATE cancel_requests SET result = ? WHERE order_id = ?",
            (result, order_id),
        )

    def _one(self, where: str, value: object) -> Order | None:
        rows = self._select(f"WHERE {where}", (value,))
        return rows[0] if rows else None

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[Order]:
        query = f"SELECT {_COLUMNS} FROM orders {where}"
        return self._session.read(_order, query, parameters)

    def _move(
        self, order: Order, moved: Order, trigger: OrderTrigger, text: str
    ) -> Order:
        now = self._session.now()
        changed = self._session.execute(
            "UPDATE orders SET status = ?, reason = ?, broker_order_id = ?,"
            " filled_quantity = ?, overfilled_quantity = ?, average_price = ?,"
            " updated_at = ? WHERE order_id = ? AND status = ?"
            " AND filled_quantity = ? AND overfilled_quantity = ?",
            (
                moved.status,
                moved.reason,
                moved.broker_order_id,
                moved.filled_quantity,
                moved.overfilled_quantity,
                decimal_text(moved.average_price),
                now,
                order.order_id,
                order.status,
                order.filled_quantity,
                order.overfilled_quantity,
            ),
        )
        if changed != 1:
            raise NotAllowed(
                f"order {order.order_id} is no longer '{order.status}'",
                hint="read it again and decide anew",
            )
        self._event(moved, trigger, text, now)
        return replace(moved, updated_at=datetime.fromisoformat(now))

    def _event(self, order: Order, trigger: OrderTrigger, text: str, now: str) -> None:
        session = self._session
        session.execute(
            "INSERT INTO events (alert_id, order_id, trigger, order_status, service,"
            " run_id, occurred_at, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                order.alert_id,
                order.order_id,
                trigger,
                order.status,
                session.service,
                session.run_id,
                now,
                text,
            ),
        )


def _stored(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else value


def _cancel_request(row: sqlite3.Row) -> CancelRequest:
    return CancelRequest(
        order_id=OrderId(row["order_id"]),
        requested_by=row["requested_by"],
        requested_at=datetime.fromisoformat(row["requested_at"]),
    )


def _fill(row: sqlite3.Row) -> Fill:
    return Fill(
        trade_id=TradeId(row["trade_id"]),
        quantity=row["quantity"],
        price=Decimal(row["price"]),
        filled_at=datetime.fromisoformat(row["filled_at"]),
    )


def _order(row: sqlite3.Row) -> Order:
    broker_order_id = row["broker_order_id"]
    return Order(
        order_id=OrderId(row["order_id"]),
        client_order_id=ClientOrderId(row["client_order_id"]),
        alert_id=AlertId(row["alert_id"]),
        leg=row["leg"],
        attempt=row["attempt"],
        part=row["part"],
        strategy=row["strategy"],
        intent=Intent(row["intent"]),
        exchange=Exchange(row["exchange"]),
        tradingsymbol=row["tradingsymbol"],
        side=Side(row["side"]),
        quantity=row["quantity"],
        order_type=OrderType(row["order_type"]),
        price=decimal_of(row["price"]),
        trigger_price=decimal_of(row["trigger_price"]),
        product=Product(row["product"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        reference_price=decimal_of(row["reference_price"]),
        price_factor=Decimal(row["price_factor"]),
        status=OrderStatus(row["status"]),
        broker_order_id=broker_order_id and BrokerOrderId(broker_order_id),
        is_number_confirmed=bool(row["is_number_confirmed"]),
        filled_quantity=row["filled_quantity"],
        overfilled_quantity=row["overfilled_quantity"],
        average_price=decimal_of(row["average_price"]),
        reason=row["reason"],
        alerted_at=datetime.fromisoformat(row["alerted_at"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
