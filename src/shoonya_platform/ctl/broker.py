"""shoonyactl broker"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from shoonya_platform.brokers.base import Limits
from shoonya_platform.ctl._going_live import GoingLive
from shoonya_platform.ctl._owners import hand_over
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.doctor import show_finding, worst
from shoonya_platform.ctl.output import (
    console,
    json_option,
    local,
    print_json,
    print_table,
)
from shoonya_platform.errors import BrokerUnavailable, ConfigError, NotAllowed
from shoonya_platform.instruments.file import InstrumentFile
from shoonya_platform.services.broker_login import (
    check_can_log_in,
    log_in_with_code,
    login_address,
    read_code,
    token_path,
)
from shoonya_platform.services.findings import Finding, Level
from shoonya_platform.services.parts import (
    instruments_path,
    open_shoonya,
    shoonya_account,
)
from shoonya_platform.services.units import ServiceView, read_services

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
    if ctl.settings.shoonya.generation == "oauth":
        _browser_login(ctl)
        return
    broker = _open(ctl)
    try:
        broker.session.log_in()
        console().print(f"logged in as {ctl.settings.shoonya.user_id}")
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
@json_option
@click.pass_obj
def check(ctl: Ctl, as_json: bool) -> None:
    """Walk through the steps of the first live day, and say what is missing.

    The steps are those of docs/noren.md, in its order.  Asks the broker for the
    account's funds, and changes nothing.  Ends with 1 when there is a warning or an
    error, with 0 otherwise, as `doctor` does.

    \b
    Examples:
      sudo shoonyactl broker check
      shoonyactl broker check --json | jq -r '.findings[] | select(.level == "error")'
    """
    found = list(_walk(ctl))
    if as_json:
        print_json({"worst": worst(found), "findings": found})
    else:
        # In the order of the page: a step needs those before it.
        for each in found:
            show_finding(each)
    if worst(found) in (Level.ERROR, Level.WARNING):
        raise click.exceptions.Exit(1)


def _walk(ctl: Ctl) -> Iterator[Finding]:
    settings = ctl.settings

    def ask_limits() -> Limits:
        broker = _open(ctl)
        try:
            return broker.limits()
        finally:
            broker.close()

    def views() -> list[ServiceView]:
        return read_services(
            settings.paths.runtime_dir,
            beats=ctl.store.services.all(),
            heartbeat_seconds=settings.service.heartbeat_seconds,
            clock=ctl.clock,
        )

    lists = InstrumentFile(instruments_path(settings))
    return GoingLive(
        ctl.config,
        ctl.clock.now(),
        ask_limits=ask_limits,
        find_store=lambda: ctl.store,
        views=views,
        list_states=lists.states,
    ).walk()


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
    token_path(ctl.config).unlink(missing_ok=True)
    console().print("logged out" if ended else "there was no session to end")


def _open(ctl: Ctl) -> ShoonyaBroker:
    if ctl.settings.broker.name != "shoonya":
        raise NotAllowed(
            f"the broker is '{ctl.settings.broker.name}', which needs no log-in"
        )
    return open_shoonya(ctl.config, ctl.clock, lambda text: click.echo(text, err=True))


def _browser_login(ctl: Ctl) -> None:
    # First of all: no user should log in for nothing.
    check_can_log_in(ctl.config)
    click.echo("Log in with a browser at", err=True)
    click.echo(f"  {login_address(ctl.config)}", err=True)
    click.echo("and enter here the address it leads to, or the code in it:", err=True)
    code = read_code(sys.stdin.readline())
    done = log_in_with_code(
        ctl.config, ctl.clock, code, lambda text: click.echo(text, err=True)
    )
    hand_over(ctl.settings.paths.state_dir, shoonya_account(ctl.config).folder)
    if done.not_kept:
        raise ConfigError(
            done.not_kept, hint="run this as the owner of the credentials' directory"
        )
    until = (
        "" if done.ends_at is None else f", until {local(done.ends_at)} at the latest"
    )
    console().print(f"logged in as {done.user_id}{until}")
