"""shoonyactl order modify"""

from __future__ import annotations

import time
from decimal import Decimal, InvalidOperation

import click

from shoonya_platform.ctl._completing import complete_order
from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console
from shoonya_platform.domain.orders import Order, OrderStatus
from shoonya_platform.domain.terms import Terms, terms_of
from shoonya_platform.errors import BrokerRejected, Denied, NotAllowed, WaitedTooLong

_MODIFIABLE = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class _Rupees(click.ParamType[Decimal]):
    name = "rupees"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            price = Decimal(str(value))
        except InvalidOperation:
            price = Decimal(0)
        if not (price.is_finite() and 0 < price <= 100_000_000):
            self.fail(f"expected a price in rupees, was '{value}'", param, ctx)
        return price


@click.command()
@click.argument("identifier", metavar="ID", shell_complete=complete_order)
@click.option(
    "--quantity",
    type=click.IntRange(min=1),
    help="The new total in units, with what is filled already.",
)
@click.option("--price", type=_Rupees(), help="The new limit.")
@click.option("--trigger-price", type=_Rupees(), help="The new trigger of a stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the outcome.",
)
@click.pass_obj
def modify(
    ctl: Ctl,
    identifier: str,
    quantity: int | None,
    price: Decimal | None,
    trigger_price: Decimal | None,
    yes: bool,
    timeout_seconds: float,
) -> None:
    """Give an order that works at the broker other terms.

    risk_manager and execution_guard judge them as they judge an order.  Ends with 22
    if the broker refuses them, with 31 if we do.

    \b
    Examples:
      shoonyactl order modify 42 --price 101.50
      shoonyactl order modify 42 --quantity 130 --price 101.50 --yes
      shoonyactl order modify 43 --trigger-price 95 --yes
    """
    if quantity is None and price is None and trigger_price is None:
        raise click.UsageError("nothing to change: say --quantity, --price or both")
    order = ctl.find_order(identifier)
    terms = _terms(order, quantity, price, trigger_price)
    confirm(
        f"give order {order.order_id}, {order.summary}, the terms {terms.text}?",
        yes=yes,
    )
    with ctl.store.transaction(durable=True):
        if not ctl.store.modifies.request(order.order_id, terms, by=user()):
            raise NotAllowed(
                f"order {order.order_id} is being modified already",
                hint=f"wait for it: shoonyactl trace {order.order_id}",
            )
    ctl.ring("risk_manager")
    result = _wait(ctl, order, timeout_seconds)
    if result.startswith("denied: "):
        raise Denied(f"order {order.order_id}: {result}")
    if result.startswith("rejected: "):
        raise BrokerRejected(f"order {order.order_id}: {result}")
    current = ctl.find_order(order.client_order_id)
    console().print(
        f"order {order.order_id}: {result}, it is {current.status}, {current.summary}"
    )


def _terms(
    order: Order, quantity: int | None, price: Decimal | None, trigger: Decimal | None
) -> Terms:
    if order.status not in _MODIFIABLE:
        raise NotAllowed(
            f"order {order.order_id} is {order.status}: only one that works at the "
            "broker can be modified"
        )
    for name, given, needed in (
        ("price", price, order.order_type.needs_price),
        ("trigger price", trigger, order.order_type.needs_trigger),
    ):
        if given is not None and not needed:
            raise NotAllowed(
                f"order {order.order_id} is {order.order_type} and has no {name}"
            )
    terms = Terms(
        quantity=quantity or order.quantity,
        price=price or order.price,
        trigger_price=trigger or order.trigger_price,
    )
    if terms == terms_of(order):
        raise NotAllowed(f"order {order.order_id} has these terms: {terms.text}")
    return terms


def _wait(ctl: Ctl, order: Order, timeout_seconds: float) -> str:
    deadline = time.monotonic() + timeout_seconds
    while True:
        request = ctl.store.modifies.get(order.order_id)
        if request is not None and request.result is not None:
            return request.result
        if time.monotonic() > deadline:
            stage = "gone" if request is None else request.stage
            raise WaitedTooLong(
                f"order {order.order_id}: the new terms are still {stage}",
                hint="the request stands; see shoonyactl status for the services, "
                "shoonyactl trace for how far it came",
            )
        time.sleep(0.05)
