"""shoonyactl up"""

from __future__ import annotations

import os
import subprocess
import sys

import click

from shoonya_platform.config.loader import Config, load
from shoonya_platform.ctl.context import LOCAL_PATH, Ctl
from shoonya_platform.ctl.demo_setup import prepare
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.services.service_manager import ServiceManager


@click.command()
@click.option(
    "--demo",
    is_flag=True,
    help="On the paper broker in ./.shoonya, with a sample alert and its trace.",
)
@click.option("--once", is_flag=True, help="With --demo: stop after the trace.")
@click.pass_obj
def cli(ctl: Ctl, demo: bool, once: bool) -> None:
    """Run all eight services in the foreground, until Ctrl-C.

    A service that crashes is started again after 1, 4 and 16 seconds; after the
    third restart within five minutes it is given up.  Ctrl-C or SIGTERM ends all
    in reverse order.

    \b
    Examples:
      shoonyactl up
      shoonyactl up --demo --once
    """
    if once and not demo:
        raise click.UsageError("--once goes with --demo")
    if not demo:
        run(ctl.config)
        return
    # What stands in the environment wins over the demo's own file, as everywhere.
    path = ctl.config_path or LOCAL_PATH
    prepare(path)
    os.environ["SHOONYA_CONFIG"] = str(path.resolve())
    code = run(load(), story=["--once"] if once else [])
    if code:
        raise click.exceptions.Exit(code)


def run(config: Config, *, story: list[str] | None = None) -> int:
    """
    Run the services until a signal.

    Args:
        story: Arguments for the demo, which begins once all are ready; None has none.

    Returns:
        The demo's exit code; 0 without one.

    Raises:
        ConfigError: The secrets or the runtime directory cannot be used.
    """
    config.secrets.get("webhook_secret")
    if config.path is not None:
        os.environ["SHOONYA_CONFIG"] = str(config.path.resolve())
    config.settings.paths.state_dir.mkdir(parents=True, exist_ok=True)
    config.settings.paths.log_dir.mkdir(parents=True, exist_ok=True)
    manager = ServiceManager(config.settings.paths.runtime_dir, tell=_tell)
    teller: subprocess.Popen[bytes] | None = None

    def begin_story() -> None:
        nonlocal teller
        _say("all eight services are ready")
        if story is not None:
            teller = subprocess.Popen(
                [sys.executable, "-m", "shoonya_platform.ctl.demo", *story]
            )

    def give_up(service: str) -> None:
        if story is not None and teller is None:
            raise ShoonyaError(
                f"{service} does not come up; its reason stands above",
                hint=f"mend it in {config.path}",
            )

    _say(f"logs in {config.settings.paths.log_dir}, end with Ctrl-C")
    manager.run(on_ready=begin_story, on_failed=give_up)
    _say("all services have ended")
    if teller is None:
        return 0
    code = teller.wait()
    # Ctrl-C during the story ends both; that is no failure.
    return code if code > 0 else 0


def _say(sentence: str) -> None:
    click.echo(f"shoonya: {sentence}", err=True)


def _tell(service: str, sentence: str) -> None:
    click.echo(f"{service}: {sentence}", err=True)
