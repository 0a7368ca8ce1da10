"""
The API's documents: stable snake_case keys, prices as strings, times in UTC.

What `openapi` describes is made of these types.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from shoonya_platform.assessment.conditions import KINDS, Condition, Severity
from shoonya_platform.dashboard.results import (
    Book,
    OrderPage,
    OrderStory,
    ServiceRow,
    Trading,
)
from shoonya_platform.domain.alerts import AlertStatus, StoredAlert
from shoonya_platform.domain.discrepancies import (
    INCIDENTS,
    DiscrepancyKind,
    StoredDiscrepancy,
)
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    Intent,
    Order,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.domain.refused_alerts import StoredRefusal
from shoonya_platform.domain.story import Hop
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import Supervisor

#: ISO 8601 with the zone, always UTC.
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
#: A decimal number in plain digits.
Figure = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]

#: Two kinds of enum in one place, which msgspec cannot describe by itself.
Kind = Annotated[
    str, msgspec.Meta(extra_json_schema={"enum": [str(kind) for kind in KINDS]})
]


class _Document(msgspec.Struct):
    """All keys are always there."""


_D = TypeVar("_D", bound=_Document)


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
    has_real_money: bool
    market_hours: str
    awaits_reconciliation: bool


class ConditionDocument(_Document):
    key: str
    kind: Kind
    severity: Severity
    text: str
    action: str
    subject: str
    order_id: int | None
    since: Time | None
    discrepancy_id: int | None
    needs_acknowledgement: bool
    runbook: str


class ConditionsDocument(_Document):
    conditions: list[ConditionDocument]


class DiscrepancyDocument(_Document):
    discrepancy_id: int
    kind: DiscrepancyKind
    subject: str
    order_id: int | None
    text: str
    action: str
    is_incident: bool
    found_by: str
    first_seen_at: Time | None
    last_seen_at: Time | None
    resolved_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str


class DiscrepanciesDocument(_Document):
    discrepancies: list[DiscrepancyDocument]


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
    price_factor: Figure
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
    received: str  #: as the alert spelled it, empty if so too
    side: Side | None
    quantity: int | None
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


class RefusedAlertDocument(_Document):
    refusal_id: int
    code: str
    reason: str
    hint: str
    http_status: int
    client: str
    body: str | None  #: null from a sender without the right secret
    times: int
    refused_at: Time | None  #: the last time


class RefusedAlertsDocument(_Document):
    refused: list[RefusedAlertDocument]


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
    price_factor: Figure
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


def _filled(kind: type[_D], source: object, **given: object) -> _D:
    """Make a document of what its source has by the same names, and of the rest."""
    values = (
        given[name] if name in given else _plain(getattr(source, name))
        for name in kind.__struct_fields__
    )
    return kind(*values)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return time_text(value)
    return value


def of_service(row: ServiceRow) -> ServiceDocument:
    return _filled(
        ServiceDocument,
        row.view,
        cpu_share=None if row.cpu_share is None else round(row.cpu_share, 4),
        queue_depth=None if row.queue is None else row.queue.depth,
    )


def of_trading(trading: Trading) -> TradingDocument:
    status = trading.status
    return _filled(
        TradingDocument,
        trading,
        state=status.state,
        reason=status.reason,
        set_by=status.set_by,
    )


def of_conditions(conditions: Sequence[Condition]) -> ConditionsDocument:
    return ConditionsDocument(
        conditions=[_filled(ConditionDocument, each) for each in conditions]
    )


def of_discrepancies(found: Sequence[StoredDiscrepancy]) -> DiscrepanciesDocument:
    return DiscrepanciesDocument(
        discrepancies=[
            _filled(DiscrepancyDocument, each, is_incident=each.kind in INCIDENTS)
            for each in found
        ]
    )


def of_order(order: Order) -> OrderDocument:
    return _filled(OrderDocument, order)


def of_order_page(page: OrderPage) -> OrdersDocument:
    return OrdersDocument(
        orders=[of_order(order) for order in page.orders],
        counts={str(status): number for status, number in page.counts.items()},
        next_before=page.next_before,
    )


def of_hop(hop: Hop) -> EventDocument:
    return _filled(
        EventDocument,
        hop.event,
        status=hop.event.order_status,
        begin_ms=hop.begin_ms,
        delay_ms=hop.delay_ms,
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
    return _filled(
        AlertDocument,
        stored.alert,
        alert_id=stored.alert_id,
        legs=[_filled(LegDocument, leg) for leg in stored.alert.legs],
        status=stored.status,
        outcome=stored.outcome,
        received_at=time_text(stored.received_at),
    )


def of_refusal(stored: StoredRefusal) -> RefusedAlertDocument:
    return _filled(
        RefusedAlertDocument,
        stored.refused,
        refusal_id=stored.refusal_id,
        times=stored.times,
        refused_at=time_text(stored.refused_at),
    )


def of_book(book: Book) -> BookDocument:
    return BookDocument(
        positions=[_filled(PositionDocument, position) for position in book.positions],
        totals=_filled(TotalsDocument, book),
    )
