"""How `status --watch` draws a look: as much as the terminal has room for."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from shoonya_platform.assessment.conditions import ConditionKind, Severity
from shoonya_platform.ctl._conditions import STYLES as SEVERITIES
from shoonya_platform.ctl._looking import Look
from shoonya_platform.ctl.output import STYLES, ago, megabytes
from shoonya_platform.ctl.status import sentence

#: Lines for conditions; the errors of the log need some too.
_MOST_CONDITIONS = 5

_FOOTER = "q or Ctrl-C ends"


class Screen:
    """A look as a screen; asks for its size each time it is drawn."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        look, room = self._look, options.size.height
        parts: list[Text | Table] = [
            _header(look),
            Text(),
            _services(look),
            Text(),
            *_below(look),
        ]
        for part in parts:
            lines = console.render_lines(part, options.update(height=None), pad=False)
            room -= len(lines)
            yield part
        yield from _errors(look, room - 1)
        yield _one_line(_FOOTER, "bright_black")


def _header(look: Look) -> Text:
    running = sum(view.state == "running" for view in look.services)
    parts = [
        Text(f"{look.at.astimezone():%H:%M:%S}", "bold"),
        Text(
            f"{running} of {len(look.services)} running",
            "green" if running == len(look.services) else "red",
        ),
    ]
    for severity in Severity:
        number = sum(each.severity is severity for each in look.conditions)
        if number:
            # The worst alone: the line has to hold the trading state too.
            parts.append(Text(f"{number} {severity}", SEVERITIES[severity]))
            break
    if look.trading is not None:
        # The last: a reason may be longer than the line.
        state = look.trading.state
        reason = f": {look.trading.reason}" if look.trading.set_by else ""
        parts.append(Text(printable(f"trading {state}{reason}"), STYLES[state]))
    return _cut(Text("   ").join(parts))


def _services(look: Look) -> Table:
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        expand=True,
    )
    # Wide enough for what usually stands there: nothing jumps from look to look.
    for heading, width, justify in (
        ("service", 17, "left"),
        ("state", 8, "left"),
        ("for", 6, "left"),
        ("restarts", 8, "right"),
        ("memory", 6, "right"),
        ("log/s", 5, "right"),
    ):
        table.add_column(heading, width=width, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("status", ratio=1, no_wrap=True, overflow="ellipsis")
    for view in look.services:
        rate = look.rates.get(view.service)
        table.add_row(
            view.service,
            Text(view.state, STYLES.get(view.state, "")),
            ago(view.since, look.at),
            str(view.restarts),
            megabytes(view.memory_bytes),
            "" if rate is None else f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}",
            Text(printable(sentence(view))),
        )
    return table


def _below(look: Look) -> Iterator[Text | Table]:
    if look.stages:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for stage in look.stages:
            table.add_column(stage, justify="right", no_wrap=True)
        table.add_row(
            *(
                Text(str(number), "yellow" if number else "bright_black")
                for number in look.stages.values()
            )
        )
        yield table
    if look.trouble:
        yield _one_line(printable(look.trouble), "red")
    # Each service's state is in the table above.
    others = [c for c in look.conditions if c.kind is not ConditionKind.SERVICE_DOWN]
    for each in others[:_MOST_CONDITIONS]:
        yield _one_line(
            printable(f"{each.text}: {each.action}"), SEVERITIES[each.severity]
        )
    if (rest := len(others) - _MOST_CONDITIONS) > 0:
        yield _one_line(f"and {rest} more: shoonyactl status", "yellow")
    yield Text()


def _errors(look: Look, room: int) -> Iterator[Text]:
    """Yield exactly so many lines: the newest errors, the newest last."""
    if room < 1:
        return
    yield Text("latest errors" if look.errors else "no errors", "bold")
    shown = list(look.errors)[-(room - 1) :] if room > 1 else []
    for record in shown:
        text = f"{record.at[11:19]} {record.component:<17} {record.sentence}"
        yield _one_line(printable(text), "red")
    for _ in range(room - 1 - len(shown)):
        yield Text()


def _one_line(text: str, style: str) -> Text:
    return _cut(Text(text, style))


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def printable(text: str) -> str:
    """Return *text* on one line, without what would move the cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
