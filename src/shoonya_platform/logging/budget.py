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

import os
import time
from collections.abc import Collection
from contextlib import nullcontext

from shoonya_platform.logging.chain import Chain, RotationBusyError
from shoonya_platform.logging.errors import BudgetError
from shoonya_platform.logging.notices import Notice
from shoonya_platform.logging.scan import BLOCK, File, Scan, rounded, unlink_same
from shoonya_platform.logging.sizes import size_text

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
# So many, that a rotation has time to end.
_LOOKS = 10


class Budget:
    """
    Holds a directory to its size.

    Args:
        directory: Of the log files.

        budget_bytes: What all its files may take together.

        max_bytes: The size at which each live file is rotated.

        components: Whose backups may go; each has a live file, or may have.

    Raises:
        BudgetError: The live files alone may need more.
    """

    def __init__(
        self,
        directory: str,
        budget_bytes: int,
        max_bytes: int,
        components: Collection[str],
    ) -> None:
        check_budget(budget_bytes, max_bytes, len(components))
        self.directory = directory
        self.components = components
        self.budget_bytes = budget_bytes
        self.max_bytes = max_bytes
        #: No live file grows beyond this, even if it cannot be rotated.
        self.hard_limit = _hard_limit(max_bytes)
        self._step = _step(max_bytes)
        self._turn = rounded(_turn(max_bytes))
        self._checked_at = -_CHECK_SECONDS

    def next_check(self, size: int) -> int:
        """Return the size at which a live file of *size* has to look again."""
        return min(self.max_bytes, (size // self._step + 1) * self._step)

    def checked_lately(self) -> bool:
        """Say whether this process has looked in the last moments."""
        return time.monotonic() < self._checked_at + _CHECK_SECONDS

    def is_foreseen(self, coming_bytes: int) -> bool:
        """Say whether a record so long fits into what is kept free for a new file."""
        return coming_bytes <= self._turn

    def enforce(
        self, own: str, *, rotating: bool = False, needed: int = 0
    ) -> tuple[list[Notice], bool]:
        """
        Delete what has to go so that all live files may grow by another step.

        Args:
            own: The live file that asks; it need not exist yet.

            rotating: Whether it is about to become a backup.

            needed: The size it is about to have.

        Returns:
            What was deleted, and whether everything fits now.
        """
        evicted: list[Notice] = []
        # Each further look is needed only if somebody renames files meanwhile.
        for left in reversed(range(_LOOKS)):
            scan = Scan(self.directory, self.components)
            reserved = self.reserved(scan, own, needed)
            excess = scan.used_bytes + reserved - self.budget_bytes
            # For the new live file: of somebody who rotates by hand, and our own.
            excess += (1 + rotating) * self._turn
            while excess > 0:
                victim = scan.victim()
                if victim is None:
                    self._checked_at = time.monotonic()
                    return evicted, False
                scan.files.remove(victim)
                is_locked = rotating and self._live_of(victim) == own
                if not self._delete(victim, is_locked=is_locked, is_last=not left):
                    break
                excess -= victim.size
                evicted.append(
                    Notice(event="log_evicted", path=victim.path, count=victim.size)
                )
            else:
                self._checked_at = time.monotonic()
                return evicted, True
        return evicted, False

    def _delete(self, victim: File, *, is_locked: bool, is_last: bool) -> bool:
        """
        Delete a backup, unless another file may have its name by now.

        Args:
            is_locked: Whether its component's lock is ours already.

            is_last: Whether not even a rotation that takes long may save it.
        """
        lock = nullcontext() if is_locked else Chain(self._live_of(victim), 0).locked()
        try:
            # Or a rotation between the look and the deletion has a newer one go.
            with lock:
                return unlink_same(victim)
        except RotationBusyError:
            return is_last and unlink_same(victim)
        except OSError:
            # There is no lock to be had.
            return unlink_same(victim)

    def _live_of(self, file: File) -> str:
        return os.path.join(self.directory, f"{file.component}.log")

    def has_room(self, own: str, more: int) -> bool:
        """
        Say whether files may take so much more without one being deleted.

        Args:
            own: A live file; it need not exist yet.

            more: In bytes.
        """
        scan = Scan(self.directory, self.components)
        used = scan.used_bytes + self.reserved(scan, own)
        return used + max(more + BLOCK, 0) <= self.budget_bytes

    def reserved(self, scan: Scan, own: str, needed: int = 0) -> int:
        """
        Return what is kept free for growth, in bytes on disk.

        Args:
            scan: What there is now.

            own: The live file that asks; counts even if it does not exist yet.

            needed: The size it is about to have.
        """
        sizes = {file.path: file.size for file in scan.files if not file.number}
        sizes.setdefault(own, 0)
        growth = 0
        for path, size in sizes.items():
            most = self._may_grow_to(size)
            if path == own:
                most = max(most, rounded(needed))
            growth += max(most - size, 0)
        archive = max(_archive_room(self.max_bytes) - scan.unfinished_bytes, 0)
        return growth + archive

    def _may_grow_to(self, size: int) -> int:
        # Two steps: another process may have looked after us and gone one further.
        # Small files are full before whoever rotates them is on the processor again.
        if self.max_bytes < _SLACK_BYTES:
            return rounded(self.hard_limit)
        return rounded(min(self.hard_limit, (size // self._step + 2) * self._step))


def check_budget(budget_bytes: int, max_bytes: int, count: int) -> None:
    """
    Refuse a budget that the live files alone may exceed.

    Args:
        budget_bytes: What all files may take together.

        max_bytes: The size at which each live file is rotated.

        count: How many live files there may be.

    Raises:
        BudgetError: It is too small; the message shows the arithmetic.
    """
    hard = _hard_limit(max_bytes)
    turn = 2 * _turn(max_bytes)
    archive = _archive_room(max_bytes)
    needed = count * rounded(hard) + rounded(turn) + archive
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
    return _archive_room(max_bytes) - BLOCK


def _step(max_bytes: int) -> int:
    return max_bytes // _STEPS if max_bytes > _SMALL_BYTES else max(max_bytes, 1)


def _turn(max_bytes: int) -> int:
    return min(2 * _step(max_bytes), _hard_limit(max_bytes))


def _hard_limit(max_bytes: int) -> int:
    return max_bytes + max(max_bytes // _SLACK_PART, _SLACK_BYTES)


def _archive_room(max_bytes: int) -> int:
    return rounded(max(max_bytes // _ARCHIVE_PART, _ARCHIVE_BYTES)) + BLOCK
