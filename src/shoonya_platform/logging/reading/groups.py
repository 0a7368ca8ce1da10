"""
The same error said a thousand times, as one: grouped by what does not change.

    "order 42 refused by 10.0.0.7"  ─▶  "order <n> refused by <address>"
    a traceback                     ─▶  "ValueError in execution/planning.py, plan"
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from shoonya_platform.logging.reading.records import Record

#: Of more kinds than this the rest are counted as one.
MOST_GROUPS = 1000
OTHERS = "<other errors>"

_PARTS = (
    (re.compile(r"0x[0-9a-fA-F]+"), "<address>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (
        re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
        "<id>",
    ),
    # A word of letters and digits with a dash in it, or a long one: O261124-7K3M-1.
    (
        re.compile(
            r"\b(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])"
            r"(?:[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)+|[A-Za-z0-9_]{8,})\b"
        ),
        "<id>",
    ),
    (re.compile(r"\d+(?:[.,:/-]\d+)*"), "<n>"),
)
_FRAME = re.compile(r'\s*File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<name>.+)')
_TRACEBACK = "Traceback (most recent call last):"
_OURS = "shoonya_platform/"
_STRANGERS = re.compile(r"/(?:site|dist)-packages/|/lib(?:64)?/python\d|^<")


@dataclass(slots=True)
class Group:
    """
    One kind of error.

    Attributes:
        template: What they have in common.

        count: How many there are.

        first_at: The time of the first; local.

        example: The newest, whole.
    """

    template: str
    count: int
    first_at: str
    last_at: str
    example: Record
    components: set[str] = field(default_factory=set)


def grouped(records: Iterable[Record]) -> list[Group]:
    """Return the kinds of errors among *records*, the most frequent first."""
    groups: dict[str, Group] = {}
    for record in records:
        template = template_of(record)
        if template not in groups and len(groups) >= MOST_GROUPS:
            template = OTHERS
        group = groups.get(template)
        if group is None:
            group = groups[template] = Group(template, 0, record.at, record.at, record)
        group.count += 1
        group.last_at = record.at
        group.example = record
        group.components.add(record.component)
    return sorted(
        groups.values(), key=lambda group: (group.count, group.last_at), reverse=True
    )


def template_of(record: Record) -> str:
    """Return what a record has in common with others of its kind."""
    if record.more:
        found = _of_traceback(record.detail)
        if found:
            return found
    return normalized(record.sentence)


def normalized(text: str) -> str:
    """Return *text* without numbers, ids and addresses."""
    for pattern, word in _PARTS:
        text = pattern.sub(word, text)
    return text


def _of_traceback(lines: list[str]) -> str:
    """Return type and innermost frame of ours, "" if it is no traceback."""
    begins = [n for n, line in enumerate(lines) if _TRACEBACK in line]
    if not begins:
        return ""
    innermost: re.Match[str] | None = None
    # Of a chain the last one is what was raised in the end.
    for line in lines[begins[-1] + 1 :]:
        text = line.lstrip("| ") if line.startswith("  |") else line
        frame = _FRAME.fullmatch(text)
        if frame is not None:
            if innermost is None or _is_ours(frame) or not _is_ours(innermost):
                innermost = frame
        elif text and not text[0].isspace() and not text.startswith("+"):
            kind = text.partition(":")[0].strip()
            return f"{kind} in {_place(innermost)}" if innermost else kind
    return ""


def _is_ours(frame: re.Match[str]) -> bool:
    path = frame["path"]
    return _OURS in path or not _STRANGERS.search(path)


def _place(frame: re.Match[str]) -> str:
    path = frame["path"].rpartition(_OURS)[2]
    if path.startswith("/"):
        path = path.rpartition("/")[2]
    return f"{path}, {frame['name']}"
