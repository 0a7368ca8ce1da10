"""How much memory this process holds, and how much it may."""

from __future__ import annotations

import os
from pathlib import Path

#: Of the unit's hard limit; the rest is for finishing in order.
SHARE = 0.8

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(proc: Path = Path("/proc")) -> int:
    """Return what this process holds in memory; 0 where it cannot be known."""
    try:
        return int((proc / "self" / "statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def soft_limit_bytes(
    configured: int, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")
) -> int:
    """
    Return the limit at which to end in order.

    The kernel's own soft limit (`MemoryHigh=`) is not used: it slows a process down
    until it seems to hang, where this one still works at full speed.

    Args:
        configured: As long as the unit allows for more.
    """
    try:
        line = (proc / "self" / "cgroup").read_text().splitlines()[-1]
        folder = cgroups / line.removeprefix("0::/")
        hard = (folder / "memory.max").read_text().strip()
    except (OSError, IndexError):
        return configured
    return min(configured, int(int(hard) * SHARE)) if hard.isdigit() else configured
