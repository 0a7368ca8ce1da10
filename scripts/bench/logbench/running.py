"""Starting measurements, each in a process and a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
ROOT = BENCH.parents[1]


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for the files, on the disk where the machine has one."""
    with tempfile.TemporaryDirectory(prefix="log-bench-", dir="/var/tmp") as name:
        yield Path(name)


def start(
    task: str, contender: str, place: Path, *numbers: int
) -> subprocess.Popen[str]:
    """Start a measurement."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "logbench.child",
            task,
            contender,
            str(place),
            *map(str, numbers),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=BENCH,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    """
    Wait until a measurement only waits to be let go.

    Raises:
        RuntimeError: It ended instead.
    """
    if process.stdout is None or process.stdout.readline() != "ready\n":
        raise RuntimeError(process.communicate()[1])


def let_go(process: subprocess.Popen[str]) -> None:
    """Let a measurement begin that waits for it."""
    if process.stdin is not None:
        process.stdin.write("go\n")
        process.stdin.flush()


def found(process: subprocess.Popen[str]) -> dict[str, Any]:
    """
    Wait for a measurement's end and return what it found.

    Raises:
        RuntimeError: It failed; its last line is in the message.
    """
    out, error = process.communicate("go\n", timeout=600)
    if process.returncode != 0:
        raise RuntimeError((error.strip().splitlines() or ["no word"])[-1])
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def measured(task: str, contender: str, *numbers: int) -> dict[str, Any]:
    """Run a measurement from start to end."""
    with folder() as place:
        return found(start(task, contender, place, *numbers))
