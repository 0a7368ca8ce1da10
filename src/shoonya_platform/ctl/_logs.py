"""What the log verbs share: the directory, moments and lengths of time."""

from __future__ import annotations

import re
import resource
from datetime import datetime, timedelta
from pathlib import Path

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.errors import NotFound
from shoonya_platform.logging.formats import time_text

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}

since_option = click.option(
    "--since",
    metavar="WHEN",
    help="From then on: 10m, 2h, 1d, 09:15, or 2026-02-08 09:15.",
)


def log_directory(ctl: Ctl) -> Path:
    """
    Return where the services log to.

    Raises:
        NotFound: There is no such directory.
    """
    log_dir = ctl.settings.paths.log_dir
    if not log_dir.is_dir():
        raise NotFound(
            f"there is no log directory '{log_dir}'",
            hint="name the services' configuration with --config",
        )
    # Every file is held open while it is read; there may be a thousand backups.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return log_dir


def length_seconds(text: str) -> float | None:
    """Return a length of time such as `10m` in seconds, None if it is none."""
    match = re.fullmatch(r"(\d+) ?(s|m|min|h|d)", text.strip())
    return None if match is None else float(int(match[1]) * _UNITS[match[2]])


def moment(text: str | None, now: datetime, *, option: str = "--since") -> str:
    """
    Return a time as the files have it; the empty text is before all.

    Args:
        option: What the user is told about if it is no time.

    Raises:
        UsageError: It is no time.
    """
    if text is None:
        return ""
    seconds = length_seconds(text)
    hour = re.fullmatch(r"(\d\d?)(:\d\d(:\d\d)?)", text.strip())
    try:
        if seconds is not None:
            begin = now - timedelta(seconds=seconds)
        elif hour is not None:
            words = f"{now:%Y-%m-%d} {hour[1]:0>2}{hour[2]}"
            begin = datetime.fromisoformat(words).astimezone()
        else:
            begin = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"{option}: expected 10m, 2h, 1d, 09:15 or 2026-02-08 09:15, was '{text}'"
        ) from None
    return time_text(begin)
