"""Sizes as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", re.IGNORECASE)


def parse_size(size: int | str) -> int:
    """
    Read a number of bytes: `52428800`, `700M`, `1.5 GiB`.

    Raises:
        ValueError: It is no size.
    """
    match = _SIZE.fullmatch(str(size))
    if match is None or isinstance(size, bool):
        raise ValueError(f"expected bytes or a size such as '700M', was {size!r}")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def size_text(size: int) -> str:
    """Return *size* in the unit that suits it: `56.2 MB`."""
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1024:
            return f"{number:.1f} {unit}" if unit != "bytes" else f"{size} bytes"
        number /= 1024
    return f"{number:.1f} GB"
