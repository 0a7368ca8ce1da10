"""Collects a trace: the closed set of ids, and what all of them left behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from shoonya_platform.domain.orders import OPEN, AlertId, Order, OrderId
from shoonya_platform.domain.story import hops
from shoonya_platform.errors import NotFound
from shoonya_platform.store.base import OrderStore
from shoonya_platform.tracing.lines import find_lines
from shoonya_platform.tracing.trace import Trace, steps

#: Lines are looked for from so long before the first event to so long after the last.
_BEFORE = timedelta(seconds=5)
_AFTER = timedelta(minutes=2)


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
    alert_id, orders = _subject(store, found)
    siblings = store.orders.of_alert(alert_id)
    mine = {order.order_id for order in orders}
    told = hops(
        event
        for event in store.orders.events(alert_id=alert_id)
        if event.order_id is None or event.order_id in mine
    )
    notes: list[str] = []
    begin = told[0].event.occurred_at if told else now
    is_over = all(each.status not in OPEN for each in orders)
    end = told[-1].event.occurred_at + _AFTER if told and is_over else now
    others = {str(o.order_id) for o in siblings if o.order_id not in mine}
    lines = [
        line
        for line in find_lines(
            log_dir,
            _ids(alert_id, orders),
            since=begin - _BEFORE,
            until=end,
            journal=journal,
            tell=notes.append,
        )
        if line.order_id not in others
    ]
    return Trace(
        alert=store.alerts.get(alert_id),
        orders=orders,
        steps=steps(told, lines, orders, now),
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


def _ids(alert_id: AlertId, orders: list[Order]) -> set[str]:
    ids = {str(alert_id)}
    for order in orders:
        ids |= {str(order.order_id), str(order.client_order_id)}
        if order.broker_order_id is not None:
            ids.add(str(order.broker_order_id))
    return ids
