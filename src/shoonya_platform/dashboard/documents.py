"""
The API's documents: stable snake_case keys, prices as strings, times in UTC.

What `openapi` describes is made of these types.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from shoonya_platform.dashboard.results import (
    Book,
    OrderPage,
    OrderStory,
    ServiceRow,
    Trading,
)
from shoonya_platform.domain.alerts import AlertStatus, Leg, StoredAlert
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    Intent,
    Order,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.story import Hop
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import Supervisor

#: ISO 8601 with the zone, always UTC.
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
#: A decimal number in plain digits.
Figure = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]


class _Document(msgspec.Struct):
    """All keys are always there."""


class ServiceDocument(_Document):
    service: str
    state: ServiceStatus
    pid: int | None
    since: Time | None
    restarts: int
    text: str
    cause: str
    memory_bytes: int | None
    cpu_share: float | None
    queue_depth: int | None
    supervisor: Supervisor


class ServicesDocument(_Document):
    services: list[ServiceDocument]


class TradingDocument(_Document):
    state: TradingState
    reason: str
    set_by: str
    set_at: Time | None
    broker: str
    market_hours: str
    awaits_reconciliation: bool


class OrderDocument(_Document):
    order_id: int
    client_order_id: str
    broker_order_id: str | None
    alert_id: str
    leg: int
    attempt: int
    part: int
    strategy: str
    intent: Intent
    exchange: Exchange
    tradingsymbol: str
    side: Side
    quantity: int
    filled_quantity: int
    leaves_quantity: int
    order_type: OrderType
    price: Figure | None
    trigger_price: Figure | None
    reference_price: Figure | None
    average_price: Figure | None
    product: Product
    time_in_force: TimeInForce
    status: OrderStatus
    is_closed: bool
    reason: str | None
    alerted_at: Time | None
    created_at: Time | None
    updated_at: Time | None


class OrdersDocument(_Document):
    orders: list[OrderDocument]
    counts: dict[str, int]
    next_before: int | None


class EventDocument(_Document):
    event_id: int
    order_id: int | None
    trigger: str
    status: str | None
    service: str
    run_id: str
    occurred_at: Time | None
    begin_ms: float
    delay_ms: float
    text: str


class LegDocument(_Document):
    tradingsymbol: str
    side: Side
    quantity: int
    order_type: OrderType
    price: Figure | None
    trigger_price: Figure | None
    product: Product


class AlertDocument(_Document):
    alert_id: str
    strategy: str
    intent: Intent
    exchange: Exchange
    legs: list[LegDocument]
    status: AlertStatus
    outcome: str | None
    sent_at: Time | None
    received_at: Time | None


class AlertsDocument(_Document):
    alerts: list[AlertDocument]


class StoryDocument(_Document):
    order: OrderDocument
    alert: AlertDocument | None
    siblings: list[OrderDocument]
    events: list[EventDocument]
    total_ms: float


class PositionDocument(_Document):
    strategy: str
    exchange: Exchange
    tradingsymbol: str
    product: Product
    quantity: int
    average_price: Figure | None
    last_price: Figure | None
    realised_pnl: Figure | None
    unrealised_pnl: Figure | None
    exposure: Figure | None
    updated_at: Time | None


class TotalsDocument(_Document):
    open_positions: int
    realised_pnl: Figure | None
    unrealised_pnl: Figure | None
    total_pnl: Figure | None
    realised_today: Figure | None
    exposure: Figure | None


class BookDocument(_Document):
    positions: list[PositionDocument]
    totals: TotalsDocument


class ReadyDocument(_Document):
    ready: bool
    group: str
    not_ready: dict[str, str]


class HealthDocument(msgspec.Struct, omit_defaults=True):
    ok: bool
    service: str
    run_id: str
    code: str = ""
    reason: str = ""


class RefusalDocument(_Document):
    code: str
    reason: str


def decimal_text(value: Decimal | None) -> str | None:
    """Return plain digits, never `1E+2`."""
    return None if value is None else format(value, "f")


def time_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def of_service(row: ServiceRow) -> ServiceDocument:
    view = row.view
    return ServiceDocument(
        service=view.service,
        state=view.state,
        pid=view.pid,
        since=time_text(view.since),
        restarts=view.restarts,
        text=view.text,
        cause=view.cause,
        memory_bytes=view.memory_bytes,
        cpu_share=None if row.cpu_share is None else round(row.cpu_share, 4),
        queue_depth=None if row.queue is None else row.queue.depth,
        supervisor=view.supervisor,
    )


def of_trading(trading: Trading) -> TradingDocument:
    return TradingDocument(
        state=trading.status.state,
        reason=trading.status.reason,
        set_by=trading.status.set_by,
        set_at=time_text(trading.set_at),
        broker=trading.broker,
        market_hours=trading.market_hours,
        awaits_reconciliation=trading.awaits_reconciliation,
    )


def of_order(order: Order) -> OrderDocument:
    return OrderDocument(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        broker_order_id=order.broker_order_id,
        alert_id=order.alert_id,
        leg=order.leg,
        attempt=order.attempt,
        part=order.part,
        strategy=order.strategy,
        intent=order.intent,
        exchange=order.exchange,
        tradingsymbol=order.tradingsymbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        leaves_quantity=order.leaves_quantity,
        order_type=order.order_type,
        price=decimal_text(order.price),
        trigger_price=decimal_text(order.trigger_price),
        reference_price=decimal_text(order.reference_price),
        average_price=decimal_text(order.average_price),
        product=order.product,
        time_in_force=order.time_in_force,
        status=order.status,
        is_closed=order.is_closed,
        reason=order.reason,
        alerted_at=time_text(order.alerted_at),
        created_at=time_text(order.created_at),
        updated_at=time_text(order.updated_at),
    )


def of_order_page(page: OrderPage) -> OrdersDocument:
    return OrdersDocument(
        orders=[of_order(order) for order in page.orders],
        counts={str(status): number for status, number in page.counts.items()},
        next_before=page.next_before,
    )


def of_hop(hop: Hop) -> EventDocument:
    event = hop.event
    return EventDocument(
        event_id=event.event_id,
        order_id=event.order_id,
        trigger=event.trigger,
        status=event.order_status,
        service=event.service,
        run_id=event.run_id,
        occurred_at=time_text(event.occurred_at),
        begin_ms=hop.begin_ms,
        delay_ms=hop.delay_ms,
        text=event.text,
    )


def of_story(story: OrderStory) -> StoryDocument:
    return StoryDocument(
        order=of_order(story.order),
        alert=None if story.alert is None else of_alert(story.alert),
        siblings=[of_order(order) for order in story.siblings],
        events=[of_hop(hop) for hop in story.hops],
        total_ms=story.total_ms,
    )


def of_alert(stored: StoredAlert) -> AlertDocument:
    alert = stored.alert
    return AlertDocument(
        alert_id=stored.alert_id,
        strategy=alert.strategy,
        intent=alert.intent,
        exchange=alert.exchange,
        legs=[_of_leg(leg) for leg in alert.legs],
        status=stored.status,
        outcome=stored.outcome,
        sent_at=time_text(alert.sent_at),
        received_at=time_text(stored.received_at),
    )


def _of_leg(leg: Leg) -> LegDocument:
    return LegDocument(
        tradingsymbol=leg.tradingsymbol,
        side=leg.side,
        quantity=leg.quantity,
        order_type=leg.order_type,
        price=decimal_text(leg.price),
        trigger_price=decimal_text(leg.trigger_price),
        product=leg.product,
    )


def of_book(book: Book) -> BookDocument:
    return BookDocument(
        positions=[_of_position(position) for position in book.positions],
        totals=TotalsDocument(
            open_positions=book.open_positions,
            realised_pnl=decimal_text(book.realised_pnl),
            unrealised_pnl=decimal_text(book.unrealised_pnl),
            total_pnl=decimal_text(book.total_pnl),
            realised_today=decimal_text(book.realised_today),
            exposure=decimal_text(book.exposure),
        ),
    )


def _of_position(position: Position) -> PositionDocument:
    return PositionDocument(
        strategy=position.strategy,
        exchange=position.exchange,
        tradingsymbol=position.tradingsymbol,
        product=position.product,
        quantity=position.quantity,
        average_price=decimal_text(position.average_price),
        last_price=decimal_text(position.last_price),
        realised_pnl=decimal_text(position.realised_pnl),
        unrealised_pnl=decimal_text(position.unrealised_pnl),
        exposure=decimal_text(position.exposure),
        updated_at=time_text(position.updated_at),
    )
