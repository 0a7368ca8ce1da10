"""shoonyactl risk"""

from __future__ import annotations

import click

from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import (
    ago,
    console,
    json_option,
    print_json,
    print_table,
)
from shoonya_platform.domain.orders import OPEN
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import WaitedTooLong
from shoonya_platform.risk.day_book import day_book
from shoonya_platform.risk.figures import day_figures
from shoonya_platform.risk.limits import money
from shoonya_platform.services.parts import risk_limits
from shoonya_platform.store.trading_state import WAIT_SECONDS, set_trading_state


@click.group()
def cli() -> None:
    """Show the risk figures; halt, reduce or resume trading."""


@cli.command()
@json_option
@click.pass_obj
def show(ctl: Ctl, as_json: bool) -> None:
    """Show the trading state and each limit beside its figure.

    The limit of the day's P&L rises with the best P&L of the day, by steps.  Of
    instruments and strategies the one with most in it is shown.

    \b
    Example:
      shoonyactl risk show
    """
    limits = risk_limits(ctl.settings)
    with ctl.store.view():
        working = ctl.store.orders.in_status(*sorted(OPEN))
        book = day_book(ctl.store, limits, ctl.clock.now(), working)
    figures = day_figures(book, limits)
    status = ctl.store.trading.status()
    if as_json:
        print_json(
            {
                "trading": status,
                "figures": figures,
                "best_pnl": money(book.best_pnl),
                "max_order_value": limits.max_order_value,
            }
        )
        return
    since = f", {ago(status.set_at, ctl.clock.now())} ago by {status.set_by}"
    console().print(
        f"trading is {status.state}: {status.reason}{since if status.set_by else ''}\n"
    )
    print_table(
        ["figure", "now>", "limit>", "of"],
        [
            (name, each.value, "-" if each.limit is None else each.limit, each.of)
            for name, each in figures.items()
        ]
        + [("order_value", "", limits.max_order_value, "each order")],
    )


def _set(ctl: Ctl, state: TradingState, reason: str, *, yes: bool) -> None:
    before = ctl.store.trading.status()
    if before.state is state:
        console().print(f"trading is {state} already: {before.reason}")
        return
    confirm(f"set trading from {before.state} to {state}?", yes=yes)
    _, is_obeyed = set_trading_state(ctl.store, state, reason=reason, by=user())
    ctl.ring("execution_guard", "command_service", "risk_manager")
    if not is_obeyed:
        raise WaitedTooLong(
            f"trading is {state}, but an order was still being sent after "
            f"{WAIT_SECONDS:g} s",
            hint="see it with: shoonyactl order list --status submitted",
        )
    console().print(f"trading is {state}")


_reason = click.option("--reason", default="by hand", help="Why, for the record.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@cli.command()
@_reason
@click.pass_obj
def halt(ctl: Ctl, reason: str) -> None:
    """Let out only exits and cancels.  Does not ask.

    \b
    Example:
      shoonyactl risk halt --reason "exchange trouble"
    """
    _set(ctl, TradingState.HALTED, reason, yes=True)


@cli.command()
@_reason
@click.pass_obj
def reduce(ctl: Ctl, reason: str) -> None:
    """Let out only exits and what shrinks a position.  Does not ask.

    \b
    Example:
      shoonyactl risk reduce
    """
    _set(ctl, TradingState.REDUCING, reason, yes=True)


@cli.command()
@_reason
@_yes
@click.pass_obj
def resume(ctl: Ctl, reason: str, yes: bool) -> None:
    """Let entries out again.

    \b
    Example:
      shoonyactl risk resume --yes
    """
    _set(ctl, TradingState.ACTIVE, reason, yes=yes)
