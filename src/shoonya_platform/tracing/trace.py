"""
The whole story: events of the store and lines of the log on one timeline.

The events are the truth about an order; the lines are what the services said of it.
What should have come and did not is on the timeline too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.orders import OPEN, Fill, Order, OrderId, OrderStatus
from shoonya_platform.domain.story import Hop
from shoonya_platform.tracing.lines import LogLine

#: A step of ours that takes longer is late; a flood of orders stays below it.
OURS_LATE_MS = 1_000.0
#: The broker's answer is late after this; its time-out is 5 s.
BROKER_LATE_MS = 3_000.0

#: Whose turn it is in a status, and whether it is the broker's answer we wait for.
_NEXT = {
    OrderStatus.INITIALIZED: ("risk_manager", "the risk check"),
    OrderStatus.RISK_PASSED: ("execution_guard", "the guard's check"),
    OrderStatus.GUARD_PASSED: ("command_service", "sending"),
    OrderStatus.SUBMITTED: ("command_service", "the broker's answer"),
    OrderStatus.OUTCOME_UNKNOWN: ("recovery_service", "the broker's order book"),
}
_BROKERS_STEPS = frozenset({"accepted", "rejected", "outcome_unknown"})
#: These come when the market, the broker's day or a person wants it.
_ANY_TIME = frozenset(
    {
        "partially_filled",
        "filled",
        "canceled",
        "cancel_requested",
        "expired",
        "not_placed",
        "replace_requested",
    }
)


class Kind(StrEnum):
    EVENT = "event"  #: the store recorded it
    LINE = "line"  #: a service logged it
    SILENT = "silent"  #: a service has recorded events, and no line of it is there
    ABSENT = "absent"  #: what is due and has not happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of the timeline."""

    at: datetime
    kind: Kind
    service: str
    what: str  #: the event's word; "" for others
    text: str
    order_id: int | None = None
    level: str = ""  #: of a line
    delay_ms: float | None = None  #: of an event, since the one before it
    is_late: bool = False
    copies: frozenset[str] = frozenset()  #: of a line
    detail: tuple[str, ...] = ()  #: a line's traceback


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An alert, its orders (or one of them), and everything known of their way."""

    alert: StoredAlert | None
    orders: Sequence[Order]
    fills: Mapping[OrderId, Sequence[Fill]]
    steps: Sequence[Step]
    notes: Sequence[str]  #: what could not be read

    @property
    def title(self) -> str:
        if len(self.orders) == 1:
            order = self.orders[0]
            return f"Order {order.order_id}: {order.summary}, {order.status}"
        return "Trace" if self.alert is None else f"Alert {self.alert.alert_id}"


def steps(
    told: Sequence[Hop],
    lines: Sequence[LogLine],
    orders: Sequence[Order],
    now: datetime,
) -> list[Step]:
    """Return the timeline of events, lines, and what is missing."""
    found = [_event(hop) for hop in told]
    found += [
        Step(
            at=line.at,
            kind=Kind.LINE,
            service=line.component,
            what=line.event,
            text=line.text,
            level=line.level,
            copies=line.copies,
            detail=line.detail,
        )
        for line in lines
    ]
    heard = {line.component for line in lines}
    silent: dict[str, Hop] = {}
    for hop in told:
        if hop.event.service not in heard:
            silent.setdefault(hop.event.service, hop)
    for service, hop in silent.items():
        text = f"no line of {service} is in the log"
        found.append(
            Step(
                at=hop.event.occurred_at,
                kind=Kind.SILENT,
                service=service,
                what="",
                text=text,
            )
        )
    # A line is written behind what it tells of: at one moment the event is first.
    found.sort(key=lambda step: (_to_millisecond(step.at), list(Kind).index(step.kind)))
    last = {hop.event.order_id: hop.event.occurred_at for hop in told}
    return found + [
        absent
        for order in orders
        if (absent := _absent(order, last.get(order.order_id), now)) is not None
    ]


def _event(hop: Hop) -> Step:
    event = hop.event
    limit = BROKER_LATE_MS if event.trigger in _BROKERS_STEPS else OURS_LATE_MS
    return Step(
        at=event.occurred_at,
        kind=Kind.EVENT,
        service=event.service,
        what=event.trigger,
        text=event.text,
        order_id=event.order_id,
        delay_ms=hop.delay_ms,
        is_late=event.trigger not in _ANY_TIME and hop.delay_ms > limit,
    )


def _absent(order: Order, since: datetime | None, now: datetime) -> Step | None:
    if order.status not in OPEN or order.status not in _NEXT or since is None:
        return None
    service, what = _NEXT[order.status]
    seconds = (now - since).total_seconds()
    if seconds * 1000 <= OURS_LATE_MS:
        return None
    return Step(
        at=now,
        kind=Kind.ABSENT,
        service=service,
        what="",
        text=f"{what} is due for {seconds:.0f} s",
        order_id=order.order_id,
        is_late=True,
    )


def _to_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
