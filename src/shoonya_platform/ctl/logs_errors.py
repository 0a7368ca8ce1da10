"""shoonyactl logs errors"""

from __future__ import annotations

from datetime import datetime

import click

from shoonya_platform.ctl._logs import log_directory, moment, since_option
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.logs_output import document, people
from shoonya_platform.ctl.output import console, json_option, print_json
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.logging.reading.filters import Filter
from shoonya_platform.logging.reading.groups import Group, grouped
from shoonya_platform.logging.reading.records import LEVELS, Record
from shoonya_platform.logging.reading.streams import read


@click.command()
@click.argument("services", nargs=-1, shell_complete=complete_service)
@since_option
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="ERROR",
    show_default=True,
    help="Only this level and above.",
)
@json_option
@click.pass_obj
def cli(
    ctl: Ctl,
    services: tuple[str, ...],
    since: str | None,
    level: str,
    as_json: bool,
) -> None:
    """Group repeated errors, with one example of each.

    Numbers, ids and addresses do not count; of a traceback its error and our
    innermost line do.  The most frequent come first.

    \b
    Examples:
      shoonyactl logs errors
      shoonyactl logs errors --since 1d
      shoonyactl logs errors risk_manager --level WARNING --json | jq '.[].template'
    """
    names = check_services(services)
    found = read(
        log_directory(ctl),
        dict.fromkeys(names),
        since=moment(since, datetime.now().astimezone()),
        wanted=Filter(level.upper()),
        last=None,
        tell=lambda sentence: click.echo(f"shoonyactl: {sentence}", err=True),
    )
    groups = grouped(item for item in found if isinstance(item, Record))
    if as_json:
        print_json([_plain(group) for group in groups])
        return
    if not groups:
        console().print("no errors", style="green")
        return
    show = people()
    for group in groups:
        times = "once" if group.count == 1 else f"{group.count:,} times"
        click.secho(f"{times}: {group.template}", bold=True)
        click.echo(f"  in {', '.join(sorted(group.components))}")
        if group.count > 1:
            click.echo(f"  first {group.first_at}, last {group.last_at}")
        click.echo(show(group.example))
        click.echo()


def _plain(group: Group) -> dict[str, object]:
    return {
        "template": group.template,
        "count": group.count,
        "first_at": group.first_at,
        "last_at": group.last_at,
        "components": sorted(group.components),
        "example": document(group.example),
    }
