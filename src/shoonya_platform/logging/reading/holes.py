"""The numbers that a copy lacks, taken away piece by piece as they are explained."""

from __future__ import annotations

from shoonya_platform.logging.reading.copies import RunCopy
from shoonya_platform.logging.reading.numbers import Numbers, Range, common, count


class Holes:
    """
    The missing numbers of one run in one copy, as stretches.

    What is taken is no longer in `ranges`, and is what the call returns.
    """

    def __init__(self, ranges: list[Range]) -> None:
        self.ranges = ranges

    def take_old(self, limit: int, other: RunCopy) -> list[Range]:
        """
        Take what is older than all that this copy keeps.

        Args:
            limit: No higher number is.

            other: What the other copy has of it, and knows not to be that old.
        """
        old = common(self.ranges, [(1, limit)])
        young = common(other.numbers, [(other.old + 1, limit)])
        taken = [
            part for first, last in old for part in Numbers(young).missing(first, last)
        ]
        self._remove(taken)
        return taken

    def take(self, number: int, *, below: int) -> tuple[list[Range], int]:
        """Take up to so many, the highest below *below* first; and what is left."""
        taken: list[Range] = []
        for first, last in reversed(common(self.ranges, [(1, below - 1)])):
            if not number:
                break
            begin = max(first, last - number + 1)
            number -= last - begin + 1
            taken.insert(0, (begin, last))
        self._remove(taken)
        return taken, number

    def take_one(self, number: int) -> list[Range]:
        taken = common(self.ranges, [(number, number)])
        self._remove(taken)
        return taken

    def take_end(self, last: int, most: int) -> list[Range]:
        """Take the stretch up to *last*, unless it is longer than *most*."""
        if not self.ranges or self.ranges[-1][1] != last:
            return []
        if count(self.ranges[-1:]) > most:
            return []
        taken = self.ranges[-1:]
        self._remove(taken)
        return taken

    def _remove(self, taken: list[Range]) -> None:
        gone = Numbers(taken)
        self.ranges = [part for hole in self.ranges for part in gone.missing(*hole)]
