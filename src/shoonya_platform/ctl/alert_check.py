"""shoonyactl alert check"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TextIO

import click

from shoonya_platform.ctl.context import Ctl, store_path
from shoonya_platform.ctl.output import json_option, print_json, print_table
from shoonya_platform.domain.alert_form import decode, parse
from shoonya_platform.domain.alerts import Alert, AlertStatus
from shoonya_platform.domain.orders import Order, OrderStatus
from shoonya_platform.errors import AlertRefused, Denied, NothingFilled
from shoonya_platform.execution.resolving import resolved
from shoonya_platform.services.parts import tickers
from shoonya_platform.services.rehearsal import Rehearsal, rehearse


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOrder:
    """An order that would be made; these are the keys of the JSON document."""

    leg: int
    received: str  #: exchange and symbol as the alert spells them
    exchange: str
    tradingsymbol: str
    side: str
    quantity: int
    order_type: str
    price: Decimal | None
    trigger_price: Decimal | None
    product: str
    status: str  #: `passed`, `denied`, or `waits`
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What an alert would do now; these are the keys of the JSON document."""

    #: `would be sent`, `waits`, `denied`, `nothing to do`, `duplicate`, or `refused`.
    verdict: str
    code: str = ""  #: of a refusal
    reason: str = ""
    hint: str = ""
    strategy: str = ""
    intent: str = ""
    orders: tuple[CheckedOrder, ...] = ()
    margin_required: Decimal | None = None
    margin_available: Decimal | None = None
    ignored_keys: tuple[str, ...] = ()


@click.command()
@click.argument("file", type=click.File(encoding="utf-8"))
@json_option
@click.pass_obj
def check(ctl: Ctl, file: TextIO, as_json: bool) -> None:
    """Show what the alert in FILE would do now, without doing it.

    `-` reads it from standard input.  It needs no secret.  The checks of
    trading_bot, risk_manager and execution_guard run over a copy of the order store,
    and the broker is asked for prices and margin.  It ends with 30 if the alert would
    be refused, 31 if an order of it would be denied, and 32 if there is nothing to do.

    \b
    Examples:
      shoonyactl alert check alert.json
      shoonyactl alert template --action exit | shoonyactl alert check - --json
    """
    body = file.read().encode()
    try:
        alert = parse(decode(body))
        alert = resolved(alert, ctl.store, tickers(ctl.settings), ctl.clock.now())
    except AlertRefused as e:
        if not as_json:
            raise
        print_json(
            Checked(verdict="refused", code=e.code, reason=e.message, hint=e.hint or "")
        )
        raise click.exceptions.Exit(AlertRefused.exit_code) from e
    found = rehearse(
        ctl.config,
        store_path(ctl.settings),
        alert,
        ctl.clock,
        lambda text: click.echo(f"shoonyactl: {text}", err=True),
    )
    checked = _checked(alert, found)
    if as_json:
        print_json(checked)
    else:
        _show(checked)
    codes = {"denied": Denied, "nothing to do": NothingFilled}
    if checked.verdict in codes:
        raise click.exceptions.Exit(codes[checked.verdict].exit_code)


def _checked(alert: Alert, found: Rehearsal) -> Checked:
    margin = found.margin
    denied = found.denied
    if found.is_duplicate:
        verdict, reason = "duplicate", f"it is alert {found.alert.alert_id}"
    elif found.alert.status is AlertStatus.SKIPPED:
        verdict, reason = "nothing to do", found.alert.outcome
    elif denied:
        verdict, reason = "denied", denied[0].reason
    elif found.is_waiting:
        verdict, reason = "waits", "it is not sent at once"
        if found.awaits_reconciliation:
            reason = "entries wait until the broker's books were read"
    else:
        verdict, reason = "would be sent", ""
    if not reason and margin is not None and margin.failure:
        reason = f"the margin is not known: {margin.failure}"
    return Checked(
        verdict=verdict,
        reason=reason,
        strategy=alert.strategy,
        intent=alert.intent,
        orders=tuple(_order(alert, order) for order in found.orders),
        margin_required=None if margin is None else margin.required,
        margin_available=None if margin is None else margin.available,
        ignored_keys=alert.ignored_keys,
    )


def _order(alert: Alert, order: Order) -> CheckedOrder:
    status = {
        OrderStatus.GUARD_PASSED: "passed",
        OrderStatus.DENIED: "denied",
    }.get(order.status, "waits")
    leg = alert.legs[order.leg - 1]
    return CheckedOrder(
        leg=order.leg,
        received=leg.received or f"{alert.exchange}:{leg.tradingsymbol}",
        exchange=order.exchange,
        tradingsymbol=order.tradingsymbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        price=order.price,
        trigger_price=order.trigger_price,
        product=order.product,
        status=status,
        reason=order.reason,
    )


def _show(checked: Checked) -> None:
    if checked.orders:
        print_table(
            ["leg>", "received", "order", "product", "checks", "reason"],
            [
                (
                    each.leg,
                    each.received,
                    f"{each.side} {each.quantity} {each.exchange}:"
                    f"{each.tradingsymbol} @ {each.price or each.order_type}",
                    each.product,
                    each.status,
                    each.reason,
                )
                for each in checked.orders
            ],
        )
    if checked.margin_required is not None:
        click.echo(
            f"margin: needs {checked.margin_required}, "
            f"available {checked.margin_available}"
        )
    if checked.ignored_keys:
        click.echo(f"ignored: {', '.join(checked.ignored_keys)}")
    why = f": {checked.reason}" if checked.reason else ""
    click.echo(f"{checked.intent} for '{checked.strategy}' {_word(checked)}{why}")


def _word(checked: Checked) -> str:
    return {
        "denied": "would be denied",
        "duplicate": "would be taken as a duplicate",
        "nothing to do": "would do nothing",
        "waits": "would wait",
    }.get(checked.verdict, checked.verdict)
