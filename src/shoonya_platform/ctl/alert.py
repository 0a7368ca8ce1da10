"""shoonyactl alert"""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, TextIO

import click

from shoonya_platform.ctl.alert_check import check
from shoonya_platform.ctl.alert_list import list_alerts
from shoonya_platform.ctl.alert_template import template
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json
from shoonya_platform.ctl.trace import print_trace
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.errors import (
    AlertRefused,
    NothingFilled,
    NotRunning,
    ShoonyaError,
    WaitedTooLong,
)

#: TradingView gives up after 3 s; so do we.
TIMEOUT_SECONDS = 3.0


@click.group()
def cli() -> None:
    """Send alerts, check them, list them, and print their template."""


cli.add_command(check)
cli.add_command(list_alerts)
cli.add_command(template)


@cli.command()
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option(
    "--wait", is_flag=True, help="Wait until all its orders are at an end, show them."
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long --wait waits.",
)
@json_option
@click.pass_obj
def send(
    ctl: Ctl, file: TextIO, wait: bool, timeout_seconds: float, as_json: bool
) -> None:
    """Send the alert in FILE, or from standard input for `-`.

    The webhook secret is added when the alert has none.  With --wait it ends with 32
    if nothing was filled.

    \b
    Examples:
      shoonyactl alert send alert.json --wait
      echo '{"ticker": "NIFTY28DEC27F", "exchange": "NFO", "action": "buy",
             "contracts": "65", "price": "26000"}' | shoonyactl alert send -
    """
    text = file.read()
    answer = post(ctl, with_secret(ctl, text))
    alert_id = AlertId(str(answer.get("alert_id", "")))
    if wait and alert_id:
        outcome = wait_for(ctl, alert_id, timeout_seconds)
        if as_json:
            print_json({**answer, "outcome": outcome})
        else:
            print_trace(ctl, alert_id)
        orders = ctl.store.orders.of_alert(alert_id)
        if not any(order.filled_quantity for order in orders):
            raise NothingFilled(
                f"nothing of alert {alert_id} was filled: {outcome}",
                hint=f"see why: shoonyactl trace {alert_id}",
            )
    elif as_json:
        print_json(answer)
    else:
        click.echo(f"{answer['status']} {alert_id}".rstrip())


def with_secret(ctl: Ctl, text: str) -> str:
    """Add the webhook secret to an alert that has none; leave broken ones be."""
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict) or any(
        key.lower() in ("secret_key", "secret") for key in fields
    ):
        return text
    secret = ctl.config.secrets.get("webhook_secret").value
    return json.dumps({**fields, "secret_key": secret})


def post(ctl: Ctl, text: str) -> dict[str, Any]:
    """
    Post an alert to the webhook; return its answer.

    Raises:
        NotRunning: Nobody listens.
        AlertRefused: With the webhook's reason.
    """
    webhook = ctl.settings.webhook
    host = "127.0.0.1" if webhook.host == "0.0.0.0" else webhook.host  # noqa: S104
    connection = http.client.HTTPConnection(host, webhook.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            "POST",
            "/webhook",
            text.encode(),
            {"Content-Type": "application/json"},
        )
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException) as e:
        raise NotRunning(
            f"execution_service does not answer on {host}:{webhook.port}: {e}",
            hint="see how it is: shoonyactl status",
        ) from e
    finally:
        connection.close()
    if response.status >= 500:
        raise ShoonyaError(str(answer.get("reason", response.reason)))
    if response.status >= 400:
        raise AlertRefused(
            answer["code"],
            f"{answer['code']}: {answer['reason']}",
            hint=answer.get("hint"),
        )
    return dict(answer)


def wait_for(ctl: Ctl, alert_id: AlertId, timeout_seconds: float) -> str:
    """
    Wait until an alert is at its end; return its outcome.

    Raises:
        WaitedTooLong: It is not there yet.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        stored = ctl.store.alerts.get(alert_id)
        if stored is not None and stored.status in (
            AlertStatus.COMPLETED,
            AlertStatus.SKIPPED,
            AlertStatus.NOT_DONE,
            AlertStatus.WATCHED,
        ):
            return stored.outcome
        if time.monotonic() > deadline:
            raise WaitedTooLong(
                f"alert {alert_id} is not at its end after {timeout_seconds:g} s",
                hint=f"see where it is: shoonyactl trace {alert_id}",
            )
        time.sleep(0.05)
