"""shoonyactl export-config"""

from __future__ import annotations

from pathlib import Path

import click

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl._agents import AGENTS, Service, render, without_comments
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.errors import ShoonyaError


@click.command()
@click.argument("agent", type=click.Choice(list(AGENTS)))
@click.option(
    "--source",
    type=click.Choice(["files", "journal"]),
    default="files",
    show_default=True,
    help="Which copy of the log it ships.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write this file  [default: standard output]",
)
@click.pass_obj
def cli(ctl: Ctl, agent: str, source: str, output: Path | None) -> None:
    """Write the configuration of an agent that ships the log elsewhere.

    It goes by [paths] log_dir and [log] form of the services' configuration: write it
    anew when you change those.  Its header says what to install, where the file goes
    and how to check it; what you have to fill in is named at the end.

    `shoonyactl logs received` names on the other side what did not arrive.

    \b
    Examples:
      shoonyactl export-config vector --output /etc/vector/shoonya.toml
      shoonyactl export-config rsyslog --source journal
    """
    log = ctl.settings.log
    log_dir = ctl.settings.paths.log_dir
    services = [
        Service(name, str(log_dir / f"{name}.log"), log.forms.get(name, log.form))
        for name in COMPONENTS
    ]
    chosen = AGENTS[agent]
    text = render(chosen, source, services)
    header = ""
    if not chosen.comments:
        header, text = without_comments(text)
    if output is None:
        click.echo(text, nl=False)
    else:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as e:
            raise ShoonyaError(
                f"cannot write '{output}': {e.strerror}",
                hint="its directory comes with the agent; as root, or print it to "
                "standard output",
            ) from e
    click.echo(header, err=True, nl=False)
    click.echo("to fill in:", err=True)
    for name, meaning in chosen.to_fill:
        click.echo(f"  {name}  {meaning}", err=True)
