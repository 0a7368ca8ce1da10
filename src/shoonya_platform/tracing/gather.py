"""Collects a trace: the closed set of ids, and what all of them left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.orders import OPEN, AlertId, Fill, Order, OrderId
from shoonya_platform.domain.story import Hop, hops
from shoonya_platform.errors import NotFound
from shoonya_platform.store.base import OrderStore
from shoonya_platform.tracing.lines import find_lines
from shoonya_platform.tracing.trace import Trace, steps

#: Lines are looked for from so long before the first event to so long after the last.
_BEFORE = timedelta(seconds=5)
_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the store has of an order, or of an alert with all its orders."""

    alert_id: AlertId
    alert: StoredAlert | None
    orders: Sequence[Order]
    fills: Mapping[OrderId, Sequence[Fill]]
    others: frozenset[str]  #: the alert's other orders, by number
    hops: Sequence[Hop]


def trace(
    store: OrderStore,
    found: OrderId | AlertId,
    now: datetime,
    *,
    log_dir: Path,
    journal: bool,
) -> Trace:
    """
    Return everything known of an order, or of an alert with all its orders.

    Raises:
        NotFound: There is no such order or alert.
    """
    return with_lines(told(store, found), now, log_dir=log_dir, journal=journal)


def told(store: OrderStore, found: OrderId | AlertId) -> Told:
    """
    Return what the store has.

    Raises:
        NotFound: There is no such order or alert.
    """
    alert_id, orders = _subject(store, found)
    mine = {order.order_id for order in orders}
    events = store.orders.events(alert_id=alert_id)
    return Told(
        alert_id=alert_id,
        alert=store.alerts.get(alert_id),
        orders=orders,
        fills={each: store.orders.fills_of(each) for each in mine},
        others=frozenset(
            str(order.order_id)
            for order in store.orders.of_alert(alert_id)
            if order.order_id not in mine
        ),
        hops=hops(e for e in events if e.order_id is None or e.order_id in mine),
    )


def with_lines(story: Told, now: datetime, *, log_dir: Path, journal: bool) -> Trace:
    """Return it with the log's lines; reads files and not the store."""
    events, orders = story.hops, story.orders
    notes: list[str] = []
    begin = events[0].event.occurred_at if events else now
    is_over = all(each.status not in OPEN for each in orders)
    end = events[-1].event.occurred_at + _AFTER if events and is_over else now
    lines = [
        line
        for line in find_lines(
            log_dir,
            _ids(story.alert_id, orders),
            since=begin - _BEFORE,
            until=end,
            journal=journal,
            tell=notes.append,
        )
        if line.order_id not in story.others
    ]
    return Trace(
        alert=story.alert,
        orders=orders,
        fills=story.fills,
        steps=steps(events, lines, orders, now),
        notes=notes,
    )


def _subject(
    store: OrderStore, found: OrderId | AlertId
) -> tuple[AlertId, list[Order]]:
    if isinstance(found, str):
        if store.alerts.get(found) is None:
            raise NotFound(f"there is no alert '{found}'")
        return found, store.orders.of_alert(found)
    order = store.orders.get(found)
    if order is None:
        raise NotFound(f"there is no order {found}")
    return order.alert_id, [order]


def _ids(alert_id: AlertId, orders: Sequence[Order]) -> set[str]:
    ids = {str(alert_id)}
    for order in orders:
        ids |= {str(order.order_id), str(order.client_order_id)}
        if order.broker_order_id is not None:
            ids.add(str(order.broker_order_id))
    return ids
