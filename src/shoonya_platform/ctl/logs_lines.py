"""shoonyactl logs SERVICE...: the lines, past and to come."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click

from shoonya_platform.ctl._interrupts import interruptible
from shoonya_platform.ctl._logs import log_directory, moment, since_option
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.logs_output import document, people
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.errors import NotFound
from shoonya_platform.logging.reading.filters import ALL, Filter
from shoonya_platform.logging.reading.follow import ComponentFollower
from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.journal import JournalUnavailable
from shoonya_platform.logging.reading.records import LEVELS
from shoonya_platform.logging.reading.streams import Item, read, read_journal

#: Between two looks at the files when following.
FOLLOW_SECONDS = 0.1


@click.command("logs")
@click.argument("services", nargs=-1, shell_complete=complete_service)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    help="Only the last so many records  [default: 100, all with --since]",
)
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="DEBUG",
    help="Only this level and above.",
)
@since_option
@click.option("--grep", metavar="REGEX", help="Only records that match.")
@click.option(
    "--journal", is_flag=True, help="Read the journal's copy instead of the files."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document; with --follow one object a line.",
)
@click.pass_obj
def cli(
    ctl: Ctl,
    services: tuple[str, ...],
    follow: bool,
    lines: int | None,
    level: str,
    since: str | None,
    grep: str | None,
    journal: bool,
    as_json: bool,
) -> None:
    """Show the log lines of services, merged by time; all if none is named.

    \b
    Examples:
      shoonyactl logs
      shoonyactl logs risk_manager execution_guard -f
      shoonyactl logs --since 10m --level WARNING
      shoonyactl logs --grep order_id=42 --json | jq -r '.[].message'
      shoonyactl logs verify
    """
    if journal and follow:
        raise click.UsageError("--journal does not go with --follow: journalctl -f")
    names = check_services(services)
    wanted = _filter(level, grep)
    begin = moment(since, datetime.now().astimezone())
    last = lines if lines is not None else None if since else 100
    followers: list[ComponentFollower] = []
    if journal:
        found = _from_journal(names, begin, wanted, last)
    else:
        log_dir = log_directory(ctl)
        finders = {name: GapFinder(name) for name in names}
        followers = _followers(log_dir, finders) if follow else []
        found = read(
            log_dir, finders, since=begin, wanted=wanted, last=last, tell=_tell
        )
    show = people() if not as_json else None
    if show is None and not follow:
        _print_document(found)
        return
    show = show or (lambda item: json.dumps(document(item)))
    _print(found, show)
    if follow:
        _follow(followers, wanted, show)


def _from_journal(
    names: list[str], since: str, wanted: Filter, last: int | None
) -> Iterator[Item]:
    try:
        yield from read_journal(names, since=since, wanted=wanted, last=last)
    except JournalUnavailable as e:
        raise NotFound(
            f"the journal cannot be read: {e}",
            hint="say it as root, with sudo; or read the files, without --journal",
        ) from e


def _followers(log_dir: Path, finders: dict[str, GapFinder]) -> list[ComponentFollower]:
    # Before the past is read: what comes meanwhile is in both, and shown once.
    return [
        ComponentFollower(log_dir, name, finder) for name, finder in finders.items()
    ]


def _follow(
    followers: list[ComponentFollower],
    wanted: Filter,
    show: Callable[[Item], str],
) -> None:
    try:
        with interruptible():
            while True:
                sys.stdout.flush()
                time.sleep(FOLLOW_SECONDS)
                added = [
                    item
                    for follower in followers
                    for item in follower.new_items()
                    if isinstance(item, Gap) or wanted(item)
                ]
                _print(sorted(added, key=lambda item: item.at), show)
    except KeyboardInterrupt:
        return
    finally:
        for follower in followers:
            follower.close()


def _filter(level: str, grep: str | None) -> Filter:
    if level.upper() == LEVELS[0] and not grep:
        return ALL
    try:
        return Filter(level.upper(), grep)
    except re.error as e:
        raise click.UsageError(f"--grep: {e}") from e


def _print(items: Iterable[Item], show: Callable[[Item], str]) -> None:
    write = sys.stdout.write
    for item in items:
        write(f"{show(item)}\n")


def _print_document(items: Iterable[Item]) -> None:
    # Item by item, as there may be more of them than fit into the memory.
    separator = "[\n"
    for item in items:
        sys.stdout.write(f"{separator}{json.dumps(document(item))}")
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def _tell(sentence: str) -> None:
    click.echo(f"shoonyactl: {sentence}", err=True)
