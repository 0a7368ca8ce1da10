"""What was made of something, for as long as that stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
S = TypeVar("S")
R = TypeVar("R")


class Remembered(Generic[K, S, R]):
    """
    Makes a result again only if its source has changed.

    A day's book of thousands of orders is read over and over, and nearly all of its
    rows are as they were.

    Args:
        make: Makes the result of a source.
    """

    def __init__(self, make: Callable[[S], R]) -> None:
        self._make = make
        self._made: dict[K, tuple[S, R]] = {}

    def of(self, key: K, source: S) -> R:
        """Return what is made of *source*, which has the name *key*."""
        known = self._made.get(key)
        if known is None or known[0] != source:
            known = self._made[key] = (source, self._make(source))
        return known[1]

    def keep(self, keys: Iterable[K]) -> None:
        """Forget all but these; each has been asked for before."""
        self._made = {key: self._made[key] for key in keys}
