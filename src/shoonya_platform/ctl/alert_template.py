"""shoonyactl alert template"""

from __future__ import annotations

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.domain.alert_template import template as message
from shoonya_platform.domain.instruments import Product


@click.command()
@click.option(
    "--strategy", default="default", show_default=True, help="Its name in orders."
)
@click.option(
    "--product",
    type=click.Choice([product.value for product in Product]),
    help="Without it the segment's default.",
)
@click.option(
    "--action",
    type=click.Choice(["buy", "sell", "exit"]),
    help="What an alert of an indicator does; a strategy's says so itself.",
)
@click.option(
    "--quantity",
    type=click.IntRange(min=1),
    help="Units, with --action; an exit without it closes all.",
)
@click.option(
    "--secret/--no-secret",
    default=True,
    show_default=True,
    help="Whether the webhook's secret is in it.",
)
@click.pass_obj
def template(
    ctl: Ctl,
    strategy: str,
    product: str | None,
    action: str | None,
    quantity: int | None,
    secret: bool,
) -> None:
    """Print the message to paste into an alert of TradingView.

    It has the webhook's secret, so treat it like one.

    \b
    Examples:
      shoonyactl alert template --strategy mine
      shoonyactl alert template --strategy mine --action buy --quantity 65
    """
    if quantity is not None and action is None:
        raise click.UsageError("--quantity goes with --action")
    if action in ("buy", "sell") and quantity is None:
        raise click.UsageError(f"--action {action} needs --quantity")
    click.echo(
        message(
            strategy=strategy,
            secret=ctl.config.secrets.get("webhook_secret").value if secret else "…",
            product=product,
            action=None if action is None else action.upper(),
            quantity=quantity,
        )
    )
