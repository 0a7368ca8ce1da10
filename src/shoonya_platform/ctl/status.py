"""shoonyactl status"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

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
    """Show how the eight services are.

    Ends with 3 when not all of them are running; with --watch always with 0.

    \b
    Examples:
      shoonyactl status
      shoonyactl status --watch
      shoonyactl status --json | jq -r '.services[].service'
    """
    if watch_seconds is not None and _watched(ctl, watch_seconds, as_json=as_json):
        return
    looked = look(ctl)
    views, queues, trading, waits = looked
    if as_json:
        print_json(document(looked))
    else:
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
                    queues.get(view.service, 0),
                    sentence(view),
                )
                for view in views
            ],
        )
        if trading is not None and trading.set_by:
            console().print(
                f"\ntrading is {trading.state}: {trading.reason} ({trading.set_by}, "
                f"{ago(trading.set_at, now)} ago)"
            )
        if waits:
            console().print(
                "\nentries are denied: waiting for the first reconciliation "
                "(shoonyactl recovery)"
            )
    if any(view.state != "running" for view in views):
        raise click.exceptions.Exit(NotRunning.exit_code)


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


#: The services, what waits for each, the trading state, and whether entries wait.
Look = tuple[Sequence[ServiceView], Mapping[str, int], TradingStatus | None, bool]


def look(ctl: Ctl) -> Look:
    """Return how things are; without a store, of the services alone."""
    views = read_services(ctl.settings.paths.runtime_dir)
    try:
        waits = ctl.settings.recovery.entries_wait and ctl.store.recovery.is_awaited()
        return views, queue_lengths(ctl.store), ctl.store.trading.status(), waits
    except NotRunning:
        return views, {}, None, False


def document(looked: Look) -> dict[str, object]:
    """Return the same as `--json` prints it."""
    views, queues, trading, waits = looked
    services = [
        {**_fields(view), "queue": queues.get(view.service, 0)} for view in views
    ]
    return {
        "services": services,
        "trading": plain(trading),
        "awaits_reconciliation": waits,
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
