"""Open discrepancies as conditions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shoonya_platform.assessment.conditions import Condition, Rules, Severity
from shoonya_platform.domain.discrepancies import (
    INCIDENTS,
    DiscrepancyKind,
    StoredDiscrepancy,
)
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.store.base import OrderStore

#: The platform settles them itself, or has done so already.
_MILD = frozenset(
    {
        DiscrepancyKind.OUTCOME_UNKNOWN,
        DiscrepancyKind.ORDER_ADOPTED,
        DiscrepancyKind.ROW_UNREADABLE,
        DiscrepancyKind.EXIT_WAITS,
        DiscrepancyKind.EXIT_MISSED,
        DiscrepancyKind.BELIEF_DIFFERS,
    }
)


def discrepancies(
    store: OrderStore, now: datetime, rules: Rules
) -> Iterator[Condition]:
    """Yield a condition for each open discrepancy, the oldest first."""
    seen = set()
    for each in store.discrepancies.open():
        found = of_discrepancy(each, now, rules)
        seen.add(found.key)
        yield found
    # Between the step that lost the answer and the next look of recovery_service.
    for order in store.orders.in_status(OrderStatus.OUTCOME_UNKNOWN):
        found = Condition(
            kind=DiscrepancyKind.OUTCOME_UNKNOWN,
            severity=_of_unknown(order.updated_at, now, rules),
            text=f"the outcome of order {order.order_id}, {order.summary}, is unknown",
            action=f"shoonyactl order show {order.order_id}",
            subject=order.client_order_id,
            order_id=order.order_id,
            since=order.updated_at,
        )
        if found.key not in seen:
            yield found


def of_discrepancy(
    found: StoredDiscrepancy, now: datetime, rules: Rules | None = None
) -> Condition:
    """Return what an open discrepancy is in the list."""
    is_over = found.resolved_at is not None
    acknowledge = f"shoonyactl discrepancy acknowledge {found.discrepancy_id}"
    if is_over:
        text, action = f"{found.text} (over, not acknowledged)", acknowledge
    else:
        text = found.text
        action = found.action or f"shoonyactl discrepancy show {found.discrepancy_id}"
        if found.acknowledged_at is not None:
            text = f"{text} (acknowledged by {found.acknowledged_by})"
    return Condition(
        kind=found.kind,
        severity=severity_of(found, now, rules),
        text=text,
        action=action,
        subject=found.subject,
        order_id=found.order_id,
        since=found.first_seen_at,
        discrepancy_id=found.discrepancy_id,
        needs_acknowledgement=found.kind in INCIDENTS and found.acknowledged_at is None,
    )


def severity_of(
    found: StoredDiscrepancy, now: datetime, rules: Rules | None = None
) -> Severity:
    """Return how urgent it is; acknowledging changes nothing about that."""
    if found.resolved_at is not None:
        return Severity.WARNING
    if found.kind is DiscrepancyKind.OUTCOME_UNKNOWN:
        return _of_unknown(found.first_seen_at, now, rules or Rules())
    if found.kind is DiscrepancyKind.LOGIN_NEEDED:
        # The session ends each night, and is needed by the morning.
        is_needed = (rules or Rules()).is_trading_time(now)
        return Severity.CRITICAL if is_needed else Severity.WARNING
    return Severity.WARNING if found.kind in _MILD else Severity.CRITICAL


def _of_unknown(since: datetime, now: datetime, rules: Rules) -> Severity:
    is_old = (now - since).total_seconds() >= rules.crit_seconds
    return Severity.CRITICAL if is_old else Severity.WARNING
