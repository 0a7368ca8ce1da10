"""shoonyactl paper"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import click

from shoonya_platform.brokers.paper_faults import FaultKind
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json, print_table
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import NotAllowed
from shoonya_platform.services.parts import open_paper


@click.group()
@click.pass_obj
def cli(ctl: Ctl) -> None:
    """Set prices and faults of the paper broker."""
    if ctl.settings.broker.name != "paper":
        raise NotAllowed(f"the broker is '{ctl.settings.broker.name}', not paper")


@cli.command()
@click.argument("instrument", metavar="EXCHANGE:SYMBOL")
@click.argument("rupees", metavar="RUPEES")
@click.pass_obj
def price(ctl: Ctl, instrument: str, rupees: str) -> None:
    """Set an instrument's last price; resting orders it touches are filled.

    \b
    Example:
      shoonyactl paper price NFO:NIFTY28DEC27F 26010
    """
    exchange, _, symbol = instrument.upper().partition(":")
    if exchange not in list(Exchange) or not symbol:
        raise click.UsageError(
            f"expected EXCHANGE:SYMBOL with one of {', '.join(Exchange)}, "
            f"was '{instrument}'"
        )
    try:
        value = Decimal(rupees)
    except InvalidOperation:
        raise click.UsageError(f"expected rupees, was '{rupees}'") from None
    if not value.is_finite() or value <= 0:
        raise click.UsageError(f"expected rupees above 0, was '{rupees}'")
    broker = open_paper(ctl.settings, ctl.clock)
    broker.set_price(Exchange(exchange), symbol, value)
    broker.close()
    ctl.ring("order_watcher")
    console().print(f"{exchange}:{symbol} trades at {value}")


@cli.command()
@click.argument(
    "kind",
    type=click.Choice([*(kind.value for kind in FaultKind), "none"]),
    metavar="KIND",
)
@click.option(
    "--count", type=click.IntRange(min=1), default=1, help="How often it strikes."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=0.0,
    help="How slow, or how long, where the fault has a duration.",
)
@click.pass_obj
def fault(ctl: Ctl, kind: str, count: int, seconds: float) -> None:
    """Have the paper broker fail on purpose; `none` ends all faults.

    \b
    KIND is one of
      accept_then_timeout  places the order, and gives no answer
      lose_request         places nothing, and gives no answer
      slow                 answers after --seconds
      refuse               refuses the order, with a reason
      unavailable          cannot be reached
      drop_report          keeps a report to itself
      double_report        tells a report twice
      hold_orders          accepts, and fills only after --seconds or `none`

    \b
    Examples:
      shoonyactl paper fault accept_then_timeout --count 3
      shoonyactl paper fault unavailable --count 100
      shoonyactl paper fault none
    """
    broker = open_paper(ctl.settings, ctl.clock)
    if kind == "none":
        broker.clear_faults()
        console().print("no faults")
    else:
        broker.add_fault(FaultKind(kind), count=count, seconds=seconds)
        console().print(f"{kind}, {count} times")
    broker.close()


@cli.command()
@json_option
@click.pass_obj
def faults(ctl: Ctl, as_json: bool) -> None:
    """List the faults that still wait to strike.

    \b
    Example:
      shoonyactl paper faults
    """
    broker = open_paper(ctl.settings, ctl.clock)
    waiting = broker.faults()
    broker.close()
    if as_json:
        print_json(waiting)
        return
    print_table(
        ["fault", "left>", "seconds>"],
        [(each.kind, each.count, each.seconds) for each in waiting],
    )
