"""
The line of text: how it is written and how it is read again.

    2026-02-08 14:25:31.123 | INFO     | DASHBOARD            | text | k=v run=… seq=…
        | continuation, only of a traceback

One record is one line, whatever a caller puts into it; only a traceback goes on,
behind a prefix that no record begins with.  The last ` | ` that is followed by
nothing but fields ends the text, so a text cannot forge fields.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shoonya_platform.logging.jsonlines import parse_object

CONTINUATION = "    | "

_LEVEL_WIDTH = 8
# Formatting a number costs more than looking its text up.
_MILLISECONDS = [f".{number:03d}" for number in range(1000)]
_NAME_WIDTH = 20
# Values that need no quotes.
_BARE = re.compile(r"[\w.,:;/+@%#~<>()\[\]{}!?*&^$'-]+")
_ESCAPES = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_FIELD = r'(?P<{n}>[a-z0-9_]+)=(?P<{v}>"(?:[^"\\]|\\.)*"|[^\s"\\|=]*)'
_ONE_FIELD = re.compile(_FIELD.format(n="name", v="value"))
_ALL_FIELDS = re.compile(
    r'(?:[a-z0-9_]+=(?:"(?:[^"\\]|\\.)*"|[^\s"\\|=]*) )*'
    r"run=(?P<run>[A-Za-z0-9_.:-]+) seq=(?P<seq>[0-9]+)"
)
_HEAD = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \| (?P<level>[^|]{8,}?) \| "
    r"(?P<name>[^|]{20,}?) \| (?P<rest>.*)",
    re.DOTALL,
)


def escaped(text: str) -> str:
    """Return *text* on one line: what is not printable becomes an escape."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(value: str) -> str:
    """Return *value* as it stands behind `name=`: bare if that is unambiguous."""
    if value.isalnum() or value.isidentifier():
        return value
    if _BARE.fullmatch(value):
        return value if value.isprintable() else f'"{escaped(value)}"'
    value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(value)}"'


def fields_text(fields: Mapping[str, str]) -> str:
    """Return ` name=value` for each field, "" for none."""
    text = ""
    for name, value in fields.items():
        text += f" {name}={quoted(value)}"
    return text


def head_text(level: str, name: str) -> str:
    """Return the columns between time and sentence."""
    level = escaped(level).replace("|", "/")
    name = escaped(name).replace("|", "/")
    return f" | {level:<{_LEVEL_WIDTH}} | {name:<{_NAME_WIDTH}} | "


def detail_text(detail: str) -> str:
    """Return a traceback as continuation lines, each with its line break."""
    # split() and not splitlines(): only a line feed starts a line in the file.
    return "".join(
        f"{CONTINUATION}{escaped(line)}\n"
        for line in detail.replace("\t", "    ").split("\n")
    )


class Stamp:
    """
    Turns a record's time into text, the machine's zone, milliseconds.

    The part up to the second is kept: it is the same for most records.
    """

    def __init__(self) -> None:
        # One tuple, replaced whole: threads must never see half of it.
        self._second: tuple[int, str] = (-1, "")

    def text(self, created: float) -> str:
        """Return `2026-02-08 14:25:31.123` for seconds since the epoch."""
        second = int(created)
        known, text = self._second
        if known != second:
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = (second, text)
        return text + _MILLISECONDS[int((created - second) * 1000)]


def time_text(local: datetime) -> str:
    """Return a local time as it stands in a line; it sorts as text."""
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedLine:
    """
    A record's first line, taken apart.

    Attributes:
        at: Local time, as it is in the line of text.

        level: The level's name.

        name: The third column: the component in upper case, or a logger's name.

        message: The sentence, still with its escapes.

        fields: Context without run and seq; escapes of values are undone.

        run: The run of the process that wrote it.

        seq: Counts the records of one component in one run, from 1, without gaps.

        detail: The traceback, if it is in the same line: only in the form of JSON.
    """

    at: str
    level: str
    name: str
    message: str
    fields: dict[str, str]
    run: str
    seq: int
    detail: str = ""


def parse_line(line: str) -> ParsedLine | None:
    """
    Take a line of either form apart; None for what is no record's first line.

    Args:
        line: With or without its line break.
    """
    line = line.rstrip("\n")
    if line.startswith("{"):
        return _parse_json(line)
    head = _HEAD.fullmatch(line)
    if head is None:
        return None
    rest = head["rest"]
    # From the right: the true separator is the last one that fits.
    end = len(rest) - 2
    # One less would do, but separators may overlap: " | | ".
    while (end := rest.rfind(" | ", 0, end + 2)) >= 0:
        tail = _ALL_FIELDS.fullmatch(rest, end + 3)
        if tail is None:
            continue
        fields = {
            field["name"]: _unquoted(field["value"])
            for field in _ONE_FIELD.finditer(rest, end + 3, tail.start("run") - 4)
        }
        return ParsedLine(
            at=head["at"],
            level=head["level"].rstrip(),
            name=head["name"].rstrip(),
            message=rest[:end],
            fields=fields,
            run=tail["run"],
            seq=int(tail["seq"]),
        )
    return None


def _parse_json(line: str) -> ParsedLine | None:
    found = parse_object(line)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(found["at"]).astimezone()
    except ValueError:
        return None
    found["at"] = time_text(at)
    found["message"] = escaped(found["message"])
    return ParsedLine(**found)


_UNESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_ESCAPED = re.compile(
    r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL
)


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPED.sub(_character, value[1:-1])


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return chr(int(code, 16))
    return _UNESCAPES.get(match[4], match[4])
