"""A record of either form as it is read: columns, run and number, further lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from shoonya_platform.logging.formats import (
    CONTINUATION,
    ParsedLine,
    detail_text,
    escaped,
    fields_text,
    parse_line,
)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_TIME_WIDTH = len("2026-02-08 14:25:31.123")


@dataclass(slots=True)
class Record:
    """
    One record, of which a read-through looks only at the columns.

    Attributes:
        at: The machine's zone, to the millisecond; sorts as text.

        level: The level's name.

        component: Lower case; whose file it is in, or a logger's name.

        text: The sentence and its fields as in the line of text.

        run: The run of the process that wrote it, "" if the line has none.

        seq: Its number in that run, 0 if the line has none.

        line: As it was read.

        more: Further lines of a traceback, as in the form of text.
    """

    at: str
    level: str
    component: str
    text: str
    run: str
    seq: int
    line: str
    more: list[str] = field(default_factory=list)

    @property
    def detail(self) -> list[str]:
        """The traceback without the prefix of its lines."""
        return [line.removeprefix(CONTINUATION) for line in self.more]

    @property
    def sentence(self) -> str:
        """The sentence alone."""
        parsed = self.parsed
        return self.text if parsed is None else parsed.message

    @property
    def fields(self) -> dict[str, str]:
        """The context, without run and seq."""
        parsed = self.parsed
        return {} if parsed is None else parsed.fields

    @property
    def parsed(self) -> ParsedLine | None:
        """The line taken apart; None if a stranger wrote it."""
        return parse_line(self.line)


def first_line(line: str) -> Record | None:
    """
    Return the record that begins with *line*; None if none does.

    Args:
        line: Without its line break.
    """
    if line.startswith("{"):
        return _structured(line)
    columns = line.split(" | ", 3)
    if len(columns) < 4 or not looks_like_time(columns[0]):
        return None
    at, level, name, text = columns
    # The true tail is the last: whatever a caller logs cannot stand behind it.
    _, _, tail = text.rpartition(" run=")
    run, _, seq = tail.partition(" seq=")
    if not (seq.isascii() and seq.isdigit()):
        run, seq = "", "0"
    return Record(at, level.rstrip(), name.rstrip().lower(), text, run, int(seq), line)


def looks_like_time(text: str) -> bool:
    """Say whether *text* is a time as the form of text has it."""
    return len(text) == _TIME_WIDTH and text[4:14:3] == "-- :" and text[:4].isdigit()


def _structured(line: str) -> Record | None:
    parsed = parse_line(line)
    if parsed is None:
        return None
    return Record(
        parsed.at,
        parsed.level,
        parsed.name.lower(),
        f"{parsed.message} |{fields_text(parsed.fields)} "
        f"run={parsed.run} seq={parsed.seq}",
        parsed.run,
        parsed.seq,
        line,
        detail_text(parsed.detail).splitlines() if parsed.detail else [],
    )


class Assembler:
    """Puts lines together to records; keeps the newest until it is complete."""

    def __init__(self) -> None:
        self._pending: Record | None = None

    def feed(self, lines: Iterable[bytes]) -> Iterator[Record]:
        """Yield the records that are complete."""
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            record = first_line(line)
            if record is not None:
                yield from self.flush()
                self._pending = record
            elif self._pending is not None:
                # Of a stranger it may be anything, escape sequences too.
                self._pending.more.append(escaped(line))

    def flush(self) -> Iterator[Record]:
        """Yield what is left."""
        record, self._pending = self._pending, None
        if record is not None:
            yield record


def records(lines: Iterable[bytes]) -> Iterator[Record]:
    """Put the lines of a whole file together to records."""
    assembler = Assembler()
    yield from assembler.feed(lines)
    yield from assembler.flush()
