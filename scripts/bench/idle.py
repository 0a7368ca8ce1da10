"""
Prints what the eight services cost while nothing happens.

PSS counts a page shared by n processes as 1/n in each, so the sum is what the
machine really gives.  A bare interpreter is measured beside them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from shoonya_platform.testing.receiver import Receiver  # noqa: E402
from shoonya_platform.testing.telegram import (  # noqa: E402
    TOKEN,
    TelegramSimulator,
)
from tests.acceptance.platform import Platform  # noqa: E402 the path comes first

MEMORY_LIMIT_MB = 160
CPU_LIMIT_PERCENT = 1.0


def pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no Pss of {pid}")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def told(folder: Path) -> Iterator[Platform]:
    """Run the platform with people who are told, by apprise and by a Telegram bot."""
    with Receiver() as receiver, TelegramSimulator() as telegram:
        settings = f"""
            [notify]
            telegram_users = [1]
            telegram_url = "{telegram.url}"
        """
        platform = Platform(folder, settings)
        (folder / "credentials" / "notify_urls").write_text(receiver.url)
        (folder / "credentials" / "telegram_token").write_text(TOKEN)
        with platform:
            yield platform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to look")
    parser.add_argument(
        "--notify", action="store_true", help="with notifications and a Telegram bot"
    )
    options = parser.parse_args()
    seconds = options.seconds
    begin = told if options.notify else Platform
    bare = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
    with tempfile.TemporaryDirectory() as folder, begin(Path(folder)) as platform:
        time.sleep(3)
        pids = platform.pids()
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        began = time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        print(f"{'':20} {'PSS MB':>8} {'CPU %':>8}")
        memory = cpu = 0.0
        for name, pid in pids.items():
            used = 100 * (cpu_seconds(pid) - before[name]) / elapsed
            print(f"{name:20} {pss_mb(pid):8.1f} {used:8.2f}")
            memory += pss_mb(pid)
            cpu += used
        print(f"{'all eight':20} {memory:8.1f} {cpu:8.2f}")
        print(f"{'promised at most':20} {MEMORY_LIMIT_MB:8} {CPU_LIMIT_PERCENT:8}")
        print(f"{'a bare interpreter':20} {pss_mb(bare.pid):8.1f}")
    bare.kill()
    bare.wait()


if __name__ == "__main__":
    main()
