"""shoonyactl flatten"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import click

from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json, print_table
from shoonya_platform.domain.orders import OPEN, Intent
from shoonya_platform.domain.positions import Position
from shoonya_platform.errors import NotFound, WaitedTooLong
from shoonya_platform.store.flatten import (
    CONCERNED,
    Flattening,
    Scope,
    flatten,
    positions_in,
)

#: Seconds between two looks.
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Left:
    """A position that is still open, and why."""

    strategy: str
    exchange: str
    tradingsymbol: str
    product: str
    quantity: int  #: units, signed
    why: str


@click.command()
@click.option("--strategy", metavar="NAME", help="Only what this strategy holds.")
@click.option("--symbol", metavar="SYMBOL", help="Only this instrument.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until all is closed.",
)
@json_option
@click.pass_obj
def cli(
    ctl: Ctl,
    strategy: str | None,
    symbol: str | None,
    yes: bool,
    timeout_seconds: float,
    as_json: bool,
) -> None:
    """Close every position now, halted or not, and cancel entries.

    Exits go the usual way and take over whatever rests.  Trading goes on
    afterwards: to stop it, halt it first.  The exit code is 124 if something is
    left when the time is over; its exits go on all the same.

    \b
    Examples:
      shoonyactl flatten
      shoonyactl risk halt && shoonyactl flatten --yes
      shoonyactl flatten --strategy straddle --symbol NIFTY28DEC27F --yes
    """
    scope = Scope(strategy, symbol)
    held = positions_in(ctl.store, scope)
    _check(ctl, scope, held)
    if not as_json and held:
        print_table(
            ["strategy", "instrument", "product", "quantity>"],
            [
                (p.strategy, f"{p.exchange}:{p.tradingsymbol}", p.product, p.quantity)
                for p in held
            ],
        )
    entries = sum(
        order.intent is not Intent.EXIT and scope.has(order)
        for order in ctl.store.orders.in_status(*sorted(OPEN))
    )
    if not held and not entries:
        _finish(None, [], as_json=as_json)
        return
    confirm(
        f"close {_count(len(held), 'position')} and cancel "
        f"{_count(entries, 'order')} that may open one?",
        yes=yes,
    )
    done = flatten(ctl.store, scope, by=user(), at=ctl.clock.now())
    ctl.ring(*CONCERNED)
    left = _wait(ctl, scope, done, timeout_seconds, is_quiet=as_json)
    _finish(done, left, as_json=as_json)
    if left:
        raise WaitedTooLong(
            f"{_count(len(left), 'position')} still open after {timeout_seconds:g} s; "
            "what is on its way goes on",
            hint="see what holds it up: shoonyactl check",
        )


def _check(ctl: Ctl, scope: Scope, held: Sequence[Position]) -> None:
    """Refuse a name that nothing is held under, where something else is."""
    if held or scope == Scope():
        return
    names = sorted(
        {f"'{p.strategy}' {p.tradingsymbol}" for p in ctl.store.positions.open()}
    )
    if names:
        raise NotFound(
            "nothing is held under that name",
            hint=f"held are: {', '.join(names[:10])}",
        )


def _wait(
    ctl: Ctl, scope: Scope, done: Flattening, seconds: float, *, is_quiet: bool
) -> list[Left]:
    deadline = time.monotonic() + seconds
    told = None
    while True:
        left = _left(ctl, scope)
        if not is_quiet and len(left) != told:
            told = len(left)
            closed = max(0, len(done.positions) - told)
            click.echo(f"closed {closed} of {len(done.positions)}", err=True)
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(LOOK_SECONDS)


def _left(ctl: Ctl, scope: Scope) -> list[Left]:
    return [
        Left(
            position.strategy,
            position.exchange,
            position.tradingsymbol,
            position.product,
            position.quantity,
            _why(ctl, position),
        )
        for position in positions_in(ctl.store, scope)
    ]


def _why(ctl: Ctl, position: Position) -> str:
    """Return what the newest exit of a position waits for, or why it has ended."""
    for order in ctl.store.orders.recent(limit=1_000):
        if order.intent is Intent.EXIT and (
            (order.strategy, order.exchange, order.tradingsymbol, order.product)
            == (
                position.strategy,
                position.exchange,
                position.tradingsymbol,
                position.product,
            )
        ):
            for found in ctl.store.discrepancies.open():
                if found.order_id == order.order_id:
                    return found.text
            reason = f": {order.reason}" if order.reason else ""
            return f"order {order.order_id} is {order.status}{reason}"
    return "no exit order yet: see 'shoonyactl status'"


def _finish(done: Flattening | None, left: Sequence[Left], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "closing": [] if done is None else done.positions,
                "exits": [] if done is None else done.exits,
                "canceled": [] if done is None else done.canceled,
                "left": left,
            }
        )
    elif done is None:
        click.echo("nothing is held, and no order may open anything")
    elif not left:
        click.echo("everything is closed")
    else:
        print_table(
            ["left", "instrument", "product", "quantity>", "why"],
            [
                (
                    each.strategy,
                    f"{each.exchange}:{each.tradingsymbol}",
                    each.product,
                    each.quantity,
                    each.why,
                )
                for each in left
            ],
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
