"""shoonyactl log-level"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl._logs import length_seconds
from shoonya_platform.ctl.asking import user
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.output import json_option, local, print_json, print_table
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.errors import NotRunning
from shoonya_platform.services.control import ask
from shoonya_platform.services.loglevel import LEVELS

_RESET = "reset"


def _seconds(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | None:
    del ctx, param
    seconds = None if value is None else length_seconds(value)
    if value is not None and not seconds:
        raise click.BadParameter(f"expected 30s, 10m or 2h, was '{value}'")
    return seconds


@click.command("log-level")
@click.argument("service", required=False, shell_complete=complete_service)
@click.argument(
    "level",
    required=False,
    type=click.Choice([*LEVELS, _RESET], case_sensitive=False),
)
@click.option(
    "--for",
    "seconds",
    callback=_seconds,
    metavar="TIME",
    help="Then as configured again: 30s, 10m, 2h  [default: until it ends]",
)
@json_option
@click.pass_obj
def cli(
    ctl: Ctl,
    service: str | None,
    level: str | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Show or change log levels while the services run.

    Takes effect at once, without a restart; a restart returns to the configuration.
    The log tells who changed it.

    \b
    Examples:
      shoonyactl log-level
      shoonyactl log-level risk_manager DEBUG --for 10m
      shoonyactl log-level risk_manager reset
    """
    if seconds is not None and level in (None, _RESET):
        raise click.UsageError("--for goes with a level")
    runtime_dir = ctl.settings.paths.runtime_dir
    if service is None:
        rows = [_row(runtime_dir, name) for name in COMPONENTS]
    else:
        (name,) = check_services((service,))
        rows = [_asked(runtime_dir, name, level, seconds)]
    if as_json:
        print_json(rows)
    else:
        print_table(
            ["service", "level", "configured", "until", "by"],
            ([_cell(key, value) for key, value in row.items()] for row in rows),
        )


def _row(runtime_dir: Path, name: str) -> dict[str, object]:
    try:
        return _asked(runtime_dir, name, None, None)
    except NotRunning:
        nothing = dict.fromkeys(("level", "configured", "until", "by"))
        return {"service": name, **nothing}


def _asked(
    runtime_dir: Path, name: str, level: str | None, seconds: float | None
) -> dict[str, object]:
    request: dict[str, object] = {"verb": "log-level", "user": user()}
    if level == _RESET:
        request["reset"] = True
    elif level is not None:
        request |= {"level": level, "seconds": seconds}
    try:
        return {"service": name, **ask(runtime_dir / name, request)}
    except NotRunning as e:
        raise NotRunning(
            f"{name} does not answer", hint=f"see how it is: shoonyactl why {name}"
        ) from e


def _cell(key: str, value: object) -> object:
    if key == "level" and value is None:
        return "does not answer"
    if key == "until" and isinstance(value, str):
        return local(datetime.fromisoformat(value))
    return value
