"""Both copies of the log: the services' own files, and the journal of their units."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shoonya_platform.ctl.bundling.shelf import Shelf
from shoonya_platform.ctl.logs_output import gap_text
from shoonya_platform.logging.reading import journal
from shoonya_platform.logging.reading.filters import ALL
from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.streams import read

#: Is told of each record.
Advance = Callable[[], None]


def from_files(
    shelf: Shelf, log_dir: Path, services: Sequence[str], since: str, advance: Advance
) -> dict[str, str]:
    """Put the files' records on the shelf; return what could not be read, and why."""
    unreadable: dict[str, str] = {}
    try:
        list(log_dir.iterdir())
    except FileNotFoundError:
        return {"logs": f"there is no log directory '{log_dir}'"}
    except OSError as e:
        return {"logs": f"'{log_dir}': {(e.strerror or str(e)).lower()}"}
    for service in services:
        name = f"logs/{service}.log"
        try:
            _one(shelf, name, log_dir, service, since, advance, unreadable)
        except OSError as e:
            reason = (e.strerror or str(e)).lower()
            unreadable[name] = f"'{e.filename or log_dir}': {reason}"
    return unreadable


def from_journal(
    shelf: Shelf, services: Sequence[str], since: str, *, user: bool, advance: Advance
) -> dict[str, str]:
    """Do the same with what the journal has of the units, systemd's lines too."""
    try:
        # Of a journal that one may not read journalctl says nothing at all.
        journal.oldest_at()
        for service in services:
            name = f"journal/{service}.log"
            for at, record in _entries(f"shoonya@{service}.service", since, user):
                shelf.add(name, at, record)
                advance()
        for at, record in _entries("shoonya[.-]*", since, user):
            shelf.add("journal/other-units.log", at, record)
            advance()
    except (journal.JournalUnavailable, OSError) as e:
        return {"journal": str(e)}
    return {}


def _one(
    shelf: Shelf,
    name: str,
    log_dir: Path,
    service: str,
    since: str,
    advance: Advance,
    unreadable: dict[str, str],
) -> None:
    def tell(sentence: str) -> None:
        unreadable[name] = sentence

    finders = {service: GapFinder(service)}
    for item in read(log_dir, finders, since=since, wanted=ALL, last=None, tell=tell):
        if isinstance(item, Gap):
            shelf.add(name, item.at, gap_text(item))
            continue
        # In the form of JSON a traceback is in the line itself.
        more = [] if item.line.startswith("{") else item.more
        shelf.add(name, item.at, "\n".join([item.line, *more]))
        advance()


def _entries(unit: str, since: str, user: bool) -> Iterator[tuple[str, str]]:
    """Yield time and text of each entry of a unit's."""
    command = ["journalctl", "--quiet", "--no-pager", "--all", "--output=short-iso"]
    command.append(f"--{'user-' if user else ''}unit={unit}")
    if since:
        command.append(f"--since={since.partition('.')[0]}")
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
    ) as process:
        record: list[str] = []
        for line in process.stdout or ():
            # Further lines of an entry are indented.
            if record and not line.startswith(" "):
                yield _at(record[0]), "\n".join(record)
                record = []
            record.append(line.rstrip("\n"))
        if record:
            yield _at(record[0]), "\n".join(record)


def _at(line: str) -> str:
    return f"{line[:19].replace('T', ' ')}.000"
