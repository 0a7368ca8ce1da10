"""shoonyactl status"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from shoonya_platform.assessment.assess import assess, services_down
from shoonya_platform.assessment.conditions import Condition, ordered
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.ctl._conditions import condition_document, print_conditions
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import (
    ago,
    console,
    json_option,
    megabytes,
    plain,
    print_json,
    print_table,
)
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingStatus
from shoonya_platform.errors import NotRunning
from shoonya_platform.services.units import ServiceView, read_services
from shoonya_platform.store.base import OrderStore

#: What each service finds waiting for it.
_QUEUES = {
    "risk_manager": (OrderStatus.INITIALIZED,),
    "execution_guard": (OrderStatus.RISK_PASSED,),
    "command_service": (OrderStatus.GUARD_PASSED, OrderStatus.SUBMITTED),
    "order_watcher": (
        OrderStatus.ACCEPTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.PENDING_CANCEL,
    ),
    "recovery_service": (OrderStatus.OUTCOME_UNKNOWN,),
}


@click.command()
@click.option(
    "--watch",
    "watch_seconds",
    type=click.FloatRange(min=0.1, max=3600),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Show it anew each so many seconds, with orders on their way and the latest "
    "errors, until q or Ctrl-C  [2 if not said]",
)
@json_option
@click.pass_obj
def cli(ctl: Ctl, watch_seconds: float | None, as_json: bool) -> None:
    """Show how the eight services are, and what needs attention.

    Below the services is each condition that `check` and the dashboard show too,
    with what to do about it.

    Ends with 3 when not all of them are running; with --watch always with 0.

    \b
    Examples:
      shoonyactl status
      shoonyactl status --watch
      shoonyactl status --json | jq -r '.services[].service'
      shoonyactl status --json | jq -r '.conditions[].action'
    """
    if watch_seconds is not None and _watched(ctl, watch_seconds, as_json=as_json):
        return
    looked = look(ctl)
    if as_json:
        print_json(document(looked))
    else:
        _print(looked, ctl)
    if any(view.state != "running" for view in looked.services):
        raise click.exceptions.Exit(NotRunning.exit_code)


def _print(looked: Look, ctl: Ctl) -> None:
    now = ctl.clock.now()
    print_table(
        ["service", "state", "since", "restarts>", "memory>", "queue>", "status"],
        [
            (
                view.service,
                view.state,
                ago(view.since, now),
                view.restarts,
                megabytes(view.memory_bytes),
                looked.queues.get(view.service, 0),
                sentence(view),
            )
            for view in looked.services
        ],
    )
    trading = looked.trading
    if trading is not None and trading.set_by:
        console().print(
            f"\ntrading is {trading.state}: {trading.reason} ({trading.set_by}, "
            f"{ago(trading.set_at, now)} ago)"
        )
    print_conditions(looked.conditions)


def _watched(ctl: Ctl, seconds: float, *, as_json: bool) -> bool:
    # A status alone has no use for what draws and listens.
    from shoonya_platform.ctl._watching import can_watch, watch

    if as_json:
        raise click.UsageError("--watch does not go with --json")
    if not can_watch():
        click.echo("shoonyactl: no terminal to watch on: this is one status", err=True)
        return False
    watch(ctl, seconds)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How things are; without a store, of the services alone."""

    services: Sequence[ServiceView]
    conditions: Sequence[Condition]
    queues: Mapping[str, int]  #: what waits for each service
    trading: TradingStatus | None
    awaits_reconciliation: bool


def look(ctl: Ctl) -> Look:
    """Return how things are."""
    settings = ctl.settings
    views = read_services(settings.paths.runtime_dir)
    try:
        store = ctl.store
    except NotRunning:
        return Look(
            services=views,
            conditions=ordered(list(services_down(views))),
            queues={},
            trading=None,
            awaits_reconciliation=False,
        )
    return Look(
        services=views,
        conditions=assess(
            store, ctl.clock.now(), services=views, rules=configured_rules(settings)
        ),
        queues=queue_lengths(store),
        trading=store.trading.status(),
        awaits_reconciliation=settings.recovery.entries_wait
        and store.recovery.is_awaited(),
    )


def document(looked: Look) -> dict[str, object]:
    """Return the same as `--json` prints it."""
    return {
        "services": [
            {**_fields(view), "queue": looked.queues.get(view.service, 0)}
            for view in looked.services
        ],
        "trading": plain(looked.trading),
        "awaits_reconciliation": looked.awaits_reconciliation,
        "conditions": [condition_document(each) for each in looked.conditions],
    }


def queue_lengths(store: OrderStore) -> dict[str, int]:
    """Return how many rows wait for each service."""
    counts = store.orders.count()
    lengths = {
        service: sum(counts.get(status, 0) for status in statuses)
        for service, statuses in _QUEUES.items()
    }
    lengths["trading_bot"] = len(
        store.alerts.in_status(AlertStatus.RECEIVED, limit=10_000)
    )
    return lengths


def _fields(view: ServiceView) -> dict[str, object]:
    fields = plain(view)
    if not isinstance(fields, dict):
        raise TypeError(f"expected a dataclass, was {type(view).__name__}")
    return fields


def sentence(view: ServiceView) -> str:
    """Return what there is to say of a service: its own words, or why it ended."""
    if view.state == "backoff" and view.text and view.cause:
        return f"{view.text}: {view.cause}"
    if view.state in ("running", "starting"):
        return view.text
    return view.cause or view.text
