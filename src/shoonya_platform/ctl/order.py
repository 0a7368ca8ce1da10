"""shoonyactl order"""

from __future__ import annotations

import time

import click

from shoonya_platform.ctl._completing import complete_order
from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.modify import modify
from shoonya_platform.ctl.output import (
    ago,
    console,
    json_option,
    print_json,
    print_table,
)
from shoonya_platform.ctl.trace import print_trace
from shoonya_platform.domain.orders import CLOSED, OPEN, Order, OrderStatus
from shoonya_platform.errors import NotAllowed, WaitedTooLong

_GROUPS = {"open": OPEN, "closed": CLOSED}


@click.group()
def cli() -> None:
    """List, show, modify and cancel orders."""


cli.add_command(modify)


@cli.command("list")
@click.option(
    "--status",
    type=click.Choice([*_GROUPS, *(status.value for status in OrderStatus)]),
    multiple=True,
    help="Only orders with this status; may be repeated.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="How many of the newest.",
)
@json_option
@click.pass_obj
def list_orders(ctl: Ctl, status: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the newest orders.

    \b
    Examples:
      shoonyactl order list --status open
      shoonyactl order list --status denied --json
    """
    statuses: set[OrderStatus] = set()
    for word in status:
        statuses |= _GROUPS.get(word) or {OrderStatus(word)}
    orders = ctl.store.orders.recent(limit=limit, statuses=statuses)
    if as_json:
        print_json(orders)
        return
    if not orders:
        click.echo("no such orders" if status else "no orders yet", err=True)
        return
    now = ctl.clock.now()
    print_table(
        [
            "order>",
            "client order id",
            "age>",
            "strategy",
            "order",
            "filled>",
            "average>",
            "status",
            "reason",
        ],
        [
            (
                order.order_id,
                order.client_order_id,
                ago(order.created_at, now),
                order.strategy,
                order.summary,
                f"{order.filled_quantity}/{order.quantity}",
                price(order),
                order.status,
                order.reason,
            )
            for order in orders
        ],
    )


@cli.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_order)
@json_option
@click.pass_obj
def show(ctl: Ctl, identifier: str, as_json: bool) -> None:
    """Show one order and its story.

    \b
    Example:
      shoonyactl order show 42
    """
    order = ctl.find_order(identifier)
    if as_json:
        print_json(order)
    else:
        print_trace(ctl, order.order_id)


@cli.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_order)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for its end.",
)
@click.pass_obj
def cancel(ctl: Ctl, identifier: str, yes: bool, timeout_seconds: float) -> None:
    """Cancel an open order and wait until it is.

    \b
    Example:
      shoonyactl order cancel 42 --yes
    """
    order = ctl.find_order(identifier)
    if order.is_closed:
        raise NotAllowed(f"order {order.order_id} is {order.status} already")
    confirm(f"cancel order {order.order_id}, {order.summary}, {order.status}?", yes=yes)
    with ctl.store.transaction(durable=True):
        ctl.store.orders.request_cancel(order.order_id, by=user())
    ctl.ring("command_service")
    ended = _wait_for_end(ctl, order, timeout_seconds)
    console().print(
        f"order {ended.order_id} is {ended.status}, "
        f"{ended.filled_quantity} of {ended.quantity} filled"
    )


def _wait_for_end(ctl: Ctl, order: Order, timeout_seconds: float) -> Order:
    deadline = time.monotonic() + timeout_seconds
    while True:
        current = ctl.find_order(order.client_order_id)
        if current.is_closed:
            return current
        if time.monotonic() > deadline:
            raise WaitedTooLong(
                f"order {order.order_id} is still {current.status}",
                hint="the request stands; see shoonyactl status for command_service",
            )
        time.sleep(0.05)


def price(order: Order) -> str:
    return "" if order.average_price is None else f"{order.average_price:.2f}"
