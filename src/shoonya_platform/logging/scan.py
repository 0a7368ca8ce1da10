"""What lies in the directory of the log files, and how much of the disk it takes."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from shoonya_platform.logging.chain import ARCHIVE_SUFFIX, UNFINISHED_SUFFIX
from shoonya_platform.logging.deleting import unlink

#: What the disk is given out in.
BLOCK = 4096
_NAME = re.compile(
    rf"([a-z0-9_]+)\.log(?:\.([1-9][0-9]*)({re.escape(ARCHIVE_SUFFIX)})?)?"
)


@dataclass(frozen=True, slots=True)
class File:
    """
    One file of a component.

    Attributes:
        path: Where it is.

        component: Whose it is.

        number: Of the backup; 0: the live file.

        archived: Whether it is compressed.

        size: In bytes on disk.

        inode: Which file it is, whatever its name is by now.
    """

    path: str
    component: str
    number: int
    archived: bool
    size: int
    inode: tuple[int, int]


class Scan:
    """
    All files of a directory, as they were a moment ago.

    Args:
        directory: Of the log files.

        components: Whose files they are; all others only count.
    """

    def __init__(self, directory: str, components: Collection[str]) -> None:
        self.files: list[File] = []
        self.other_bytes = 0
        self.unfinished_bytes = 0
        for entry in _entries(directory):
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                # Renamed or deleted just now.
                continue
            size = on_disk(found)
            match = _NAME.fullmatch(entry.name)
            regular = stat.S_ISREG(found.st_mode)
            if match and regular and match[1] in components:
                self.files.append(
                    File(
                        entry.path,
                        match[1],
                        int(match[2] or 0),
                        bool(match[3]),
                        size,
                        (found.st_ino, found.st_dev),
                    )
                )
            elif entry.name.endswith(UNFINISHED_SUFFIX):
                self.unfinished_bytes += size
            else:
                self.other_bytes += size
                if stat.S_ISDIR(found.st_mode):
                    self.other_bytes += _tree_bytes(entry.path)
        with contextlib.suppress(OSError):
            self.other_bytes += on_disk(os.stat(directory))

    @property
    def used_bytes(self) -> int:
        return (
            sum(file.size for file in self.files)
            + self.other_bytes
            + self.unfinished_bytes
        )

    def victim(self) -> File | None:
        """Return the oldest backup of the component that uses most."""
        uses: dict[str, int] = {}
        oldest: dict[str, File] = {}
        for file in self.files:
            uses[file.component] = uses.get(file.component, 0) + file.size
            if file.number and (
                file.component not in oldest
                or file.number > oldest[file.component].number
            ):
                oldest[file.component] = file
        if not oldest:
            return None
        return oldest[max(oldest, key=lambda name: uses[name])]


def on_disk(found: os.stat_result) -> int:
    """Return what a file takes: its blocks, or its bytes if they are yet to come."""
    return max(found.st_blocks * 512, rounded(found.st_size))


def unlink_same(victim: File) -> bool:
    """Delete the file unless something else has taken its name meanwhile."""
    try:
        found = os.stat(victim.path, follow_symlinks=False)
        if (found.st_ino, found.st_dev) != victim.inode:
            return False
        unlink(victim.path)
    except OSError:
        return False
    return True


def rounded(size: int) -> int:
    """Return *size* in whole blocks."""
    return -(-size // BLOCK) * BLOCK


def _entries(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            yield from list(found)
    except OSError:
        return


def _tree_bytes(directory: str) -> int:
    total = 0
    for entry in _entries(directory):
        with contextlib.suppress(OSError):
            total += on_disk(entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                total += _tree_bytes(entry.path)
    return total
