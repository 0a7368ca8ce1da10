"""Which records are wanted; most others are told by their bytes, unread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from shoonya_platform.logging.reading.records import LEVELS, Record

# Where the level stands in the form of text.
_LEVEL = slice(26, 34)
_LITERAL = re.compile(r"[A-Za-z0-9_=:,/@# -]+")


class Filter:
    """
    Wants records of a level and above that match a pattern.

    Args:
        lowest: One of `LEVELS`.  Levels of other names are always wanted.

        pattern: A regular expression for the text or a line of the traceback.

    Raises:
        re.error: It is none.
    """

    def __init__(self, lowest: str = "DEBUG", pattern: str | None = None) -> None:
        self._unwanted = set(LEVELS[: LEVELS.index(lowest)])
        self._unwanted_bytes = {level.ljust(8).encode() for level in self._unwanted}
        self._pattern = re.compile(pattern) if pattern else None
        is_literal = pattern and _LITERAL.fullmatch(pattern)
        self._needle = pattern.encode() if pattern and is_literal else b""

    def __call__(self, record: Record) -> bool:
        """Say whether *record* is wanted."""
        if record.level in self._unwanted:
            return False
        pattern = self._pattern
        return (
            pattern is None
            or pattern.search(record.text) is not None
            or any(pattern.search(line) for line in record.more)
        )

    def may_be(self, first: bytes, more: Iterable[bytes] = ()) -> bool:
        """
        Say whether a record may be wanted.

        Args:
            first: Its first line.

            more: The other ones.
        """
        if first[:1] == b"{":
            return True
        if first[_LEVEL] in self._unwanted_bytes:
            return False
        needle = self._needle
        return needle in first or any(needle in line for line in more)

    def sieved(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Leave out the records of levels that are not wanted."""
        unwanted = self._unwanted_bytes
        is_wanted = True
        for line in lines:
            if line[:1] != b" ":
                is_wanted = line[_LEVEL] not in unwanted or line[:1] == b"{"
            if is_wanted:
                yield line


#: Wants everything.
ALL = Filter()
