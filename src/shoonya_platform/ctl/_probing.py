"""What a monitoring system's probe makes of the figures: one state, one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import BEFORE_BROKER, IN_FLIGHT
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import ServiceView
from shoonya_platform.store.base import OrderStore

#: Longer than anything waits that a service will look at: then it counts as so many.
_MOST_ALERTS = 10_000


class Result(IntEnum):
    """A plugin's exit codes, as Nagios and its kin read them."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Alerts and orders whose next step is ours or the broker's answer."""

    number: int
    oldest_seconds: float  #: since the step before; 0 if nothing waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What there is to judge."""

    services: Sequence[ServiceView]
    waiting: Waiting | None  #: None if the store could not be read
    trading: TradingState | None  #: likewise
    awaits_reconciliation: bool = False
    trouble: str = ""  #: why the store could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which age on waiting is trouble, in seconds."""

    warn_age: float
    crit_age: float


@dataclass(frozen=True, slots=True)
class Finding:
    result: Result
    text: str


def look_for_waiting(store: OrderStore, now: datetime) -> Waiting:
    """Return what waits for one of the services, or for the broker's answer."""
    alerts = store.alerts.in_status(AlertStatus.RECEIVED, limit=_MOST_ALERTS)
    since = [alerts[0].received_at] if alerts else []
    for status in BEFORE_BROKER | IN_FLIGHT:
        since += [order.updated_at for order in store.orders.in_status(status, limit=1)]
    return Waiting(
        number=len(alerts) + store.orders.count_in(*BEFORE_BROKER, *IN_FLIGHT),
        # A clock that was set back makes nothing younger than new.
        oldest_seconds=max([0.0, *((now - each).total_seconds() for each in since)]),
    )


def findings(facts: Facts, limits: Limits) -> list[Finding]:
    """Return what is not as it should be, the worst first."""
    found = [
        *map(_service, (v for v in facts.services if v.state != "running")),
        *_trading(facts),
        *_age(facts.waiting, limits),
    ]
    if facts.trouble:
        found.append(Finding(Result.UNKNOWN, facts.trouble))
    # What is certainly broken counts for more than what nobody knows.
    order = (Result.CRITICAL, Result.UNKNOWN, Result.WARNING)
    return sorted(found, key=lambda finding: order.index(finding.result))


def _service(view: ServiceView) -> Finding:
    on_its_way = (ServiceStatus.STARTING, ServiceStatus.BACKOFF)
    result = Result.WARNING if view.state in on_its_way else Result.CRITICAL
    cause = f" ({view.cause})" if view.cause else ""
    return Finding(result, f"{view.service} is {view.state}{cause}")


def _trading(facts: Facts) -> list[Finding]:
    found = []
    if facts.trading not in (None, TradingState.ACTIVE):
        found.append(Finding(Result.WARNING, f"trading is {facts.trading}"))
    if facts.awaits_reconciliation:
        found.append(
            Finding(Result.WARNING, "entries wait for the first reconciliation")
        )
    return found


def _age(waiting: Waiting | None, limits: Limits) -> list[Finding]:
    age = 0.0 if waiting is None else waiting.oldest_seconds
    for result, limit in (
        (Result.CRITICAL, limits.crit_age),
        (Result.WARNING, limits.warn_age),
    ):
        if age >= limit:
            return [Finding(result, f"something has waited for {age:.0f} s")]
    return []


def result_of(found: Sequence[Finding]) -> Result:
    return found[0].result if found else Result.OK


def summary(facts: Facts) -> str:
    """Return `8 of 8 running, trading ACTIVE, nothing waits`."""
    parts = [f"{_running(facts)} of {len(facts.services)} running"]
    if facts.trading is not None:
        parts.append(f"trading {facts.trading}")
    if facts.waiting is not None:
        number = facts.waiting.number
        parts.append(
            f"{number} waiting, the oldest for {facts.waiting.oldest_seconds:.0f} s"
            if number
            else "nothing waits"
        )
    return ", ".join(parts)


def line(result: Result, text: str, figures: str = "") -> str:
    """Return the plugin's line: the text before the bar, the figures behind it."""
    words = " ".join(text.replace("|", "/").split())
    return f"SHOONYA {result.name} - {words}" + (f" | {figures}" if figures else "")


def figures(facts: Facts, limits: Limits) -> str:
    """Return `name=value;warn;crit;min;max` of each figure."""
    total = len(facts.services)
    parts = [f"running={_running(facts)};;;0;{total}"]
    parts.append(f"restarts={sum(view.restarts for view in facts.services)};;;0")
    if facts.waiting is not None:
        parts.append(f"waiting={facts.waiting.number};;;0")
        parts.append(
            f"oldest={facts.waiting.oldest_seconds:.0f}s;"
            f"{limits.warn_age:g};{limits.crit_age:g};0"
        )
    return " ".join(parts)


def _running(facts: Facts) -> int:
    return sum(view.state == "running" for view in facts.services)
