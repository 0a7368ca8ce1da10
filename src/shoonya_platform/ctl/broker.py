"""shoonyactl broker"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import click

from shoonya_platform.ctl._owners import hand_over
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import (
    console,
    json_option,
    local,
    print_json,
    print_table,
)
from shoonya_platform.errors import BrokerUnavailable, ConfigError, NotAllowed
from shoonya_platform.services.parts import open_shoonya

if TYPE_CHECKING:
    from shoonya_platform.brokers.shoonya import ShoonyaBroker


@click.group()
def cli() -> None:
    """Log in at the broker and see whether the session lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """What is known of the session."""

    generation: str
    user_id: str
    #: Whether the broker answers to it; `reason` says why not.
    is_alive: bool
    reason: str
    obtained_at: datetime | None
    ends_at: datetime | None


@cli.command()
@click.pass_obj
def login(ctl: Ctl) -> None:
    """Log in; with OAuth by a browser and the code it brings back.

    The services take the new session by themselves, within seconds.

    \b
    Examples:
      shoonyactl broker login
      echo "$CODE" | shoonyactl broker login
    """
    broker = _open(ctl)
    try:
        if ctl.settings.shoonya.generation == "quickauth":
            broker.session.log_in()
            console().print(f"logged in as {ctl.settings.shoonya.user_id}")
            return
        _browser_login(ctl, broker)
    finally:
        broker.close()


@cli.command()
@json_option
@click.pass_obj
def status(ctl: Ctl, as_json: bool) -> None:
    """Show whether the broker answers to the session; end with 21 if not.

    \b
    Example:
      shoonyactl broker status
    """
    broker = _open(ctl)
    error: BrokerUnavailable | None = None
    try:
        broker.limits()
    except BrokerUnavailable as e:
        error = e
    obtained_at, ends_at = broker.session.lifetime()
    broker.close()
    found = SessionStatus(
        generation=ctl.settings.shoonya.generation,
        user_id=ctl.settings.shoonya.user_id,
        is_alive=error is None,
        reason="" if error is None else error.message,
        obtained_at=obtained_at,
        ends_at=ends_at,
    )
    if as_json:
        print_json(found)
    else:
        print_table(
            ["", ""],
            [
                ("user", f"{found.user_id} ({found.generation})"),
                ("session", "alive" if found.is_alive else found.reason),
                ("since", local(obtained_at) if obtained_at else "unknown"),
                ("ends", local(ends_at) if ends_at else "unknown"),
            ],
        )
    if error is not None:
        if error.hint is not None:
            click.echo(f"hint: {error.hint}", err=True)
        raise click.exceptions.Exit(error.exit_code)


@cli.command()
@click.pass_obj
def logout(ctl: Ctl) -> None:
    """End the session at the broker, and forget its token here.

    \b
    Example:
      shoonyactl broker logout
    """
    broker = _open(ctl)
    try:
        ended = broker.log_out()
    finally:
        broker.close()
    _token_path(ctl).unlink(missing_ok=True)
    console().print("logged out" if ended else "there was no session to end")


def _open(ctl: Ctl) -> ShoonyaBroker:
    if ctl.settings.broker.name != "shoonya":
        raise NotAllowed(
            f"the broker is '{ctl.settings.broker.name}', which needs no log-in"
        )
    return open_shoonya(ctl.config, ctl.clock, lambda text: click.echo(text, err=True))


def _browser_login(ctl: Ctl, broker: ShoonyaBroker) -> None:
    # Asked for first: nobody should log in for nothing.
    secret = ctl.config.secrets.get("broker_api_secret").value
    account = broker.account
    query = urlencode({"client_id": account.vendor_code})
    click.echo("Log in with a browser at", err=True)
    click.echo(f"  {account.login_url}?{query}", err=True)
    click.echo("and enter here the address it leads to, or the code in it:", err=True)
    code = read_code(sys.stdin.readline())
    token, ends_at = broker.session.exchange(code, secret)
    path = _token_path(ctl)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        broker.session.keep(path, token)
    except OSError as e:
        raise ConfigError(
            f"the token cannot be kept in '{path}': {e.strerror}",
            hint="run this as the owner of the credentials' directory",
        ) from e
    hand_over(ctl.settings.paths.state_dir, account.folder)
    until = "" if ends_at is None else f", until {local(ends_at)} at the latest"
    console().print(f"logged in as {account.user_id}{until}")


def read_code(line: str) -> str:
    """
    Return the code out of what the user entered: itself, or the whole address.

    Raises:
        NotAllowed: There is none in it.
    """
    text = line.strip()
    if "code=" in text:
        query = urlsplit(text).query if "?" in text else text
        text = parse_qs(query).get("code", [""])[0]
    if not text or any(character.isspace() for character in text):
        raise NotAllowed(
            "no code was entered",
            hint="it stands behind 'code=' in the address that the log-in leads to",
        )
    return text


def _token_path(ctl: Ctl) -> Path:
    return ctl.settings.paths.credentials_dir / "broker_access_token"
