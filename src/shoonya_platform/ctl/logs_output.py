"""How records and gaps are shown: to people in colours, to programs as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.reading.gaps import Gap
from shoonya_platform.logging.reading.numbers import text as numbers_text
from shoonya_platform.logging.reading.records import Record
from shoonya_platform.logging.reading.streams import Item

_COLOURS = (
    "cyan",
    "green",
    "yellow",
    "blue",
    "magenta",
    "bright_cyan",
    "bright_green",
    "bright_magenta",
)
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bright_red"}


def people() -> Callable[[Item], str]:
    """Return what makes an item a line; coloured if a terminal will show it."""
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    # Most of a line is the same for all of a component: styled once.
    heads: dict[tuple[str, str], str] = {}

    def style(text: str, colour: str | None) -> str:
        return click.style(text, fg=colour) if coloured and colour else text

    def head(record: Record) -> str:
        known = heads.get((record.level, record.component))
        if known is None:
            colour = None
            if record.component in COMPONENTS:
                colour = _COLOURS[COMPONENTS.index(record.component)]
            level = style(f"{record.level:<8}", _LEVEL_COLOURS.get(record.level))
            known = f"{level} {style(f'{record.component:<17}', colour)}"
            heads[record.level, record.component] = known
        return known

    def show(item: Item) -> str:
        if isinstance(item, Gap):
            return style(gap_text(item), "yellow")
        line = f"{style(item.at, 'bright_black')} {head(item)} {item.text}"
        if item.more:
            line += "\n" + style("\n".join(item.more), "bright_black")
        return line

    return show


def gap_text(gap: Gap) -> str:
    """Return `-- 37 records missing here (no space left on device) --`."""
    number = gap.missing
    why = f" ({gap.why})" if gap.why else ""
    return (
        f"-- {number} record{'' if number == 1 else 's'} missing here{why} -- "
        f"{gap.component} run={gap.run} seq={numbers_text(gap.ranges)}"
    )


def document(item: Item) -> dict[str, object]:
    """Return the JSON of a record, or of a gap: that one has `missing`."""
    if isinstance(item, Gap):
        return {
            "time": item.at,
            "component": item.component,
            "run": item.run,
            "missing": item.missing,
            "ranges": item.ranges,
            "why": item.why,
        }
    return {
        "time": item.at,
        "level": item.level,
        "component": item.component,
        "text": item.text,
        "message": item.sentence,
        "fields": item.fields,
        "run": item.run,
        "seq": item.seq,
        "more": item.detail,
    }
