"""
The API's documents: stable snake_case keys, prices as strings, times in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from shoonya_platform.dashboard.results import (
    Book,
    OrderPage,
    OrderStory,
    ServiceRow,
    Trading,
)
from shoonya_platform.domain.alerts import Leg, StoredAlert
from shoonya_platform.domain.orders import Order
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.story import Hop

Document = dict[str, object]


def decimal_text(value: Decimal | None) -> str | None:
    """Return plain digits, never `1E+2`."""
    return None if value is None else format(value, "f")


def time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def of_service(row: ServiceRow) -> Document:
    view = row.view
    return {
        "service": view.service,
        "state": view.state,
        "pid": view.pid,
        "since": time_text(view.since),
        "restarts": view.restarts,
        "text": view.text,
        "cause": view.cause,
        "memory_bytes": view.memory_bytes,
        "cpu_share": row.cpu_share and round(row.cpu_share, 4),
        "queue_depth": row.queue and row.queue.depth,
        "supervisor": view.supervisor,
    }


def of_trading(trading: Trading) -> Document:
    return {
        "state": trading.status.state,
        "reason": trading.status.reason,
        "set_by": trading.status.set_by,
        "set_at": time_text(trading.set_at),
        "broker": trading.broker,
        "market_hours": trading.market_hours,
        "awaits_reconciliation": trading.awaits_reconciliation,
    }


def of_order(order: Order) -> Document:
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "broker_order_id": order.broker_order_id,
        "alert_id": order.alert_id,
        "leg": order.leg,
        "attempt": order.attempt,
        "part": order.part,
        "strategy": order.strategy,
        "intent": order.intent,
        "exchange": order.exchange,
        "tradingsymbol": order.tradingsymbol,
        "side": order.side,
        "quantity": order.quantity,
        "filled_quantity": order.filled_quantity,
        "leaves_quantity": order.leaves_quantity,
        "order_type": order.order_type,
        "price": decimal_text(order.price),
        "trigger_price": decimal_text(order.trigger_price),
        "reference_price": decimal_text(order.reference_price),
        "average_price": decimal_text(order.average_price),
        "product": order.product,
        "time_in_force": order.time_in_force,
        "status": order.status,
        "is_closed": order.is_closed,
        "reason": order.reason,
        "alerted_at": time_text(order.alerted_at),
        "created_at": time_text(order.created_at),
        "updated_at": time_text(order.updated_at),
    }


def of_order_page(page: OrderPage) -> Document:
    return {
        "orders": [of_order(order) for order in page.orders],
        "counts": dict(page.counts),
        "next_before": page.next_before,
    }


def of_hop(hop: Hop) -> Document:
    event = hop.event
    return {
        "event_id": event.event_id,
        "order_id": event.order_id,
        "trigger": event.trigger,
        "status": event.order_status,
        "service": event.service,
        "run_id": event.run_id,
        "occurred_at": time_text(event.occurred_at),
        "begin_ms": hop.begin_ms,
        "delay_ms": hop.delay_ms,
        "text": event.text,
    }


def of_story(story: OrderStory) -> Document:
    return {
        "order": of_order(story.order),
        "alert": story.alert and of_alert(story.alert),
        "siblings": [of_order(order) for order in story.siblings],
        "events": [of_hop(hop) for hop in story.hops],
        "total_ms": story.total_ms,
    }


def of_alert(stored: StoredAlert) -> Document:
    alert = stored.alert
    return {
        "alert_id": stored.alert_id,
        "strategy": alert.strategy,
        "intent": alert.intent,
        "exchange": alert.exchange,
        "legs": [_of_leg(leg) for leg in alert.legs],
        "status": stored.status,
        "outcome": stored.outcome,
        "sent_at": time_text(alert.sent_at),
        "received_at": time_text(stored.received_at),
    }


def _of_leg(leg: Leg) -> Document:
    return {
        "tradingsymbol": leg.tradingsymbol,
        "side": leg.side,
        "quantity": leg.quantity,
        "order_type": leg.order_type,
        "price": decimal_text(leg.price),
        "trigger_price": decimal_text(leg.trigger_price),
        "product": leg.product,
    }


def of_book(book: Book) -> Document:
    return {
        "positions": [_of_position(position) for position in book.positions],
        "totals": {
            "open_positions": book.open_positions,
            "realised_pnl": decimal_text(book.realised_pnl),
            "unrealised_pnl": decimal_text(book.unrealised_pnl),
            "total_pnl": decimal_text(book.total_pnl),
            "realised_today": decimal_text(book.realised_today),
            "exposure": decimal_text(book.exposure),
        },
    }


def _of_position(position: Position) -> Document:
    return {
        "strategy": position.strategy,
        "exchange": position.exchange,
        "tradingsymbol": position.tradingsymbol,
        "product": position.product,
        "quantity": position.quantity,
        "average_price": decimal_text(position.average_price),
        "last_price": decimal_text(position.last_price),
        "realised_pnl": decimal_text(position.realised_pnl),
        "unrealised_pnl": decimal_text(position.unrealised_pnl),
        "exposure": decimal_text(position.exposure),
        "updated_at": time_text(position.updated_at),
    }
