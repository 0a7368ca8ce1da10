"""shoonyactl bundle"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress as Bar

from shoonya_platform.ctl._logs import moment
from shoonya_platform.ctl.bundling.making import Bundle, Order, Progress, make
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.output import json_option, print_json
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.logging.sizes import parse_size, size_text


@click.command()
@click.argument("services", nargs=-1, shell_complete=complete_service)
@click.option(
    "--since",
    metavar="WHEN",
    default="1d",
    show_default=True,
    help="Log lines from then on: 10m, 2h, 1d, 09:15, or 2026-02-08 09:15.",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    default="50M",
    show_default=True,
    help="How large the archive may be; the oldest log lines go first.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file, or a folder for it  [default: here]",
)
@json_option
@click.pass_obj
def cli(
    ctl: Ctl,
    services: tuple[str, ...],
    since: str,
    max_size: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Put all that a bug report needs into one archive, without secrets.

    Logs, the units' journal, why, status, doctor, configuration, units, versions, and
    how many rows the databases have.  Secrets are taken out; client ids, names and
    mail addresses become pseudonyms, the same one everywhere.  The finished archive
    is searched for every known secret, in any form, and deleted if one is found.

    \b
    Exit codes:
       0  the archive is there; its manifest.json says what could not be read
      50  a secret was found in it: there is no archive

    \b
    Examples:
      sudo shoonyactl bundle
      sudo shoonyactl bundle risk_manager --since 09:15 --max-size 10M
      sudo shoonyactl bundle --output /tmp/report.tar.gz --json | jq .unreadable
    """
    now = datetime.now().astimezone()
    try:
        most = parse_size(max_size)
    except ValueError as e:
        raise click.UsageError(f"--max-size: {e}") from None
    order = Order(
        path=_target(output, now),
        services=check_services(services),
        since=moment(since, now),
        max_bytes=most,
        now=now,
    )
    with _progress() as progress:
        made = make(ctl, order, progress)
    if as_json:
        print_json(asdict(made))
    else:
        _tell(made)


def _target(output: Path | None, now: datetime) -> Path:
    path = (output or Path()).absolute()
    if path.is_dir():
        folder, name, number = path, f"shoonya-bundle-{now:%Y%m%d-%H%M%S}", 1
        path = folder / f"{name}.tar.gz"
        # Two of one second stand side by side.
        while os.path.lexists(path):
            number += 1
            path = folder / f"{name}-{number}.tar.gz"
    if path.exists() or path.is_symlink():
        raise ShoonyaError(f"'{path}' is there already", hint="name another --output")
    return path


def _tell(made: Bundle) -> None:
    masked = ", ".join(f"{count} {kind}" for kind, count in made.masked.items())
    click.echo(f"{len(made.files)} files; masked: {masked or 'nothing'}")
    for name, gone in made.left_out.items():
        click.echo(f"left out for the size: {name}, {gone.lines} until {gone.until}")
    for name, reason in made.unreadable.items():
        click.echo(f"not in it: {name}: {reason}")
    for name, reason in made.secrets_not_searched.items():
        click.echo(f"not searched for: {name}: {reason}")
    if made.secrets_not_searched:
        click.echo("hint: say it as root, with sudo, that every secret is searched for")
    click.echo(
        f"{made.path} ({size_text(made.bytes)}): before you send it, look at its "
        "manifest.json and at the lines in logs/"
    )


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """Show what is being done, on a terminal's stderr."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Bar(
        "{task.description}",
        BarColumn(),
        "{task.completed:,.0f}",
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        # Nobody knows how many there are.
        task = bar.add_task("", total=None)
        doing = ""

        def progress(what: str) -> None:
            nonlocal doing
            if what != doing:
                doing = what
                bar.update(task, description=what, completed=0)
            bar.advance(task)

        yield progress
