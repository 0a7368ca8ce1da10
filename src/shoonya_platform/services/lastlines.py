"""The last lines of one run, from the component's log file or the journal."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.logging.formats import CONTINUATION, detail_text, parse_line

#: Of a file's end no more is read: at 20 lines that is enough.
TAIL_BYTES = 512 * 1024

JOURNAL_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLines:
    """What a run said last."""

    lines: tuple[str, ...] = ()
    traceback: tuple[str, ...] = ()  #: the last one among them
    place: str = ""  #: where they stand


def last_lines(log_dir: Path, service: str, run_id: str, count: int) -> LastLines:
    """
    Return a run's last lines; none if it wrote none, or nobody may read them.

    Args:
        run_id: The empty one has no lines.

        count: Of records; the lines of a traceback come on top.
    """
    if not run_id:
        return LastLines()
    records: list[list[str]] = []
    places: list[str] = []
    for path in (log_dir / f"{service}.log", log_dir / f"{service}.log.1"):
        found = [
            lines for lines in _records(_tail(path)) if _run_of(lines[0]) == run_id
        ]
        if found:
            records = [*found, *records][-count:]
            places.insert(0, str(path))
        if len(records) >= count:
            break
    traceback = next((lines[1:] for lines in reversed(records) if lines[1:]), [])
    return LastLines(
        lines=tuple(line for lines in records for line in lines),
        traceback=tuple(line.removeprefix(CONTINUATION) for line in traceback),
        place=" and ".join(places),
    )


def journal_lines(invocation_id: str, count: int) -> Sequence[str]:
    """Return the last lines of an invocation from the journal; none without one."""
    command = [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--output=short-iso",
        f"--lines={count}",
        f"_SYSTEMD_INVOCATION_ID={invocation_id}",
        # What systemd itself says of it.
        "+",
        f"INVOCATION_ID={invocation_id}",
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=JOURNAL_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return done.stdout.splitlines()


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            content = file.read(TAIL_BYTES)
    except OSError:
        return []
    return content.decode(errors="replace").split("\n")


def _records(lines: Sequence[str]) -> Iterator[list[str]]:
    """Yield each record with the lines of its traceback."""
    pending: list[str] = []
    for line in lines:
        if line.startswith(CONTINUATION):
            if pending:
                pending.append(line)
            continue
        if pending:
            yield pending
        pending = [line, *_traceback_within(line)] if line else []
    if pending:
        yield pending


def _traceback_within(line: str) -> list[str]:
    """Return what the form of JSON has in the line itself, as further lines."""
    parsed = parse_line(line) if line.startswith("{") else None
    return detail_text(parsed.detail).splitlines() if parsed and parsed.detail else []


def _run_of(line: str) -> str:
    parsed = parse_line(line)
    return parsed.run if parsed else ""
