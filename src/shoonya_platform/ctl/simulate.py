"""shoonyactl simulate"""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from shoonya_platform.errors import ConfigError


@click.group()
def cli() -> None:
    """Run a broker's server on this machine, to try the platform against."""


@cli.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8900,
    show_default=True,
    help="Where to listen on this machine; 0 takes a free port.",
)
@click.option(
    "--generation",
    type=click.Choice(["oauth", "quickauth"]),
    default="oauth",
    show_default=True,
    help="Which of Noren's protocols to speak.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Repeats prices and tokens."
)
@click.option(
    "--step",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    help="Seconds between two moments at which resting orders may trade.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the account's books here  [default: a temporary folder]",
)
@click.option(
    "--masters",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Serve and enforce the symbol masters of this folder, as the broker publishes "
    "them: NFO_symbols.txt.zip, MCX_symbols.txt ...  [default: a few dozen packaged "
    "instruments]",
)
@click.option(
    "--hours",
    type=click.Choice(["any", "exchange"]),
    default="any",
    show_default=True,
    help="When orders are taken: at any hour, or in each exchange's session.",
)
@click.option(
    "--session-ends",
    type=click.DateTime(["%H:%M", "%H:%M:%S"]),
    metavar="HH:MM",
    help="Let the log-in's session end when it is next this time in India.",
)
def noren(
    port: int,
    generation: Any,
    seed: int,
    step: float,
    folder: Path | None,
    masters: Path | None,
    hours: str,
    session_ends: datetime | None,
) -> None:
    """Run a Noren server until Ctrl-C; print the settings that lead to it.

    Tick, lot, freeze quantity, product, price band and expiry are enforced as the
    masters have them.  Prices and faults are ordered over HTTP, see docs/noren.md.

    \b
    Examples:
      shoonyactl simulate noren
      shoonyactl simulate noren --generation quickauth --port 0
      shoonyactl simulate noren --masters ~/masters --hours exchange
      curl -d '{"kind": "bad_gateway"}' http://127.0.0.1:8900/_simulator/faults
    """
    try:
        import websockets

        from shoonya_platform.testing.noren.masters import FolderMasters
        from shoonya_platform.testing.noren.server import NorenSimulator
    except ModuleNotFoundError as e:
        raise ConfigError(
            f"the simulator needs the library '{e.name}'",
            hint="install the extra: pip install 'shoonya-platform[shoonya]'",
        ) from e
    del websockets
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    simulator = NorenSimulator(
        generation,
        port=port,
        seed=seed,
        step_seconds=step,
        folder=folder,
        masters=None if masters is None else FolderMasters(masters),
    )
    simulator.set_rules(session_hours=hours == "exchange")
    if session_ends is not None:
        simulator.expire_session_at(session_ends.time())
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        simulator.start()
    except OSError as e:
        raise ConfigError(
            f"port {port} of this machine cannot be used: {e.strerror}",
            hint="choose another one with --port, or 0 for a free one",
        ) from e
    try:
        click.echo(settings_text(simulator.platform_settings()), nl=False)
        click.echo("# Secrets, a credential file each:")
        for name, value in simulator.platform_secrets().items():
            click.echo(f"#   {name}: {value}")
        click.echo(
            f"Noren's simulator listens on {simulator.url}, Ctrl-C ends", err=True
        )
        ended.wait()
    finally:
        simulator.close()


def settings_text(sections: dict[str, dict[str, str]]) -> str:
    """Return the sections as TOML."""
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f'{name} = "{value}"' for name, value in values.items()]
    return "\n".join(lines) + "\n"
