"""
What a process could not write to its file when it ended, left for the next one.

A full disk takes no bytes, but it still takes a name and the few that a symbolic
link points to: those stand in the directory's own blocks and in the inode.

    .dashboard.log.5ce60c1f.3001.lost -> 190
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass

_SUFFIX = ".lost"


@dataclass(frozen=True, slots=True)
class Leftover:
    """
    Records that are in no file.

    Attributes:
        path: Of the link.

        run: Whose they were.

        last: The number of the record that told of them, lost as well.

        count: How many there are in front of it.
    """

    path: str
    run: str
    last: int
    count: int


def leave(path: str, run: str, last: int, count: int) -> None:
    """Leave word about the file at *path*; nothing happens where that fails."""
    directory, name = os.path.split(path)
    # A read-only disk takes no name either: the journal alone has been told.
    with contextlib.suppress(OSError):
        os.symlink(
            str(count), os.path.join(directory, f".{name}.{run}.{last}{_SUFFIX}")
        )


def found(path: str) -> list[Leftover]:
    """Return what was left about the file at *path*."""
    directory, name = os.path.split(path)
    pattern = re.compile(
        rf"\.{re.escape(name)}\.(?P<run>.+)\.(?P<last>[0-9]+){re.escape(_SUFFIX)}"
    )
    leftovers = []
    with contextlib.suppress(OSError):
        for candidate in sorted(os.listdir(directory)):
            match = pattern.fullmatch(candidate)
            if match is None:
                continue
            link = os.path.join(directory, candidate)
            with contextlib.suppress(OSError, ValueError):
                count = int(os.readlink(link))
                leftovers.append(
                    Leftover(link, match["run"], int(match["last"]), count)
                )
    return leftovers


def forget(leftover: Leftover) -> None:
    """Remove what has been told."""
    with contextlib.suppress(OSError):
        os.unlink(leftover.path)
