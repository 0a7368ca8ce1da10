"""
The entries of each process brought together, as the journal mixes them.

Whoever printed a secret line by line may have been interrupted: systemd's own line
that the unit has ended often stands before the last one.
"""

from __future__ import annotations

import re

_ENTRY = re.compile(rb"20\d\d-\d\d-\d\dT[0-9:+-]{13,} [^ \n]+ ([^ \n]+): ")


def by_process(text: bytes) -> list[tuple[int, int]]:
    """
    Return where the lines of each process are, one process after the other.

    Returns:
        Begin and end of each line in *text*, with its line break; nothing if they
        stand so already.
    """
    lines: dict[bytes, list[tuple[int, int]]] = {}
    source, switches, begin = b"", 0, 0
    for line in text.splitlines(keepends=True):
        match = _ENTRY.match(line)
        # Further lines of an entry are indented.
        if match and match[1] != source:
            source = match[1]
            switches += 1
        lines.setdefault(source, []).append((begin, begin + len(line)))
        begin += len(line)
    if switches < len(lines):
        return []
    return [line for own in lines.values() for line in own]
