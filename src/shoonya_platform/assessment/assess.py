"""The list itself: from the store and, where the caller has it, the services' state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from shoonya_platform.assessment.conditions import (
    Condition,
    ConditionKind,
    Rules,
    Severity,
    ordered,
)
from shoonya_platform.assessment.discrepancies import discrepancies
from shoonya_platform.assessment.holidays import holidays
from shoonya_platform.assessment.instruments import instrument_lists
from shoonya_platform.assessment.waiting import waiting
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import Supervisor
from shoonya_platform.store.base import OrderStore, ServiceBeat

#: Those that start a single service.
_STARTING = (Supervisor.SYSTEMD, Supervisor.MANAGER)
_ON_ITS_WAY = (ServiceStatus.STARTING, ServiceStatus.BACKOFF)


class Service(Protocol):
    """A `services.units.ServiceView`, as far as it is judged here."""

    @property
    def service(self) -> str: ...
    @property
    def state(self) -> ServiceStatus: ...
    @property
    def text(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def since(self) -> datetime | None: ...
    @property
    def supervisor(self) -> Supervisor: ...


def assess(
    store: OrderStore,
    now: datetime,
    *,
    services: Sequence[Service] = (),
    rules: Rules | None = None,
) -> list[Condition]:
    """
    Return what needs attention, the critical first.

    Args:
        services: How the eight are; without them only their heartbeats in the store
            are judged.

        rules: From when on; None for the defaults.

    Raises:
        StoreError: The store does not answer.
    """
    rules = rules or Rules()
    # One state of the store: a row that moves meanwhile is not missed between reads.
    with store.view():
        return ordered(
            [
                *discrepancies(store, now, rules),
                *services_down(services),
                *_silent(store, now, services, rules),
                *_slow_broker(store, now, services, rules),
                *_reconciliation(store, now, rules),
                *waiting(store, now, rules),
                *instrument_lists(now, rules),
                *holidays(now, rules),
                *_trading(store),
                *_other_accounts(store),
            ]
        )


def services_down(services: Sequence[Service]) -> Iterator[Condition]:
    """Yield the services that are not running; needs no store."""
    for each in services:
        if each.state is ServiceStatus.RUNNING:
            continue
        # While it waits to be started again, its sentence says until when.
        says = each.text if each.state is ServiceStatus.BACKOFF else ""
        why = ", ".join(part for part in (each.cause, says) if part)
        on_its_way = each.state in _ON_ITS_WAY
        is_silent = each.state is ServiceStatus.STOPPED and not each.cause
        action = f"shoonyactl {'start' if is_silent else 'why'} {each.service}"
        if is_silent and each.supervisor not in _STARTING:
            # Without systemd and 'up' nothing starts a single service.
            action = "shoonyactl up"
        yield Condition(
            kind=ConditionKind.SERVICE_DOWN,
            severity=Severity.WARNING if on_its_way else Severity.CRITICAL,
            text=f"{each.service} is {each.state}" + (f" ({why})" if why else ""),
            action=action,
            subject=each.service,
            since=each.since,
        )


def _silent(
    store: OrderStore, now: datetime, services: Sequence[Service], rules: Rules
) -> Iterator[Condition]:
    for beat in _running(store, services):
        seconds = (now - beat.beat_at).total_seconds()
        if seconds < rules.silent_seconds:
            continue
        yield Condition(
            kind=ConditionKind.SERVICE_SILENT,
            severity=Severity.CRITICAL,
            text=f"{beat.service} has sent no heartbeat for {seconds:.0f} s",
            action=f"shoonyactl why {beat.service}",
            subject=beat.service,
            since=beat.beat_at,
        )


def _running(store: OrderStore, services: Sequence[Service]) -> list[ServiceBeat]:
    down = {s.service for s in services if s.state is not ServiceStatus.RUNNING}
    return [
        beat
        for beat in store.services.all()
        if beat.ended_at is None and beat.service not in down
    ]


def _slow_broker(
    store: OrderStore, now: datetime, services: Sequence[Service], rules: Rules
) -> Iterator[Condition]:
    """Yield one condition for all services that waited for the broker lately."""
    slow = [
        beat
        for beat in _running(store, services)
        if beat.slow_answer_seconds
        and (now - beat.beat_at).total_seconds() < rules.silent_seconds
    ]
    if not slow:
        return
    worst = max(slow, key=lambda beat: beat.slow_answer_seconds)
    yield Condition(
        kind=ConditionKind.BROKER_SLOW,
        severity=Severity.WARNING,
        text=f"the broker is slow: an answer took {worst.slow_answer_seconds:.1f} s "
        f"within the last minute ({', '.join(beat.service for beat in slow)})",
        action="shoonyactl broker status",
    )


def _reconciliation(
    store: OrderStore, now: datetime, rules: Rules
) -> Iterator[Condition]:
    last = store.recovery.last()
    if last is not None and not last.succeeded:
        yield Condition(
            kind=ConditionKind.RECONCILIATION_FAILED,
            severity=Severity.CRITICAL,
            text=last.summary,
            action="shoonyactl broker status",
            since=last.finished_at,
        )
    if last is not None:
        seconds = (now - last.finished_at).total_seconds()
        if seconds >= rules.reconciliation_seconds:
            yield Condition(
                kind=ConditionKind.RECONCILIATION_OLD,
                severity=Severity.WARNING,
                text=f"the last comparison with the broker is {seconds:.0f} s old",
                action="shoonyactl why recovery_service",
                since=last.finished_at,
            )
    if rules.entries_wait and store.recovery.is_awaited():
        yield Condition(
            kind=ConditionKind.RECONCILIATION_AWAITED,
            severity=Severity.WARNING,
            text="entries are denied: waiting for the first reconciliation",
            action="shoonyactl recovery",
        )


def _trading(store: OrderStore) -> Iterator[Condition]:
    status = store.trading.status()
    if status.state is not TradingState.ACTIVE:
        yield Condition(
            kind=ConditionKind.TRADING_NOT_ACTIVE,
            severity=Severity.WARNING,
            text=f"trading is {status.state}: {status.reason} (by {status.set_by})",
            action="shoonyactl risk resume",
            since=status.set_at,
        )


def _other_accounts(store: OrderStore) -> Iterator[Condition]:
    for book in store.other_books():
        broker = book.account.partition("-")[0]
        yield Condition(
            kind=ConditionKind.OTHER_ACCOUNT_OPEN,
            severity=Severity.WARNING,
            text=f"the book of '{book.account}' is not traded now, and has {book.text}",
            action=f"close them there, or set broker.name = '{broker}' again",
            subject=book.account,
        )
