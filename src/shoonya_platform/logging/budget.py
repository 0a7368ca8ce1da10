"""
One size for the whole directory of the log files, never exceeded.

Live files grow without asking, so what they may grow to before somebody looks
again is kept free for them: the invariant is

    files + what each live file may still grow + one archive in the making <= budget

and it is restored, by deleting the oldest backup of the component that uses most,
before a file is rotated and each time a live file has grown by a step.  Processes
do not wait for each other here; what two of them may do at the same moment is
part of what is kept free.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.logging.chain import ARCHIVE_SUFFIX, UNFINISHED_SUFFIX
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.errors import BudgetError
from shoonya_platform.logging.notices import Notice
from shoonya_platform.logging.sizes import parse_size, size_text

DEFAULT_BUDGET = "700M"

# A larger file is looked after in this many steps, a smaller one as a whole.
_STEPS = 16
_SMALL_BYTES = 4 << 20
# While the one that rotates is not given the processor, the others write on.
_SLACK_PART = 8
_SLACK_BYTES = 1 << 20
_ARCHIVE_PART = 3
_ARCHIVE_BYTES = 64 << 10
_CHECK_SECONDS = 0.2
_BLOCK = 4096
_NAME = re.compile(rf"([a-z_]+)\.log(?:\.([1-9][0-9]*)({re.escape(ARCHIVE_SUFFIX)})?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentUse:
    """What one component's files take, in bytes on disk; `total_bytes` is the sum."""

    component: str
    live_bytes: int
    backup_bytes: int
    archive_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """
    What the log directory takes and may come to take, in bytes on disk.

    Attributes:
        log_dir: The directory.

        budget_bytes: What it is held to.

        used_bytes: What it takes now, all files counted.

        other_bytes: The part of it that belongs to no component.

        predicted_bytes: What it takes at most: all live files full, all backups
            there and none compressed, or the budget if that is less.

        reserved_bytes: Kept free for what the live files may grow by.

        components: By component, the largest first.

        next_evicted: The file that goes first when room is needed, None if there
            is none.
    """

    log_dir: Path
    budget_bytes: int
    used_bytes: int
    other_bytes: int
    predicted_bytes: int
    reserved_bytes: int
    components: tuple[ComponentUse, ...]
    next_evicted: Path | None


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    component: str
    # 0: live.
    number: int
    archived: bool
    size: int
    inode: tuple[int, int]


class _Scan:
    """All files of a directory, as they were a moment ago."""

    def __init__(self, directory: str) -> None:
        self.files: list[_File] = []
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
            if match and regular and match[1] in COMPONENTS:
                self.files.append(
                    _File(
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

    def victim(self) -> _File | None:
        """Return the oldest backup of the component that uses most."""
        uses: dict[str, int] = {}
        oldest: dict[str, _File] = {}
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


class Budget:
    """
    Holds a directory to its size.

    Args:
        directory: Of the log files.

        budget_bytes: What all its files may take together.

        max_bytes: The size at which each live file is rotated.

    Raises:
        BudgetError: The live files alone may need more.
    """

    def __init__(self, directory: str, budget_bytes: int, max_bytes: int) -> None:
        check_budget(budget_bytes, max_bytes)
        self.directory = directory
        self.budget_bytes = budget_bytes
        self.max_bytes = max_bytes
        #: No live file grows beyond this, even if it cannot be rotated.
        self.hard_limit = _hard_limit(max_bytes)
        self._step = _step(max_bytes)
        self._turn = _rounded(_turn(max_bytes))
        self._checked_at = -_CHECK_SECONDS

    def next_check(self, size: int) -> int:
        """Return the size at which a live file of *size* has to look again."""
        return min(self.max_bytes, (size // self._step + 1) * self._step)

    def checked_lately(self) -> bool:
        """Say whether this process has looked in the last moments."""
        return time.monotonic() < self._checked_at + _CHECK_SECONDS

    def enforce(self, own: str, *, rotating: bool = False) -> tuple[list[Notice], bool]:
        """
        Delete what has to go so that all live files may grow by another step.

        Args:
            own: The live file that asks; it need not exist yet.

            rotating: Whether it is about to become a backup.

        Returns:
            What was deleted, and whether everything fits now.
        """
        evicted: list[Notice] = []
        # Each further look is needed only if somebody renamed files meanwhile.
        for _ in range(10):
            scan = _Scan(self.directory)
            excess = scan.used_bytes + self._reserved(scan, own) - self.budget_bytes
            # For the new live file: of somebody who rotates by hand, and our own.
            excess += (1 + rotating) * self._turn
            while excess > 0:
                victim = scan.victim()
                if victim is None:
                    self._checked_at = time.monotonic()
                    return evicted, False
                scan.files.remove(victim)
                if not _unlink_same(victim):
                    break
                excess -= victim.size
                evicted.append(
                    Notice(event="log_evicted", path=victim.path, count=victim.size)
                )
            else:
                self._checked_at = time.monotonic()
                return evicted, True
        return evicted, False

    def _reserved(self, scan: _Scan, own: str) -> int:
        growth = 0
        seen = False
        for file in scan.files:
            if not file.number:
                seen = seen or file.path == own
                growth += max(self._may_grow_to(file.size) - file.size, 0)
        if not seen:
            growth += self._may_grow_to(0)
        archive = max(_archive_room(self.max_bytes) - scan.unfinished_bytes, 0)
        return growth + archive

    def _may_grow_to(self, size: int) -> int:
        # Two steps: another process may have looked after us and gone one further.
        return _rounded(min(self.hard_limit, (size // self._step + 2) * self._step))


def disk_use(
    log_dir: str | os.PathLike[str],
    *,
    budget: int | str = DEFAULT_BUDGET,
    max_bytes: int = 50 << 20,
    backup_count: int = 10,
) -> DiskUse:
    """
    Say what the files of *log_dir* take, what they may come to, and what goes next.

    Args:
        log_dir: Where the files are.

        budget: What the directory is held to.

        max_bytes: The size at which each file is rotated.

        backup_count: How many old files are kept of each.

    Raises:
        BudgetError: The live files alone may need more than the budget.
    """
    directory = os.path.abspath(log_dir)
    budget_bytes = parse_size(budget)
    held = Budget(directory, budget_bytes, max_bytes)
    scan = _Scan(directory)
    victim = scan.victim()
    uses = [_use_of(name, scan.files) for name in COMPONENTS]
    most = len(COMPONENTS) * (_hard_limit(max_bytes) + backup_count * max_bytes)
    return DiskUse(
        log_dir=Path(directory),
        budget_bytes=budget_bytes,
        used_bytes=scan.used_bytes,
        other_bytes=scan.other_bytes + scan.unfinished_bytes,
        predicted_bytes=min(budget_bytes, most + scan.other_bytes),
        reserved_bytes=held._reserved(scan, ""),
        components=tuple(sorted(uses, key=lambda use: use.total_bytes, reverse=True)),
        next_evicted=None if victim is None else Path(victim.path),
    )


def check_budget(budget_bytes: int, max_bytes: int) -> None:
    """
    Refuse a budget that the live files alone may exceed.

    Raises:
        BudgetError: It is too small; the message shows the arithmetic.
    """
    count = len(COMPONENTS)
    hard = _hard_limit(max_bytes)
    turn = 2 * _turn(max_bytes)
    archive = _archive_room(max_bytes)
    needed = count * _rounded(hard) + _rounded(turn) + archive
    if needed > budget_bytes:
        raise BudgetError(
            f"a log budget of {size_text(budget_bytes)} is too small: {count} live "
            f"files of {size_text(max_bytes)} and {size_text(hard - max_bytes)} while "
            f"they are rotated are {size_text(count * hard)}, new files "
            f"{size_text(turn)}, an archive in the making {size_text(archive)}: "
            f"{size_text(needed)}",
            hint="make the budget larger, or max_bytes smaller",
        )


def archive_limit(max_bytes: int) -> int:
    """Return what an archive in the making may take before it is given up."""
    return _archive_room(max_bytes) - _BLOCK


def on_disk(found: os.stat_result) -> int:
    """Return what a file takes: its blocks, or its bytes if they are yet to come."""
    return max(found.st_blocks * 512, _rounded(found.st_size))


def _use_of(component: str, files: Sequence[_File]) -> ComponentUse:
    own = [file for file in files if file.component == component]
    live = sum(file.size for file in own if not file.number)
    archives = sum(file.size for file in own if file.archived)
    total = sum(file.size for file in own)
    return ComponentUse(
        component=component,
        live_bytes=live,
        backup_bytes=total - live - archives,
        archive_bytes=archives,
        total_bytes=total,
    )


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


def _unlink_same(victim: _File) -> bool:
    """Delete the file unless something else has taken its name meanwhile."""
    try:
        found = os.stat(victim.path, follow_symlinks=False)
        if (found.st_ino, found.st_dev) != victim.inode:
            return False
        os.unlink(victim.path)
    except OSError:
        return False
    return True


def _rounded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _step(max_bytes: int) -> int:
    return max_bytes // _STEPS if max_bytes > _SMALL_BYTES else max(max_bytes, 1)


def _turn(max_bytes: int) -> int:
    return min(2 * _step(max_bytes), _hard_limit(max_bytes))


def _hard_limit(max_bytes: int) -> int:
    return max_bytes + max(max_bytes // _SLACK_PART, _SLACK_BYTES)


def _archive_room(max_bytes: int) -> int:
    return _rounded(max(max_bytes // _ARCHIVE_PART, _ARCHIVE_BYTES)) + _BLOCK
