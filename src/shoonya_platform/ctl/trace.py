"""shoonyactl trace"""

from __future__ import annotations

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import (
    console,
    json_option,
    local,
    plain,
    print_json,
    print_table,
)
from shoonya_platform.domain.orders import AlertId, Order, OrderEvent
from shoonya_platform.domain.story import hops
from shoonya_platform.errors import NotFound


@click.command()
@click.argument("identifier", metavar="ID")
@json_option
@click.pass_obj
def cli(ctl: Ctl, identifier: str, as_json: bool) -> None:
    """Tell the story of an order or an alert.

    ID is an alert's id, a client order id, a broker order id or an order's number.
    Each line shows who moved it, when, and how long after the line before.

    \b
    Examples:
      shoonyactl trace A261124-7K3M9QXZ
      shoonyactl trace O261124-7K3M9QXZ-1 --json
      shoonyactl trace 42
    """
    alert_id = ctl.find_alert(identifier)
    if alert_id is not None:
        print_trace(ctl, alert_id, None, as_json=as_json)
        return
    try:
        order = ctl.find_order(identifier)
    except NotFound as e:
        raise NotFound(
            f"no alert and no order has the id '{identifier}'",
            hint="see the newest: shoonyactl order list",
        ) from e
    print_trace(ctl, order.alert_id, order, as_json=as_json)


def print_trace(
    ctl: Ctl, alert_id: AlertId, order: Order | None, *, as_json: bool = False
) -> None:
    """Print an alert's events, or those of one of its orders."""
    orders = [order] if order else ctl.store.orders.of_alert(alert_id)
    told = hops(
        event
        for event in ctl.store.orders.events(alert_id=alert_id)
        if order is None or event.order_id in (None, order.order_id)
    )
    if as_json:
        print_json(
            {
                "alert_id": alert_id,
                "orders": orders,
                "events": [
                    {**_fields(hop.event), "delay_ms": hop.delay_ms} for hop in told
                ],
            }
        )
        return
    out = console()
    out.print(f"alert {alert_id}", style="bold")
    for each in orders:
        out.print(
            f"order {each.order_id}  {each.client_order_id}  "
            f"broker {each.broker_order_id or '-'}  {each.summary}  {each.status}"
        )
    print_table(
        ["time", "delay>", "service", "order>", "event", ""],
        [
            (
                local(hop.event.occurred_at),
                f"{hop.delay_ms:+.1f} ms",
                hop.event.service,
                hop.event.order_id,
                hop.event.trigger,
                hop.event.text,
            )
            for hop in told
        ],
    )


def _fields(event: OrderEvent) -> dict[str, object]:
    fields = plain(event)
    if not isinstance(fields, dict):
        raise TypeError(f"expected a dataclass, was {type(event).__name__}")
    return fields
