"""shoonyactl recovery"""

from __future__ import annotations

import json

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json
from shoonya_platform.errors import NotRunning
from shoonya_platform.execution.recovery_report import decode, render


@click.command()
@json_option
@click.pass_obj
def cli(ctl: Ctl, as_json: bool) -> None:
    """Show the last comparison with the broker's books.

    What recovery_service found: orders it brought up to the books, orders whose
    outcome is unknown, orders of other programs, positions that differ.  What differs
    stays in `shoonyactl discrepancy list` until it is over.

    Ends with 3 while the first one after a start is still awaited.

    \b
    Examples:
      shoonyactl recovery
      shoonyactl recovery --json | jq .report.differences
    """
    awaited = ctl.store.recovery.is_awaited()
    last = ctl.store.recovery.last()
    if as_json:
        print_json(
            {
                "awaits_first": awaited,
                "report": None if last is None else json.loads(last.report),
            }
        )
    elif last is None:
        click.echo("there was none yet", err=True)
    else:
        click.echo(render(decode(last.report)), nl=False)
    found = len(ctl.store.discrepancies.open())
    if found and not as_json:
        number = "1 discrepancy" if found == 1 else f"{found} discrepancies"
        click.echo(f"{number} open: shoonyactl discrepancy list", err=True)
    if awaited:
        if not as_json:
            click.echo("waiting for the first reconciliation of this start", err=True)
        raise click.exceptions.Exit(NotRunning.exit_code)
