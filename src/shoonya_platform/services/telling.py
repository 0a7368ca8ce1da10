"""The explanation of a service in plain text, for a terminal and for messages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shoonya_platform.services.why import Explanation


def headline(found: Explanation) -> str:
    """Return one line: who, how it ended, what follows."""
    how = found.cause or f"is {found.state}"
    return f"{found.service}: {how}; {found.next}"


def tell(found: Explanation) -> str:
    """Return the whole story, some thirty lines."""
    return "".join(f"{line}\n" for line in _lines(found))


def _lines(found: Explanation) -> Iterator[str]:
    text = f": {found.text}" if found.text else ""
    yield f"{found.service} is {found.state}{text}"
    if found.ended_at is None and not found.cause:
        yield "none of its runs is known to have ended badly"
        return
    yield ""
    if found.ended_at is not None:
        yield f"last end     {_local(found.ended_at)}"
    yield f"cause        {found.cause}"
    if found.result:
        exact = f"result={found.result}"
        if found.exit_status:
            exact += f", {found.exit_code} {found.exit_status}"
        yield f"exactly      {exact}"
    if found.last_status:
        yield f"last said    {found.last_status}"
    if found.run_id:
        yield f"run          {found.run_id}"
    yield f"restarts     {found.restarts} of {found.restart_limit} within 5 minutes"
    yield f"next         {found.next}"
    if found.traceback:
        yield from ("", "where it stood:", *_indented(found.traceback))
    if found.last_lines:
        yield from (
            "",
            f"its last lines, from {found.lines_from}:",
            *_indented(found.last_lines),
        )
    if len(found.ends) > 1:
        yield from ("", "earlier ends, the newest last:")
        for end in found.ends:
            spent = "" if end.counts else " (counts no more)"
            yield f"  {_local(end.at)}  {end.cause}{spent}"
    if found.advice:
        yield from ("", "what to do:", *_indented(found.advice))
    if found.runbook:
        yield from ("", f"more: {found.runbook}")


def _indented(lines: tuple[str, ...]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
