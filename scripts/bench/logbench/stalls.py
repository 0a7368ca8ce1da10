"""The longest call while a large file is rotated or compressed, or journald hangs."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from pathlib import Path

from logbench import journald
from logbench.contenders import MAX_BYTES
from logbench.running import folder, found, let_go, start, wait_until_ready
from logbench.table import show

_LINE = (
    b"2026-02-08 14:25:31.123 | INFO     | RISK_MANAGER         | Order 12345 risk "
    b"passed: exposure 45 < 60 | order_id=12345 event=risk_passed run=5ce60c1f seq=1\n"
)
_WATCHED_SECONDS = 4
_FILLING_SECONDS = 3
_SIGTERM_SECONDS = 10


def rotation(rounds: int) -> dict[str, float]:
    """Print and return the longest call, in milliseconds, around a rotation."""
    names = ("ours, file only", "RotatingFileHandler", "concurrent-log-handler")
    longest = {}
    rows = []
    for name in names:
        runs = []
        for _ in range(rounds):
            with folder() as place:
                _almost_full(place / "risk_manager.log")
                # Ours compresses it as soon as it is the second backup.
                _almost_full(place / "risk_manager.log.1")
                result = found(start("rotation", name, place, _WATCHED_SECONDS))
                if (
                    not (place / "risk_manager.log.2").exists()
                    and not (place / "risk_manager.log.2.zst").exists()
                ):
                    raise RuntimeError(f"{name} has not rotated")
                runs.append(result)
        longest[name] = max(run["longest"] for run in runs)
        rows.append(_row(name, runs))
    show(
        f"longest call of {_WATCHED_SECONDS} s in ms, with a rotation of a 50 MB file "
        f"and ours with the compression of another, the worst of {rounds} rounds",
        ("", "longest", "less the wait for a processor", "an empty loop as long"),
        rows,
    )
    return longest


def journald_stopped(seconds: int) -> dict[str, float]:
    """Print and return the longest call, in milliseconds, while journald stands."""
    names = ("ours, fan-out", "JournalHandler", "naive fan-out")
    longest = {}
    rows = []
    for name in names:
        with folder() as place:
            child = start("longest", name, place, seconds)
            wait_until_ready(child)
            with journald.stopped():
                # Whoever waits for journald would wait for ever: let it go on.
                release = threading.Timer(seconds + 1.0, journald.go_on)
                release.start()
                result = found(child)
                release.cancel()
        longest[name] = result["longest"]
        rows.append((*_row(name, [result]), str(result["calls"])))
    show(
        f"longest call in ms, with journald stopped (SIGSTOP) for {seconds} s",
        (
            "",
            "longest",
            "less the wait for a processor",
            "an empty loop as long",
            "calls",
        ),
        rows,
    )
    return longest


def sigterm() -> dict[str, float]:
    """Print and return the seconds from SIGTERM to the end while journald stands."""
    ended = {}
    for name in ("ours, fan-out", "JournalHandler", "naive fan-out"):
        with folder() as place:
            child = start("obedient", name, place)
            wait_until_ready(child)
            with journald.stopped():
                let_go(child)
                # By now its queue is full, and so is what ours has for it.
                time.sleep(_FILLING_SECONDS)
                child.terminate()
                began = time.monotonic()
                try:
                    child.wait(_SIGTERM_SECONDS)
                    ended[name] = time.monotonic() - began
                except subprocess.TimeoutExpired:
                    child.kill()
                    ended[name] = math.inf
            error = child.communicate()[1]
            if child.returncode > 0:
                raise RuntimeError(error)
    show(
        f"seconds from SIGTERM to the end, with journald stopped (SIGSTOP), "
        f"{_SIGTERM_SECONDS} at most",
        ("", "ended after"),
        [
            (name, "not at all" if math.isinf(took) else f"{took:.2f}")
            for name, took in ended.items()
        ],
    )
    return ended


def _row(name: str, runs: list[dict[str, float]]) -> tuple[str, str, str, str]:
    longest, own, gap = (
        f"{max(run[key] for run in runs):.2f}"
        for key in ("longest", "ours", "idle_gap")
    )
    return name, longest, own, gap


def _almost_full(path: Path) -> None:
    path.write_bytes(_LINE * ((MAX_BYTES - 20_000) // len(_LINE)))
