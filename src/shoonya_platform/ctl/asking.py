"""Questions to whoever types, and who that is."""

from __future__ import annotations

import os
import pwd

import click


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; without one, refuse what was not said with --yes."""
    if yes:
        return
    if not os.isatty(0):
        raise click.UsageError("there is no terminal to ask on: say --yes")
    click.confirm(question, abort=True, err=True)


def user() -> str:
    """Return who types, also behind sudo."""
    return os.environ.get("SUDO_USER") or user_name(os.getuid())


def user_name(uid: int) -> str:
    """Return a user's name; in a container there are some without one."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
