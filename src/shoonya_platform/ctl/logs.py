"""shoonyactl logs"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import click
from rich.console import Console
from rich.text import Text

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.logfiles import Follower, LogRecord, merged, records
from shoonya_platform.ctl.output import console, print_json
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.errors import NotFound

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_COLOURS = (
    "cyan",
    "green",
    "yellow",
    "blue",
    "magenta",
    "bright_cyan",
    "bright_green",
    "bright_magenta",
)
_LEVEL_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}

#: Between two looks at the files when following.
FOLLOW_SECONDS = 0.2


@click.command()
@click.argument("services", nargs=-1, shell_complete=complete_service)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    help="Only the last so many records  [default: 100, all with --since]",
)
@click.option(
    "--level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default="DEBUG",
    help="Only this level and above.",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="From then on: 10m, 2h, 1d, 09:15, or 2026-02-08 09:15.",
)
@click.option("--grep", metavar="REGEX", help="Only records that match.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def cli(
    ctl: Ctl,
    services: tuple[str, ...],
    follow: bool,
    lines: int | None,
    level: str,
    since: str | None,
    grep: str | None,
    as_json: bool,
) -> None:
    """Show the log lines of services, merged by time; all if none is named.

    \b
    Examples:
      shoonyactl logs
      shoonyactl logs risk_manager execution_guard -f
      shoonyactl logs --since 10m --level WARNING
      shoonyactl logs --grep order_id=42
    """
    if follow and as_json:
        raise click.UsageError("--json does not go with --follow")
    names = check_services(services)
    log_dir = ctl.settings.paths.log_dir
    if not log_dir.is_dir():
        raise NotFound(
            f"there is no log directory '{log_dir}'",
            hint="name the services' configuration with --config",
        )
    wanted = _filter(level, grep)
    begin = _since(since, datetime.now().astimezone())
    followers = [Follower(log_dir, name, from_end=True) for name in names if follow]
    count = lines if lines is not None else None if since else 100
    found = (r for r in merged(log_dir, names, begin) if wanted(r))
    shown = found if count is None else deque(found, maxlen=count)
    if as_json:
        print_json(list(shown))
        return
    out = console()
    for record in shown:
        _print(out, record)
    if follow:
        _follow(out, followers, wanted)


def _follow(
    out: Console, followers: list[Follower], wanted: Callable[[LogRecord], bool]
) -> None:
    try:
        while True:
            added = [
                record
                for follower in followers
                for record in records(follower.new_lines())
                if wanted(record)
            ]
            for record in sorted(added, key=lambda record: record.time):
                _print(out, record)
            time.sleep(FOLLOW_SECONDS)
    except KeyboardInterrupt:
        return
    finally:
        for follower in followers:
            follower.close()


def _filter(level: str, grep: str | None) -> Callable[[LogRecord], bool]:
    levels = set(_LEVELS[_LEVELS.index(level.upper()) :])
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as e:
        raise click.UsageError(f"--grep: {e}") from e

    def wanted(record: LogRecord) -> bool:
        return record.level in levels and (
            pattern is None
            or pattern.search(record.text) is not None
            or any(pattern.search(line) for line in record.more)
        )

    return wanted


def _since(text: str | None, now: datetime) -> str:
    """Return a time as the files have it; the empty text is before all."""
    if text is None:
        return ""
    match = re.fullmatch(r"(\d+) ?(s|m|min|h|d)", text.strip())
    hour = re.fullmatch(r"(\d\d?)(:\d\d(:\d\d)?)", text.strip())
    try:
        if match is not None:
            begin = now - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        elif hour is not None:
            moment = f"{now:%Y-%m-%d} {hour[1]:0>2}{hour[2]}"
            begin = datetime.fromisoformat(moment).astimezone()
        else:
            begin = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"--since: expected 10m, 2h, 1d, 09:15 or 2026-02-08 09:15, was '{text}'"
        ) from None
    return f"{begin:%Y-%m-%d %H:%M:%S}.{begin.microsecond // 1000:03d}"


def _print(out: Console, record: LogRecord) -> None:
    colour = (
        _COLOURS[COMPONENTS.index(record.component)]
        if record.component in COMPONENTS
        else ""
    )
    line = Text.assemble(
        (record.time, "bright_black"),
        " ",
        (f"{record.level:<8}", _LEVEL_STYLES.get(record.level, "")),
        " ",
        (f"{record.component:<17}", colour),
        " ",
        record.text,
    )
    for more in record.more:
        line.append(f"\n{more}", style="bright_black")
    out.print(line, soft_wrap=True)
