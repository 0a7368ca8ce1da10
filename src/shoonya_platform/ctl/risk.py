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
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import OPEN
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.risk.limits import RiskBook, money


@click.group()
def cli() -> None:
    """Show the risk figures; halt, reduce or resume trading."""


@cli.command()
@json_option
@click.pass_obj
def show(ctl: Ctl, as_json: bool) -> None:
    """Show the trading state and each limit beside its figure.

    \b
    Example:
      shoonyactl risk show
    """
    store, limits = ctl.store, ctl.settings.risk
    book = RiskBook(
        positions=store.positions.open(),
        working=store.orders.in_status(*sorted(OPEN)),
        realised_today=store.positions.realised_on(trading_day(ctl.clock.now())),
    )
    status = store.trading.status()
    figures = {
        "daily_pnl": (money(book.daily_pnl), -limits.max_daily_loss),
        "exposure": (money(book.exposure), limits.max_exposure),
        "open_positions": (len(book.instruments()), limits.max_open_positions),
    }
    if as_json:
        print_json(
            {
                "trading": status,
                "figures": {
                    name: {"value": value, "limit": limit}
                    for name, (value, limit) in figures.items()
                },
                "max_order_value": limits.max_order_value,
            }
        )
        return
    since = f", {ago(status.set_at, ctl.clock.now())} ago by {status.set_by}"
    console().print(
        f"trading is {status.state}: {status.reason}{since if status.set_by else ''}\n"
    )
    print_table(
        ["figure", "now>", "limit>"],
        [(name, value, limit) for name, (value, limit) in figures.items()],
    )


def _set(ctl: Ctl, state: TradingState, reason: str, *, yes: bool) -> None:
    before = ctl.store.trading.status()
    if before.state is state:
        console().print(f"trading is {state} already: {before.reason}")
        return
    confirm(f"set trading from {before.state} to {state}?", yes=yes)
    with ctl.store.transaction(durable=True):
        ctl.store.trading.set(state, reason=reason, by=user())
    ctl.ring("execution_guard", "command_service", "risk_manager")
    console().print(f"trading is {state}")


_reason = click.option("--reason", default="by hand", help="Why, for the record.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@cli.command()
@_reason
@click.pass_obj
def halt(ctl: Ctl, reason: str) -> None:
    """Let no new order out; cancels still pass.  Does not ask.

    \b
    Example:
      shoonyactl risk halt --reason "exchange trouble"
    """
    _set(ctl, TradingState.HALTED, reason, yes=True)


@cli.command()
@_reason
@click.pass_obj
def reduce(ctl: Ctl, reason: str) -> None:
    """Let out only what shrinks a position.  Does not ask.

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
    """Let entries and exits out again.

    \b
    Example:
      shoonyactl risk resume --yes
    """
    _set(ctl, TradingState.ACTIVE, reason, yes=yes)
