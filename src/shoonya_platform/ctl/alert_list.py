"""shoonyactl alert list"""

from __future__ import annotations

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import ago, json_option, print_json, print_table
from shoonya_platform.domain.alerts import StoredAlert
from shoonya_platform.domain.refused_alerts import StoredRefusal


@click.command("list")
@click.option(
    "--refused", is_flag=True, help="Those that the webhook refused, with the reason."
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
def list_alerts(ctl: Ctl, refused: bool, limit: int, as_json: bool) -> None:
    """List the newest alerts.

    Of refused ones the newest 500 are stored, without secrets; the message of a
    sender without the right secret is not.

    \b
    Examples:
      shoonyactl alert list
      shoonyactl alert list --refused --json
    """
    if refused:
        _show_refused(ctl, ctl.store.refusals.recent(limit=limit), as_json=as_json)
    else:
        _show(ctl, ctl.store.alerts.recent(limit=limit), as_json=as_json)


def _show(ctl: Ctl, alerts: list[StoredAlert], *, as_json: bool) -> None:
    if as_json:
        print_json(alerts)
        return
    if not alerts:
        click.echo("no alerts yet", err=True)
        return
    now = ctl.clock.now()
    print_table(
        ["alert", "age>", "strategy", "intent", "legs", "status", "outcome"],
        [
            (
                stored.alert_id,
                ago(stored.received_at, now),
                stored.alert.strategy,
                stored.alert.intent,
                ", ".join(
                    f"{leg.side or 'close'} {leg.quantity or 'all'} "
                    f"{stored.alert.exchange}:{leg.tradingsymbol}"
                    for leg in stored.alert.legs
                ),
                stored.status,
                stored.outcome,
            )
            for stored in alerts
        ],
    )


def _show_refused(ctl: Ctl, refused: list[StoredRefusal], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "refusal_id": stored.refusal_id,
                    "refused_at": stored.refused_at,
                    "times": stored.times,
                    "code": stored.refused.code,
                    "reason": stored.refused.reason,
                    "hint": stored.refused.hint,
                    "http_status": stored.refused.http_status,
                    "client": stored.refused.client,
                    "body": stored.refused.body,
                }
                for stored in refused
            ]
        )
        return
    if not refused:
        click.echo("no alert was refused", err=True)
        return
    now = ctl.clock.now()
    print_table(
        ["age>", "times>", "from", "code", "reason", "message"],
        [
            (
                ago(stored.refused_at, now),
                stored.times,
                stored.refused.client,
                stored.refused.code,
                "; ".join(p for p in (stored.refused.reason, stored.refused.hint) if p),
                stored.refused.body,
            )
            for stored in refused
        ],
    )
