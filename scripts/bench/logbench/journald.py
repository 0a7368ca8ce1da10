"""The journald of the machine: its processor time, stopping it, letting it go on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")


def pid() -> int:
    """Return its process id."""
    done = subprocess.run(
        ["systemctl", "show", "--property=MainPID", "--value", "systemd-journald"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def cpu_seconds() -> float:
    """Return the processor time it has used, once it has written all it was sent."""
    subprocess.run(["journalctl", "--sync"], check=True)
    columns = Path(f"/proc/{pid()}/stat").read_text().rpartition(")")[2].split()
    return (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def stopped() -> Iterator[None]:
    """Stop it, as a hanging disk would."""
    process = pid()
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def go_on() -> None:
    """Let it go on in spite of all."""
    os.kill(pid(), signal.SIGCONT)
