"""The copy on stderr: written to, and known for what it is."""

from __future__ import annotations

import contextlib
import os
import sys


def write_to_console(line: str) -> None:
    """Write a whole line to stderr; nothing happens where there is none."""
    # Looked up each time: programs and test runners replace it.  None under
    # pythonw-like starts, closed at the end of the process.
    stream = sys.stderr
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream.write(line)
        stream.flush()


def stderr_is_journal() -> bool:
    """Say whether stderr is the stream that systemd connects to the journal."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        found = os.fstat(2)
        return (int(device), int(inode)) == (found.st_dev, found.st_ino)
    except (OSError, ValueError):
        return False
