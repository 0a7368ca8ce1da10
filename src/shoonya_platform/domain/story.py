"""An order's or an alert's way through the services, with the delay of each hop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shoonya_platform.domain.orders import OrderEvent, OrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One event in a story, and how long it was in coming."""

    event: OrderEvent
    begin_ms: float  #: since the story's first event
    delay_ms: float  #: since the event before, of the same order or of the alert


def hops(events: Iterable[OrderEvent]) -> list[Hop]:
    """
    Return events with the delay of each.

    An order's first event follows the alert's; an alert's event follows whatever
    came last.  A wall clock that was set back shows as a negative delay.
    """
    told: list[Hop] = []
    last: dict[OrderId | None, datetime] = {}
    first: datetime | None = None
    for event in events:
        at = event.occurred_at
        first = first or at
        if event.order_id is None:
            before = max(last.values(), default=at)
        else:
            before = last.get(event.order_id) or last.get(None) or at
        told.append(Hop(event=event, begin_ms=_ms(first, at), delay_ms=_ms(before, at)))
        last[event.order_id] = at
    return told


def _ms(begin: datetime, end: datetime) -> float:
    return round((end - begin).total_seconds() * 1000, 3)
