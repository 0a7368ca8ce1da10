"""shoonyactl dashboard"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console
from shoonya_platform.dashboard.passwords import hash_password
from shoonya_platform.errors import ConfigError

_NAME = "dashboard_password_hash"


@click.group()
def cli() -> None:
    """Set the dashboard's password."""


@cli.command()
@click.option("--stdin", "from_stdin", is_flag=True, help="Read it from a pipe.")
@click.pass_obj
def password(ctl: Ctl, from_stdin: bool) -> None:
    """Set the dashboard's password; only its hash is kept.

    With one, everything asks for a log-in, and trading can be halted, reduced and
    resumed there.  Whoever is logged in now has to log in again.

    \b
    Examples:
      shoonyactl dashboard password
      pass show shoonya | shoonyactl dashboard password --stdin
    """
    if from_stdin:
        text = sys.stdin.readline().rstrip("\n")
    else:
        if not os.isatty(0):
            raise click.UsageError("there is no terminal to ask on: say --stdin")
        text = click.prompt("password", hide_input=True, confirmation_prompt=True)
    path = ctl.settings.paths.credentials_dir / _NAME
    try:
        _write(path, hash_password(text))
    except OSError as e:
        raise ConfigError(
            f"the hash cannot be kept in '{path}': {e.strerror}",
            hint="run this as the owner of the credentials' directory",
        ) from e
    console().print(f"kept in {path}; it counts after: shoonyactl restart dashboard")


def _write(path: Path, text: str) -> None:
    """Replace the file in one step: nobody ever reads half a hash."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
