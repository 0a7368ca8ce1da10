"""What the log directory takes, and what it may come to, for people to read."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.logging.budget import DEFAULT_BUDGET, Budget
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.scan import File, Scan
from shoonya_platform.logging.sizes import parse_size


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


def disk_use(
    log_dir: str | os.PathLike[str],
    *,
    components: Collection[str] = COMPONENTS,
    budget: int | str = DEFAULT_BUDGET,
    max_bytes: int = 50 << 20,
    backup_count: int = 10,
) -> DiskUse:
    """
    Say what the files of *log_dir* take, what they may come to, and what goes next.

    Args:
        log_dir: Where the files are.

        components: Whose files they are.

        budget: What the directory is held to.

        max_bytes: The size at which each file is rotated.

        backup_count: How many old files are kept of each.

    Raises:
        BudgetError: The live files alone may need more than the budget.
    """
    directory = os.path.abspath(log_dir)
    budget_bytes = parse_size(budget)
    held = Budget(directory, budget_bytes, max_bytes, components)
    scan = Scan(directory, components)
    victim = scan.victim()
    uses = [_use_of(name, scan.files) for name in components]
    most = len(components) * (held.hard_limit + backup_count * max_bytes)
    return DiskUse(
        log_dir=Path(directory),
        budget_bytes=budget_bytes,
        used_bytes=scan.used_bytes,
        other_bytes=scan.other_bytes + scan.unfinished_bytes,
        predicted_bytes=min(budget_bytes, most + scan.other_bytes),
        reserved_bytes=held.reserved(scan, ""),
        components=tuple(sorted(uses, key=lambda use: use.total_bytes, reverse=True)),
        next_evicted=None if victim is None else Path(victim.path),
    )


def _use_of(component: str, files: Sequence[File]) -> ComponentUse:
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
