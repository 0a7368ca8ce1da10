"""shoonyactl position"""

from __future__ import annotations

from contextlib import closing

import click

from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json, print_table
from shoonya_platform.errors import NotFound
from shoonya_platform.execution.position_adoption import (
    STRATEGY,
    Difference,
    adopt,
    differences,
)
from shoonya_platform.services.parts import open_broker


@click.group()
def cli() -> None:
    """Compare positions with the broker's, and take over the broker's."""


@cli.command("list")
@json_option
@click.pass_obj
def list_positions(ctl: Ctl, as_json: bool) -> None:
    """Show what is held, and where the broker holds something else.

    \b
    Example:
      shoonyactl position list
    """
    held = ctl.store.positions.open()
    found = _differences(ctl)
    if as_json:
        print_json({"positions": held, "differences": found})
        return
    print_table(
        ["strategy", "instrument", "product", "quantity>"],
        [
            (p.strategy, f"{p.exchange}:{p.tradingsymbol}", p.product, p.quantity)
            for p in held
        ],
    )
    _show(found)


@cli.command("adopt")
@click.argument("symbol", metavar="SYMBOL")
@click.option("--strategy", metavar="NAME", help="Whose position it is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def adopt_position(
    ctl: Ctl, symbol: str, strategy: str | None, yes: bool, as_json: bool
) -> None:
    """Bring our book in line with the broker's position in SYMBOL; send nothing.

    For what was opened or closed without us: from the broker's app, or by its own
    square-off.  It is booked as an order filled elsewhere, at the broker's last price.

    \b
    Examples:
      shoonyactl position adopt NIFTY28DEC27F
      shoonyactl position adopt NIFTY28DEC27F --strategy straddle --yes
    """
    found = [each for each in _differences(ctl) if each.tradingsymbol == symbol]
    if not found:
        raise NotFound(
            f"the broker holds of '{symbol}' what we hold",
            hint="see all: shoonyactl position list",
        )
    owners = [(each, strategy or _owner(each)) for each in found]
    if not as_json:
        _show(found)
    confirm(
        "; ".join(
            f"book {each.missing:+d} {each.exchange}:{each.tradingsymbol} "
            f"{each.product} as '{name}'"
            for each, name in owners
        )
        + "?",
        yes=yes,
    )
    orders = [
        adopt(ctl.store, each, name, by=user(), at=ctl.clock.now())
        for each, name in owners
    ]
    ctl.ring("risk_manager", "recovery_service")
    if as_json:
        print_json({"adopted": found, "orders": orders})
        return
    for order in orders:
        click.echo(f"order {order.order_id} of '{order.strategy}' explains it")


def _differences(ctl: Ctl) -> list[Difference]:
    with closing(open_broker(ctl.config, ctl.clock, _say)) as broker:
        return differences(ctl.store, broker.positions())


def _say(text: str) -> None:
    click.echo(text, err=True)


def _owner(found: Difference) -> str:
    """Return whose position differs, where that is not in doubt."""
    if len(found.ours) > 1:
        raise click.UsageError(
            f"several strategies hold {found.tradingsymbol}: say which with --strategy "
            f"({', '.join(sorted(found.ours))})"
        )
    return next(iter(found.ours), STRATEGY)


def _show(found: list[Difference]) -> None:
    if not found:
        click.echo("the broker holds the same", err=True)
        return
    print_table(
        ["differs", "product", "ours>", "the broker's>", "to book>"],
        [
            (
                f"{each.exchange}:{each.tradingsymbol}",
                each.product,
                sum(each.ours.values()),
                each.theirs,
                f"{each.missing:+d}",
            )
            for each in found
        ],
    )
