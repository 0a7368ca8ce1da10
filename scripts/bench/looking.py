"""The ways to an order's records: with the index, and by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from retention import Order

from shoonya_platform.tracing.lines import find_lines

ROOT = Path(__file__).resolve().parents[2]


def ways(home: Path, this: Order) -> dict[str, Callable[[], int]]:
    """Return each way to count an order's records, by name."""
    log_dir, words = home / "log", f"Order {this.number}\\b|{this.alert_id}"
    return {
        "trace": lambda: traced(home, this.alert_id),
        "of no time": lambda: found(log_dir, this.ids),
        "zstdgrep, grep": lambda: grepped(log_dir, this.alert_id),
        "journalctl -g": lambda: journalled(home, "-g", words),
        "journalctl FIELD=": lambda: journalled(
            home, f"SHOONYA_ALERT_ID={this.alert_id}"
        ),
    }


def traced(home: Path, alert_id: str) -> int:
    """Count the lines that the command shows, from its start to its end."""
    shown = subprocess.run(
        [ROOT / ".venv" / "bin" / "shoonyactl", "trace", alert_id, "--json"],
        env={**os.environ, "SHOONYA_CONFIG": f"{home}/shoonya.toml"},
        capture_output=True,
        check=True,
    )
    steps = json.loads(shown.stdout)["steps"]
    return sum(step["kind"] == "line" and "file" in step["copies"] for step in steps)


def found(log_dir: Path, ids: set[str]) -> int:
    """Look in all files as if nobody knew when the order lived."""
    late = datetime.now().astimezone() + timedelta(days=3650)
    return len(
        find_lines(
            log_dir,
            ids,
            since=late - timedelta(days=7300),
            until=late,
            journal=False,
            tell=sys.exit,
        )
    )


def grepped(log_dir: Path, needle: str) -> int:
    """Look as one does by hand: zstdgrep for archives, grep for the rest."""
    archives = sorted(map(str, log_dir.glob("*.log.*.zst")))
    plain = sorted(set(map(str, log_dir.glob("*.log*"))) - set(archives))
    return counted("zstdgrep", "-F", "-h", needle, *archives) + counted(
        "grep", "-F", "-h", needle, *plain
    )


def journalled(home: Path, *asked: str) -> int:
    # Rotated, as journald's own.
    files = f"--file={home}/some*.journal"
    return counted("journalctl", files, "--quiet", "--no-pager", "--output=cat", *asked)


def counted(*command: str) -> int:
    shown = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    # Of a traceback only the first line counts.
    return sum(line[:1] in "OA2" for line in shown.stdout.splitlines() if line)


def forget(log_dir: Path) -> None:
    """Have the kernel read the files anew, as in the morning."""
    for path in log_dir.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
