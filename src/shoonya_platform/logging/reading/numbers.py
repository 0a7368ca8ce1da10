"""Sets of sequence numbers, kept as ranges: a million in a row take one."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

#: Both ends belong to it.
Range = tuple[int, int]


class Numbers:
    """Whole numbers from 1 on; cheap when most of them come in order."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for first, last in ranges:
            self._starts.append(first)
            self._ends.append(last)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __len__(self) -> int:
        return sum(self._ends) - sum(self._starts) + len(self._starts)

    def __iter__(self) -> Iterator[Range]:
        return zip(self._starts, self._ends, strict=True)

    @property
    def last(self) -> int:
        """The highest, 0 if there is none."""
        return self._ends[-1] if self._ends else 0

    def add(self, number: int) -> bool:
        """Add *number*; say whether it is new."""
        starts, ends = self._starts, self._ends
        if ends and number == ends[-1] + 1:
            ends[-1] = number
            return True
        place = bisect.bisect_right(starts, number)
        if place and number <= ends[place - 1]:
            return False
        joins_left = bool(place) and ends[place - 1] == number - 1
        joins_right = place < len(starts) and starts[place] == number + 1
        if joins_left and joins_right:
            ends[place - 1] = ends.pop(place)
            del starts[place]
        elif joins_left:
            ends[place - 1] = number
        elif joins_right:
            starts[place] = number
        else:
            starts.insert(place, number)
            ends.insert(place, number)
        return True

    def missing(self, first: int, last: int) -> list[Range]:
        """Return what is not in here, from *first* to *last*."""
        found = []
        for start, end in self:
            if start > last:
                break
            if end < first:
                continue
            if start > first:
                found.append((first, start - 1))
            first = end + 1
        if first <= last:
            found.append((first, last))
        return found


def count(ranges: Iterable[Range]) -> int:
    """Return how many numbers *ranges* hold."""
    return sum(last - first + 1 for first, last in ranges)


def common(one: Iterable[Range], other: Iterable[Range]) -> list[Range]:
    """Return what is in both; each is in order and does not overlap itself."""
    found = []
    left, right = list(one), list(other)
    i = j = 0
    while i < len(left) and j < len(right):
        first = max(left[i][0], right[j][0])
        last = min(left[i][1], right[j][1])
        if first <= last:
            found.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def text(ranges: Iterable[Range]) -> str:
    """Return `3, 7-12`."""
    return ", ".join(
        str(first) if first == last else f"{first}-{last}" for first, last in ranges
    )
