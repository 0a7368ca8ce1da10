"""shoonyactl logs received"""

from __future__ import annotations

from typing import TextIO

import click

from shoonya_platform.ctl.logs_verify import EXIT_EXPLAINED, EXIT_UNEXPLAINED, stretches
from shoonya_platform.ctl.output import console, json_option, plain, print_json
from shoonya_platform.errors import NotFound
from shoonya_platform.logging.reading.judging import Cause, Finding
from shoonya_platform.logging.reading.received import Received, check

_WHY = {
    Cause.RETENTION: "before the first record that came",
    Cause.DISK: "never handed to the agent: the sender counted them (lost=)",
    Cause.UNKNOWN: "sent, or to be sent, and not here",
}


@click.command()
@click.argument("file", type=click.File(errors="replace"), default="-")
@json_option
def cli(file: TextIO, as_json: bool) -> None:
    """Name the records that did not arrive where an agent ships them.

    Reads lines as the receiver has them from FILE, or from standard input: lines of
    text or JSON, with a header in front or an object around, or the journal's fields as
    JSON.  Needs no configuration and no log directory.

    Each run of a service numbers its records from 1.  Of the first run that is seen the
    beginning may be missing, as the agent may have begun later; nothing else may.

    \b
    Exit codes:
       0  all arrived, once
       4  there is no record in it
      40  some are missing, and the sender has counted them as lost
      41  some are missing or doubled

    \b
    Examples:
      shoonyactl logs received /var/log/remote/shoonya.log
      zcat shoonya-*.json.gz | shoonyactl logs received --json
      journalctl -D /var/log/journal/remote -o json | shoonyactl logs received
    """
    received = check(file)
    if not received.records:
        raise NotFound(
            f"no record of ours in {received.other_lines:,} lines",
            hint="each record needs its run and its number: send whole lines "
            "(run=… seq=…), or the fields component, run and seq",
        )
    if as_json:
        print_json(plain(received))
    else:
        _print(received)
    code = exit_code(received)
    if code:
        raise click.exceptions.Exit(code)


def exit_code(received: Received) -> int:
    """Return 0, 40 or 41."""
    found = [f for f in received.findings if f.cause is not Cause.RETENTION]
    if not all(finding.is_explained for finding in found):
        return EXIT_UNEXPLAINED
    return EXIT_EXPLAINED if found else 0


def _print(received: Received) -> None:
    out = console()
    out.print(
        f"checked {received.runs} runs: {received.records:,} records, "
        f"{received.other_lines:,} other lines"
    )
    if not received.findings:
        out.print("nothing is missing, nothing is doubled", style="green")
        return
    for finding in received.findings:
        colour = None if finding.cause is Cause.RETENTION else "yellow"
        click.secho(_sentence(finding), fg=colour)
        click.echo(f"  {stretches(finding)}")
        if finding.what == "missing":
            click.echo(f"  {_WHY[finding.cause]}")


def _sentence(finding: Finding) -> str:
    return (
        f"{finding.component} run={finding.run}: {finding.count:,} {finding.what}"
        f", last at {finding.at}"
    )
