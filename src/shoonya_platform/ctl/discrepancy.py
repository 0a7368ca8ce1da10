"""shoonyactl discrepancy"""

from __future__ import annotations

import click

from shoonya_platform.assessment.discrepancies import severity_of
from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import (
    ago,
    console,
    json_option,
    local,
    plain,
    print_json,
    print_table,
)
from shoonya_platform.domain.discrepancies import (
    INCIDENTS,
    DiscrepancyKind,
    StoredDiscrepancy,
)
from shoonya_platform.errors import NotFound
from shoonya_platform.services.runbook import of_condition

#: Read to show the newest of a kind.
_MOST = 100_000


class _Number(click.ParamType[int]):
    """The number that `list` shows."""

    name = "id"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if not value.isascii() or not value.isdecimal():
            self.fail(
                f"{value!r} is not a discrepancy's number; "
                "see 'shoonyactl discrepancy list'",
                param,
                ctx,
            )
        return int(value)


@click.group()
def cli() -> None:
    """List, show and acknowledge differences with the broker."""


@cli.command("list")
@click.option("--all", "show_all", is_flag=True, help="Also those that are over.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in DiscrepancyKind]),
    multiple=True,
    help="Only this kind; may be repeated.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, _MOST),
    default=50,
    show_default=True,
    help="With --all: how many of the newest to show.",
)
@json_option
@click.pass_obj
def list_discrepancies(
    ctl: Ctl, show_all: bool, kind: tuple[str, ...], limit: int, as_json: bool
) -> None:
    """List what differs between our records and the broker's.

    A condition is open while it is found.  An incident is open until it is over and
    a person has acknowledged it.

    \b
    Examples:
      shoonyactl discrepancy list
      shoonyactl discrepancy list --all --kind leg_overfilled
      shoonyactl discrepancy list --json | jq -r '.[].action'
    """
    table = ctl.store.discrepancies
    kinds = [DiscrepancyKind(word) for word in kind]
    found = table.recent(limit=_MOST) if show_all else table.open(*kinds)
    found = [each for each in found if not kinds or each.kind in kinds]
    if show_all:
        found = found[:limit]
    if as_json:
        print_json([_document(each) for each in found])
        return
    if not found:
        click.echo("no discrepancies", err=True)
        return
    now = ctl.clock.now()
    print_table(
        ["id>", "since>", "kind", "state", "what", "action"],
        [
            (
                each.discrepancy_id,
                ago(each.first_seen_at, now),
                each.kind,
                state_of(each),
                each.text,
                action_of(each),
            )
            for each in found
        ],
    )


@cli.command()
@click.argument("number", metavar="ID", type=_Number())
@json_option
@click.pass_obj
def show(ctl: Ctl, number: int, as_json: bool) -> None:
    """Show one discrepancy: what, since when, and what to do.

    \b
    Example:
      shoonyactl discrepancy show 3
    """
    found = _find(ctl, number)
    if as_json:
        print_json(_document(found))
        return
    lines = {
        "kind": found.kind,
        "about": found.subject,
        "order": "" if found.order_id is None else found.order_id,
        "state": state_of(found),
        "severity": severity_of(found, ctl.clock.now()) if found.is_open else "",
        "found by": found.found_by,
        "first seen": local(found.first_seen_at),
        "last seen": local(found.last_seen_at),
        "over since": "" if found.resolved_at is None else local(found.resolved_at),
        "acknowledged": _acknowledged(found),
        "do": action_of(found),
        "runbook": of_condition(found.kind),
    }
    out = console()
    out.print(f"discrepancy {found.discrepancy_id}: {found.text}\n", markup=False)
    for name, value in lines.items():
        if value != "":
            out.print(f"{name:<13} {value}", markup=False)


@cli.command()
@click.argument("number", metavar="ID", type=_Number())
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def acknowledge(ctl: Ctl, number: int, yes: bool) -> None:
    """Record that you have seen a discrepancy.

    An incident that is over leaves the list then.  What still lasts stays in it, and
    `check` is not OK, until it is over.

    \b
    Examples:
      shoonyactl discrepancy acknowledge 3
      shoonyactl discrepancy acknowledge 3 --yes
    """
    found = _find(ctl, number)
    if found.acknowledged_at is not None:
        console().print(
            f"discrepancy {number} was acknowledged by {found.acknowledged_by} already"
        )
        return
    if found.kind in INCIDENTS:
        confirm(
            f"{found.text}: {found.kind}, {state_of(found)}\n"
            "acknowledge it? it is not shown any more once it is over",
            yes=yes,
        )
    with ctl.store.transaction(durable=True):
        ctl.store.discrepancies.acknowledge(number, by=user())
    after = _find(ctl, number)
    lasts = ", it stays in the list until it is over" if after.is_open else ""
    console().print(
        f"discrepancy {number} is acknowledged by {after.acknowledged_by}{lasts}"
    )


def _find(ctl: Ctl, number: int) -> StoredDiscrepancy:
    found = ctl.store.discrepancies.get(number)
    if found is None:
        raise NotFound(
            f"no discrepancy has the number {number}",
            hint="see those there are: shoonyactl discrepancy list --all",
        )
    return found


def state_of(found: StoredDiscrepancy) -> str:
    """Return `lasts`, `over` or `to acknowledge`."""
    if found.resolved_at is None:
        return "lasts"
    return "to acknowledge" if found.is_open else "over"


def action_of(found: StoredDiscrepancy) -> str:
    """Return what is left to do."""
    if not found.is_open:
        return ""
    if found.resolved_at is not None:
        return f"shoonyactl discrepancy acknowledge {found.discrepancy_id}"
    return found.action


def _acknowledged(found: StoredDiscrepancy) -> str:
    if found.acknowledged_at is None:
        return ""
    return f"{local(found.acknowledged_at)} by {found.acknowledged_by}"


def _document(found: StoredDiscrepancy) -> dict[str, object]:
    document = plain(found)
    if not isinstance(document, dict):
        raise TypeError("expected a dataclass")
    return {
        **document,
        "is_incident": found.kind in INCIDENTS,
        "is_open": found.is_open,
        "runbook": of_condition(found.kind),
    }
