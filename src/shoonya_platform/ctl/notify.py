"""shoonyactl notify"""

from __future__ import annotations

import platform

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json, print_table
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.notify.targets import open_targets


@click.group()
def cli() -> None:
    """Try whether notifications arrive."""


@cli.command()
@json_option
@click.pass_obj
def test(ctl: Ctl, as_json: bool) -> None:
    """Send a message to every address in the secret notify_urls.

    Ends with 1 when one of them did not take it, with 11 when the secret is missing,
    with 10 when it holds what is no address.

    \b
    Example:
      sudo shoonyactl notify test
    """
    targets = open_targets(ctl.config.secrets.get("notify_urls").value)
    text = f"a test from Shoonya on {platform.node()}: notifications arrive here"
    results = [(target.name, target.send("Shoonya", text)) for target in targets]
    if as_json:
        print_json([{"address": name, "taken": taken} for name, taken in results])
    else:
        rows = [(name, "taken" if taken else "not taken") for name, taken in results]
        print_table(["address", "result"], rows)
    if not all(taken for _, taken in results):
        raise ShoonyaError(
            "not every address took the message",
            hint="check it, and whether this machine reaches it",
        )
