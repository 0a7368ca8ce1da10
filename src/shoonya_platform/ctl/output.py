"""stdout is data, stderr is talk: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: A word's colour.  The word is always there: colour alone tells nothing.
STYLES = {
    "running": "green",
    "filled": "green",
    "completed": "green",
    "ACTIVE": "green",
    "accepted": "cyan",
    "partially_filled": "cyan",
    "starting": "yellow",
    "REDUCING": "yellow",
    "outcome_unknown": "yellow",
    "pending_replace": "yellow",
    "pending_cancel": "yellow",
    "denied": "red",
    "rejected": "red",
    "not_placed": "red",
    "backoff": "red",
    "failed": "red",
    "HALTED": "red",
    "stopped": "bright_black",
    "canceled": "bright_black",
}

#: In a pipe a row is a line, however long: what reads it goes by lines.
_PIPE_COLUMNS = 100_000

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document."
)


def print_json(value: object) -> None:
    click.echo(json.dumps(plain(value), indent=2))


def plain(value: object) -> object:
    """Return what JSON has: prices as text, times in ISO 8601, enums as words."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        # Plain digits: 1E+2 is no price to anybody.
        return format(value, "f")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns; a heading that ends in `>` has its column right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        right = heading.endswith(">")
        table.add_column(
            heading.rstrip(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=False,
        )
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as caught:
        out.print(table)
    # Rich fills every line up to the table's width.
    click.echo("\n".join(line.rstrip() for line in caught.get().splitlines()))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Rich would end the process with 1; `main` knows better.
        raise BrokenPipeError


def console() -> Console:
    """Return a console on stdout; a pipe gets whole lines without colours."""
    found = _Console(highlight=False)
    if not found.is_terminal:
        found = _Console(highlight=False, width=_PIPE_COLUMNS)
    return found


def _cell(value: object) -> Text:
    text = "" if value is None else str(value)
    return Text(text, style=STYLES.get(text, ""))


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was: `12 s`, `3 min`, `2 h`, `4 d`."""
    if moment is None:
        return ""
    seconds = max(0.0, (now - moment).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def local(moment: datetime) -> str:
    """Return a moment in the machine's zone, to the millisecond."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1_048_576:.0f} MB"
