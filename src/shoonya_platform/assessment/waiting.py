"""What waits: alerts and orders whose next step is ours or the broker's answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from shoonya_platform.assessment.conditions import (
    Condition,
    ConditionKind,
    Rules,
    Severity,
)
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    WORKING,
    Order,
    OrderId,
    OrderStatus,
)
from shoonya_platform.store.base import OrderStore

#: More than any service takes at a time; a longer queue counts as this many.
_MOST_ALERTS = 10_000

#: What an order in this status waits for, in the order of its life.
_WAITS_FOR = {
    OrderStatus.INITIALIZED: "risk_manager",
    OrderStatus.RISK_PASSED: "execution_guard",
    OrderStatus.GUARD_PASSED: "command_service",
    OrderStatus.SUBMITTED: "the broker's answer",
    OrderStatus.PENDING_REPLACE: "the broker's answer to new terms",
    OrderStatus.PENDING_CANCEL: "the broker's answer to a cancel",
}

_AT_BROKER = sorted(WORKING - IN_FLIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How much waits, and for how long."""

    number: int
    oldest_seconds: float  #: since the step before; 0 if nothing waits


def look_for_waiting(store: OrderStore, now: datetime) -> Waiting:
    """Return what waits for one of the services, or for the broker's answer."""
    for_market = _for_market(store)
    alerts = store.alerts.in_status(AlertStatus.RECEIVED, limit=_MOST_ALERTS)
    since = [alerts[0].received_at] if alerts else []
    for status in BEFORE_BROKER | IN_FLIGHT:
        oldest = _oldest(store, status, for_market)
        since += [] if oldest is None else [oldest.updated_at]
    orders = store.orders.count_in(*BEFORE_BROKER, *IN_FLIGHT) - len(for_market)
    return Waiting(
        number=len(alerts) + orders,
        oldest_seconds=max([0.0, *(_age(now, each) for each in since)]),
    )


def waiting(store: OrderStore, now: datetime, rules: Rules) -> Iterator[Condition]:
    """
    Yield what has waited too long: one condition for each status, not each order.

    A flood that is held up is one thing to act on.  Orders of unknown outcome are
    discrepancies.
    """
    alerts = store.alerts.in_status(AlertStatus.RECEIVED, limit=_MOST_ALERTS)
    if alerts:
        seconds = _age(now, alerts[0].received_at)
        if severity := _severity(seconds, rules):
            yield Condition(
                kind=ConditionKind.ALERTS_WAIT,
                severity=severity,
                text=f"{_count(len(alerts), 'alert')} without orders, the oldest "
                f"({alerts[0].alert_id}) for {seconds:.0f} s",
                action="shoonyactl why trading_bot",
                since=alerts[0].received_at,
            )
    for_market = _for_market(store)
    for status, what in _WAITS_FOR.items():
        oldest = _oldest(store, status, for_market)
        if oldest is None:
            continue
        seconds = _age(now, oldest.updated_at)
        if severity := _severity(seconds, rules):
            held = sum(each is status for each in for_market.values())
            number = store.orders.count_in(status) - held
            yield Condition(
                kind=ConditionKind.ORDERS_WAIT,
                severity=severity,
                text=f"{_count(number, 'order')} {status}, waiting for {what}, the "
                f"oldest (order {oldest.order_id}) for {seconds:.0f} s",
                action=f"shoonyactl order show {oldest.order_id}",
                subject=status,
                order_id=oldest.order_id,
                since=oldest.updated_at,
            )
    yield from _old(store, now, rules)


def _for_market(store: OrderStore) -> dict[OrderId, OrderStatus]:
    """Return the exits that wait for their exchange: a condition of their own."""
    found = {}
    for each in store.discrepancies.unresolved(DiscrepancyKind.EXIT_WAITS):
        order = None if each.order_id is None else store.orders.get(each.order_id)
        if order is not None and order.status in BEFORE_BROKER:
            found[order.order_id] = order.status
    return found


def _oldest(
    store: OrderStore, status: OrderStatus, without: Collection[OrderId]
) -> Order | None:
    for order in store.orders.in_status(status, limit=1 + len(without)):
        if order.order_id not in without:
            return order
    return None


def _old(store: OrderStore, now: datetime, rules: Rules) -> Iterator[Condition]:
    if not rules.old_order_seconds:
        return
    found = [
        order
        for order in store.orders.in_status(*_AT_BROKER)
        if _age(now, order.created_at) >= rules.old_order_seconds
    ]
    if found:
        yield Condition(
            kind=ConditionKind.ORDERS_OLD,
            severity=Severity.WARNING,
            text=f"{_count(len(found), 'order')} working at the broker for long, the "
            f"oldest (order {found[0].order_id}) for "
            f"{_age(now, found[0].created_at):.0f} s",
            action=_cancel(found[0]),
            order_id=found[0].order_id,
            since=found[0].created_at,
        )


def _cancel(order: Order) -> str:
    return f"shoonyactl order cancel {order.order_id}"


def _severity(seconds: float, rules: Rules) -> Severity | None:
    if seconds >= rules.crit_seconds:
        return Severity.CRITICAL
    return Severity.WARNING if seconds >= rules.warn_seconds else None


def _age(now: datetime, since: datetime) -> float:
    # A clock that was set back makes nothing younger than new.
    return max(0.0, (now - since).total_seconds())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
