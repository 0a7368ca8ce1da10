"""A condition: one thing that needs attention, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import OrderId
from shoonya_platform.services.runbook import of_condition


class Severity(StrEnum):
    """How urgent a condition is; the order of the list."""

    CRITICAL = "critical"  #: money or protection is at risk: act now
    WARNING = "warning"  #: look at it today, or it settles itself


class ConditionKind(StrEnum):
    """What can need attention beside a discrepancy."""

    SERVICE_DOWN = "service_down"  #: not running, or given up
    SERVICE_SILENT = "service_silent"  #: running, and without a heartbeat
    BROKER_SLOW = "broker_slow"  #: an answer took seconds lately
    RECONCILIATION_FAILED = "reconciliation_failed"  #: the books were not read
    RECONCILIATION_OLD = "reconciliation_old"  #: they were read too long ago
    RECONCILIATION_AWAITED = "reconciliation_awaited"  #: entries wait for the first
    ALERTS_WAIT = "alerts_wait"  #: received, and without orders for too long
    ORDERS_WAIT = "orders_wait"  #: before the broker, or without its answer
    ORDERS_OLD = "orders_old"  #: working at the broker for too long
    INSTRUMENTS_MISSING = "instruments_missing"  #: no list of them; entries are denied
    INSTRUMENTS_OLD = "instruments_old"  #: the list of an earlier day is used
    CALENDAR_ENDS = "calendar_ends"  #: the holidays known run out
    TRADING_NOT_ACTIVE = "trading_not_active"  #: halted or reducing
    OTHER_ACCOUNT_OPEN = "other_account_open"  #: a book that is not traded now


Kind = ConditionKind | DiscrepancyKind

#: The values are used in JSON, metrics, alert rules and the runbook.
KINDS: tuple[Kind, ...] = (*DiscrepancyKind, *ConditionKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that needs attention."""

    kind: Kind
    severity: Severity
    text: str  #: one sentence, with the figures
    action: str  #: a command where there is one
    #: What it is about: a service, a status, an order's `client_order_id`, a holding.
    subject: str = ""
    order_id: OrderId | None = None
    since: datetime | None = None
    discrepancy_id: int | None = None
    #: Stays in the list until a person acknowledges it, even after its end.
    needs_acknowledgement: bool = False

    @property
    def key(self) -> str:
        """Name the condition: the same one has the same key each time."""
        return f"{self.kind}:{self.subject}" if self.subject else str(self.kind)

    @property
    def runbook(self) -> str:
        """Where to read about it: a page and its section."""
        return of_condition(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """From when on something needs attention; seconds."""

    warn_seconds: float = 30.0  #: of waiting for one of our steps or an answer
    crit_seconds: float = 120.0
    reconciliation_seconds: float = 180.0  #: since the last comparison
    silent_seconds: float = 60.0  #: since a running service's heartbeat
    old_order_seconds: float = 0.0  #: working at the broker; 0 for any time
    entries_wait: bool = True  #: for the first reconciliation of a start
    #: Where the broker's lists of instruments are; None for a broker without any.
    instruments_file: Path | None = None
    list_seconds: float = 1800.0  #: since the lists of a new day were published
    #: When the exchanges trade; None is round the clock.
    calendar: MarketCalendar | None = None

    def is_trading_time(self, now: datetime) -> bool:
        """Return whether any exchange is open."""
        return self.calendar is None or self.calendar.is_any_open(now)


def ordered(found: list[Condition]) -> list[Condition]:
    """Return the critical ones first; among equals the order stays."""
    order = list(Severity)
    return sorted(found, key=lambda condition: order.index(condition.severity))
