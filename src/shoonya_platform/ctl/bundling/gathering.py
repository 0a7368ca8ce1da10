"""
The entries of each process brought together, as the journal mixes them.

Whoever printed a secret line by line may have been interrupted: systemd's own line
that the unit has ended may stand before the last one.
"""

from __future__ import annotations

import re

#: What stands in front of an entry; the group names the process.
ENTRY_HEAD = rb"20\d\d-\d\d-\d\dT[0-9:+-]{13,} [^ \n]+ ([^ \n]+): "
_ENTRY = re.compile(ENTRY_HEAD)


def by_process(text: bytes) -> list[tuple[int, int]]:
    """
    Return where the lines of each process are, one process after the other.

    Returns:
        Begin and end of each line in *text*, with its line break; nothing if they
        stand so already.
    """
    lines: dict[bytes, list[tuple[int, int]]] = {}
    process, begin = b"", 0
    for line in text.splitlines(keepends=True):
        # Further lines of an entry are indented.
        if match := _ENTRY.match(line):
            process = match[1]
        lines.setdefault(process, []).append((begin, begin + len(line)))
        begin += len(line)
    gathered = [line for own in lines.values() for line in own]
    return gathered if gathered != sorted(gathered) else []
