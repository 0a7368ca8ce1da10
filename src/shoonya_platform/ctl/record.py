"""shoonyactl record"""

from __future__ import annotations

from datetime import datetime

import click

from shoonya_platform.ctl.context import Ctl
from shoonya_platform.replay.recording import write
from shoonya_platform.replay.writing import record


@click.command()
@click.argument("day", type=click.DateTime(formats=["%Y-%m-%d"]), metavar="DAY")
@click.pass_obj
def cli(ctl: Ctl, day: datetime) -> None:
    """Write a day of the store into a file for replay.

    DAY is a date in India.  The file has the alerts as they came, without their
    secret, the prices at which orders filled, and the limits as they are configured
    now.

    \b
    Example:
      shoonyactl record 2026-11-25 > day.jsonl
    """
    for line in write(record(ctl.store, ctl.settings, day.date())):
        click.echo(line)
