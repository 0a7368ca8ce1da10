"""How start, stop and restart reach the services, under systemd or the manager."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.output import console
from shoonya_platform.errors import NotRunning, ShoonyaError, WaitedTooLong
from shoonya_platform.services.control import ask
from shoonya_platform.services.units import (
    ServiceView,
    is_of_user,
    read_services,
    systemctl,
)

_DOING = {"start": "started", "stop": "stopped", "restart": "restarted"}


def command(verb: str, help_text: str) -> click.Command:
    """Return the click command for `start`, `stop` or `restart`."""

    @click.command(verb, help=help_text)
    @click.argument("services", nargs=-1, shell_complete=complete_service)
    @click.option(
        "--wait/--no-wait", default=True, help="Wait until it is done  [default: wait]"
    )
    @click.option(
        "--timeout",
        "timeout_seconds",
        type=click.FloatRange(min=0),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait.",
    )
    @click.pass_obj
    def cli(
        ctl: Ctl, services: tuple[str, ...], wait: bool, timeout_seconds: float
    ) -> None:
        names = check_services(services)
        runtime_dir = ctl.settings.paths.runtime_dir
        before = {view.service: view for view in read_services(runtime_dir)}
        began = time.monotonic()
        _request(runtime_dir, verb, names)
        if not wait:
            return
        done = _stopped if verb == "stop" else _running(verb, before)
        wait_for(runtime_dir, names, done, timeout_seconds)
        was_so = [name for name in names if verb != "restart" and done(before[name])]
        if was_so:
            word = "stopped" if verb == "stop" else "running"
            console().print(f"{word} already: {', '.join(was_so)}")
        changed = [name for name in names if name not in was_so]
        if changed:
            seconds = time.monotonic() - began
            console().print(f"{_DOING[verb]} {', '.join(changed)} in {seconds:.1f} s")

    return cli


def complete_service(
    ctx: click.Context, param: click.Parameter | None, incomplete: str
) -> list[str]:
    del ctx, param
    return [name for name in COMPONENTS if name.startswith(incomplete)]


def _request(runtime_dir: Path, verb: str, names: list[str]) -> None:
    try:
        ask(runtime_dir, {"verb": verb, "services": names})
    except NotRunning as e:
        if not Path("/run/systemd/system").is_dir():
            raise
        _systemctl(runtime_dir, verb, names, e)


def _systemctl(
    runtime_dir: Path, verb: str, names: list[str], reason: NotRunning
) -> None:
    units = [f"shoonya@{name}.service" for name in names]
    try:
        done = subprocess.run(
            [*systemctl(runtime_dir), "--no-block", verb, *units],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise reason from None
    if done.returncode:
        hint = "see whether the units are installed: shoonyactl doctor"
        if os.geteuid() != 0 and not is_of_user(runtime_dir):
            hint = f"say it as root: sudo shoonyactl {verb} {' '.join(names)}"
        raise ShoonyaError(
            f"systemctl {verb}: {done.stderr.strip() or done.returncode}", hint=hint
        )


def wait_for(
    runtime_dir: Path,
    names: list[str],
    done: Callable[[ServiceView], bool],
    timeout_seconds: float,
) -> None:
    """
    Wait until all these services are as wanted.

    Raises:
        ShoonyaError: One of them failed.
        WaitedTooLong: They are not so in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        views = [v for v in read_services(runtime_dir) if v.service in names]
        left = [view for view in views if not done(view)]
        if not left:
            return
        failed = [view for view in left if view.state == "failed"]
        if failed:
            raise ShoonyaError(
                f"{failed[0].service} failed: {failed[0].cause or failed[0].text}",
                hint=f"see what there is to do: shoonyactl why {failed[0].service}",
            )
        if time.monotonic() > deadline:
            raise WaitedTooLong(
                f"{left[0].service} is {left[0].state} after {timeout_seconds:g} s: "
                f"{left[0].text or left[0].cause}"
            )
        time.sleep(0.1)


def is_running(view: ServiceView) -> bool:
    return view.state == "running"


def _stopped(view: ServiceView) -> bool:
    return view.state in ("stopped", "failed")


def _running(
    verb: str, before: dict[str, ServiceView]
) -> Callable[[ServiceView], bool]:
    def done(view: ServiceView) -> bool:
        is_new = verb == "start" or view.pid != before[view.service].pid
        return is_running(view) and is_new

    return done
