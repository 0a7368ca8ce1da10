"""What waits: alerts and orders whose next step is ours or the broker's answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shoonya_platform.assessment.conditions import (
    Condition,
    ConditionKind,
    Rules,
    Severity,
)
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    WORKING,
    Order,
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
    alerts = store.alerts.in_status(AlertStatus.RECEIVED, limit=_MOST_ALERTS)
    since = [alerts[0].received_at] if alerts else []
    for status in BEFORE_BROKER | IN_FLIGHT:
        since += [order.updated_at for order in store.orders.in_status(status, limit=1)]
    return Waiting(
        number=len(alerts) + store.orders.count_in(*BEFORE_BROKER, *IN_FLIGHT),
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
    for status, what in _WAITS_FOR.items():
        oldest = store.orders.in_status(status, limit=1)
        if not oldest:
            continue
        seconds = _age(now, oldest[0].updated_at)
        if severity := _severity(seconds, rules):
            number = store.orders.count_in(status)
            yield Condition(
                kind=ConditionKind.ORDERS_WAIT,
                severity=severity,
                text=f"{_count(number, 'order')} {status}, waiting for {what}, the "
                f"oldest (order {oldest[0].order_id}) for {seconds:.0f} s",
                action=f"shoonyactl order show {oldest[0].order_id}",
                subject=status,
                order_id=oldest[0].order_id,
                since=oldest[0].updated_at,
            )
    yield from _old(store, now, rules)


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
