"""shoonyactl logs verify"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress

from shoonya_platform.ctl._logs import log_directory, moment, since_option
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.output import (
    console,
    json_option,
    plain,
    print_json,
)
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.logging.reading.judging import HARMLESS, Cause, Finding
from shoonya_platform.logging.reading.numbers import text as numbers_text
from shoonya_platform.logging.reading.verify import Advance, Report, verify

EXIT_EXPLAINED = 40
EXIT_UNEXPLAINED = 41

_WHY = {
    Cause.RETENTION: "older than all that is kept",
    Cause.ELSEWHERE: "nothing of its unit is in these files: another installation's",
    Cause.DISK: "the disk took no more; counted (file_gap)",
    Cause.JOURNAL: "the journal's queue was full; counted (journal_gap)",
    Cause.RATE_LIMIT: "journald's rate limit suppressed them",
    Cause.KILLED: "journald had not taken them when the run ended",
    Cause.DAMAGED: "no counter tells; a file of this component is damaged",
    Cause.NO_COPY: "the journal has nothing of this run",
    Cause.UNKNOWN: "no counter tells",
}
#: So many stretches of numbers are shown to people.
_STRETCHES = 5


@click.command()
@click.argument("services", nargs=-1, shell_complete=complete_service)
@since_option
@click.option(
    "--journal/--no-journal",
    default=True,
    help="Check the journal's copy too, where there is one  [default: check]",
)
@json_option
@click.pass_obj
def cli(
    ctl: Ctl,
    services: tuple[str, ...],
    since: str | None,
    journal: bool,
    as_json: bool,
) -> None:
    """Name the records that are missing or doubled, and why.

    Each run of a process numbers its records.  Files, archives and the journal are
    read, and whatever number one of them lacks is named, with what explains it: what
    is no longer kept, another installation, a full disk, a full queue, journald's
    rate limit, a kill.

    \b
    Exit codes:
       0  nothing is missing but what is no longer kept, or another installation's
      40  something is missing, and all of it is explained
      41  something is missing or doubled that nothing explains, or a file is damaged

    \b
    Examples:
      shoonyactl logs verify
      shoonyactl logs verify risk_manager --since 1d
      shoonyactl logs verify --json | jq '.findings[] | select(.explained | not)'
    """
    names = check_services(services)
    log_dir = log_directory(ctl)
    now = datetime.now().astimezone()
    begin = moment(since, now)
    with _progress(log_dir) as advance:
        report = verify(log_dir, names, with_journal=journal, now=now, advance=advance)
    report = replace(
        report, findings=tuple(f for f in report.findings if f.at >= begin)
    )
    if as_json:
        findings = [
            {**_plain(finding), "explained": finding.is_explained}
            for finding in report.findings
        ]
        print_json({**_plain(report), "findings": findings})
    else:
        _print(report)
    code = exit_code(report)
    if code:
        raise click.exceptions.Exit(code)


def exit_code(report: Report) -> int:
    """Return 0, 40 or 41."""
    missing = [f for f in report.findings if f.cause not in HARMLESS]
    if report.unreadable or not all(finding.is_explained for finding in missing):
        return EXIT_UNEXPLAINED
    return EXIT_EXPLAINED if missing else 0


@contextlib.contextmanager
def _progress(log_dir: Path) -> Iterator[Advance]:
    """Show how far it is, on a terminal's stderr."""
    if not sys.stderr.isatty():
        yield lambda _copy, _count: None
        return
    # Archives are about a sixth of their text.
    size = sum(
        path.stat().st_size * (6 if path.suffix == ".zst" else 1)
        for path in log_dir.glob("*.log*")
    )
    with Progress(
        "{task.description}",
        BarColumn(),
        "{task.completed:,.0f} {task.fields[unit]}",
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        tasks = {
            "files": progress.add_task("files", total=size, unit="bytes"),
            # Nobody knows how long a journal is.
            "journal": progress.add_task("journal", total=None, unit="records"),
        }
        yield lambda copy, count: progress.advance(tasks[copy], count)


def _print(report: Report) -> None:
    out = console()
    copies = f"{report.file_records:,} records in {report.files} files"
    if report.without_journal:
        copies += f"; the journal was not checked: {report.without_journal}"
    else:
        copies += f" and {report.journal_records:,} in the journal"
    out.print(f"checked {report.runs} runs: {copies}")
    for sentence in report.unreadable:
        out.print(f"damaged: {sentence}", style="red")
    if report.strange_lines:
        out.print(f"{report.strange_lines} lines are no records", style="yellow")
    for sentence in report.evicted:
        out.print(f"deleted for the budget: {sentence}")
    if not report.findings:
        out.print("nothing is missing, nothing is doubled", style="green")
        return
    for finding in report.findings:
        # Sentences, as a table of this needs more than 80 columns.
        sentence = (
            f"{finding.component} run={finding.run}: {finding.count:,} {finding.what} "
            f"in the {finding.copy}"
        )
        if not report.without_journal:
            other = "journal" if finding.copy == "file" else "file"
            sentence += f", the {other} has {finding.elsewhere:,} of them"
        colour = None if finding.cause in HARMLESS else "yellow"
        click.secho(sentence, fg=colour)
        click.echo(f"  {stretches(finding)}")
        if finding.what == "missing":
            click.echo(f"  {_WHY[finding.cause]}")


def stretches(finding: Finding) -> str:
    """Return the numbers for people: the first stretches, and how many more."""
    shown = numbers_text(finding.ranges[:_STRETCHES])
    more = len(finding.ranges) - _STRETCHES
    return f"{shown} and {more} more stretches" if more > 0 else shown


def _plain(value: object) -> dict[str, object]:
    found = plain(value)
    assert isinstance(found, dict)  # noqa: S101 - of a dataclass
    return found
