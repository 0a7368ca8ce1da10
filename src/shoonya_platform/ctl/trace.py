"""shoonyactl trace"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import click

from shoonya_platform.ctl._completing import complete_story
from shoonya_platform.ctl._logs import moment
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, plain, print_json
from shoonya_platform.domain.orders import AlertId, Fill, OrderId
from shoonya_platform.errors import NotFound
from shoonya_platform.services.units import BOOTED
from shoonya_platform.tracing.gather import trace
from shoonya_platform.tracing.ids import find
from shoonya_platform.tracing.lanes import length, swim_lanes
from shoonya_platform.tracing.trace import Kind, Step, Trace

_LEVEL_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


@click.command()
@click.argument(
    "identifier", metavar="[ID]", required=False, shell_complete=complete_story
)
@click.option("--strategy", help="Instead of an ID: this strategy's alert ...")
@click.option("--at", "at", metavar="WHEN", help="... that came last by then.")
@click.option("--events", "only_events", is_flag=True, help="Without the log's lines.")
@json_option
@click.option(
    "--svg",
    "svg_path",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write a picture with a lane for each service there; - prints it.",
)
@click.pass_obj
def cli(
    ctl: Ctl,
    identifier: str | None,
    strategy: str | None,
    at: str | None,
    only_events: bool,
    as_json: bool,
    svg_path: Path | None,
) -> None:
    """Tell the story of an order or an alert, over all eight services.

    ID is an alert's id, a client order id, a broker order id, a trade's id or an
    order's number.  What the store recorded has its delay in front; what the services
    logged of it (files, archives and journal together) stands between.  Late steps,
    steps that are due, and services whose lines are missing are marked with !.

    \b
    Examples:
      shoonyactl trace A261124-7K3M9QXZ
      shoonyactl trace O261124-7K3M9QXZ-1 --json
      shoonyactl trace 42 --svg order.svg
      shoonyactl trace --strategy Momentum --at 09:20
    """
    if as_json and svg_path is not None:
        raise click.UsageError("--json and --svg do not go together")
    found = _trace(ctl, _subject(ctl, identifier, strategy, at))
    if svg_path is not None:
        picture = swim_lanes(found, title=found.title)
        if str(svg_path) == "-":
            click.echo(picture, nl=False)
        else:
            svg_path.write_text(picture)
    elif as_json:
        print_json(document(found))
    else:
        show(found, only_events=only_events)


def _subject(
    ctl: Ctl, identifier: str | None, strategy: str | None, at: str | None
) -> OrderId | AlertId:
    if identifier is not None:
        if strategy is not None or at is not None:
            raise click.UsageError("an ID needs neither --strategy nor --at")
        return find(ctl.store, identifier)
    if strategy is None:
        raise click.UsageError("expected an ID, or --strategy and --at")
    until = _until(at, ctl.clock.now().astimezone())
    stored = ctl.store.alerts.last_of(strategy, until=until)
    if stored is None:
        raise NotFound(
            f"no alert of strategy '{strategy}' came by {until:%Y-%m-%d %H:%M:%S}",
            hint="see the newest: shoonyactl order list",
        )
    return stored.alert_id


def _until(at: str | None, now: datetime) -> datetime:
    if at is None:
        return now
    named = datetime.fromisoformat(moment(at, now, option="--at")).astimezone()
    # "At 09:20" is said of what came at 09:20:01 too.
    names_minute = re.search(r"(^|[ T])\d\d?:\d\d$", at.strip())
    return named + timedelta(seconds=59.999999) if names_minute else named


def print_trace(ctl: Ctl, found: OrderId | AlertId) -> None:
    """Print what is known of an order or an alert by now."""
    show(_trace(ctl, found))


def _trace(ctl: Ctl, found: OrderId | AlertId) -> Trace:
    return trace(
        ctl.store,
        found,
        ctl.clock.now(),
        log_dir=ctl.settings.paths.log_dir,
        journal=BOOTED.exists(),
    )


def show(found: Trace, *, only_events: bool = False) -> None:
    """Print a trace for people."""
    out = console()
    if found.alert is not None:
        out.print(f"alert {found.alert.alert_id}", style="bold")
    for order in found.orders:
        out.print(
            f"order {order.order_id}  {order.client_order_id}  "
            f"broker {order.broker_order_id or '-'}  {order.summary}  {order.status}"
        )
        for fill in found.fills.get(order.order_id, ()):
            out.print(f"  trade {fill.trade_id}  {fill.quantity} at {fill.price}")
    out.print()
    many = len(found.orders) > 1
    for step in found.steps:
        if step.kind is Kind.LINE and only_events:
            continue
        out.print(
            _row(step, many=many),
            style=_style(step),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        for line in step.detail:
            out.print(f"{'':34}{line}", markup=False, highlight=False, soft_wrap=True)
    for note in found.notes:
        click.echo(f"shoonyactl: {note}", err=True)


def _row(step: Step, *, many: bool) -> str:
    at = f"{step.at.astimezone():%H:%M:%S.%f}"[:-3]
    mark = "!" if step.is_late or step.kind in (Kind.SILENT, Kind.ABSENT) else " "
    delay = "" if step.delay_ms is None else length(step.delay_ms)
    if step.kind is Kind.LINE:
        level = "" if step.level == "INFO" else f"{step.level.lower()}: "
        return f"{at} {mark}{'':>11}  {step.service:<17}   {level}{step.text}"
    order = f"order {step.order_id} " if many and step.order_id is not None else ""
    words = f"{order}{step.what}".strip()
    text = f"{words}  {step.text}" if words else step.text
    return f"{at} {mark}{delay:>11}  {step.service:<17} {text}".rstrip()


def _style(step: Step) -> str:
    if step.is_late or step.kind in (Kind.SILENT, Kind.ABSENT):
        return "yellow"
    if step.kind is Kind.LINE:
        return _LEVEL_STYLES.get(step.level, "bright_black")
    return "bold"


def document(found: Trace) -> dict[str, object]:
    """Return a trace for programs."""
    return {
        "alert_id": None if found.alert is None else found.alert.alert_id,
        "orders": found.orders,
        "trades": [
            {"order_id": order_id, **_fields(fill)}
            for order_id, fills in found.fills.items()
            for fill in fills
        ],
        "steps": [
            {**_fields(step), "copies": sorted(step.copies)} for step in found.steps
        ],
        "notes": found.notes,
    }


def _fields(value: Step | Fill) -> dict[str, object]:
    fields = plain(value)
    if not isinstance(fields, dict):
        raise TypeError(f"expected a dataclass, was {type(value).__name__}")
    return fields
