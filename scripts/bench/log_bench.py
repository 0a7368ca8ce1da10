"""
Prints what logging costs: ours beside what people use today, in one run.

On a machine with journald it runs as it is; elsewhere, as root, it boots one (a
container over this system, see tests/booted/machine.py).  The peers are fetched
into a folder of the benchmark's own.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from logbench import callers, journald, processes, stalls  # noqa: E402 the path first
from logbench.table import show  # noqa: E402

PEERS = ROOT / ".venv" / "bench-logging"
PINNED = (
    "concurrent-log-handler==0.9.31",
    "loguru==0.7.3",
    "picologging==0.9.3",
    "cysystemd==2.0.5",
)


def fetch_peers() -> None:
    """Install the peers, each by itself: one that cannot be built is told of."""
    for requirement in PINNED:
        name = requirement.partition("=")[0]
        place = PEERS / name
        if place.exists():
            continue
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
        done = subprocess.run(
            [*command, str(place), requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            print(f"{name} cannot be installed: {done.stderr.strip()[-200:]}")


def in_a_machine(arguments: list[str]) -> None:
    """Boot a machine with journald, and run there."""
    from tests.booted.machine import booted, why_not

    if (reason := why_not()) is not None:
        raise SystemExit(f"no journald here, and no machine can be booted: {reason}")
    binds = {str(path): path for path in {ROOT, Path(sys.base_prefix).resolve()}}
    with booted("bench", binds) as machine:
        # As systemd does it where it boots the machine itself, and without the
        # limit that would throw away most of a benchmark.
        machine.run("sh", "-c", "echo 512 >/proc/sys/net/unix/max_dgram_qlen")
        machine.run("mkdir", "-p", "/etc/systemd/journald.conf.d")
        machine.run(
            "tee",
            "/etc/systemd/journald.conf.d/bench.conf",
            stdin="[Journal]\nRateLimitIntervalSec=0\nRateLimitBurst=0\n",
        )
        sockets = ["systemd-journald.socket", "systemd-journald-dev-log.socket"]
        machine.run("systemctl", "stop", *sockets, "systemd-journald.service")
        machine.run("systemctl", "start", *sockets, "systemd-journald.service")
        done = machine.run(
            sys.executable,
            str(Path(__file__).resolve()),
            "--here",
            *arguments,
            check=False,
            timeout_seconds=3600,
        )
    print(done.stdout, end="")
    if done.returncode != 0:
        raise SystemExit(done.stderr[-4000:])


def describe() -> None:
    """Print what it runs on."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    systemd = subprocess.run(
        ["systemctl", "--version"], capture_output=True, text=True, check=True
    ).stdout.splitlines()[0]
    queue = Path("/proc/sys/net/unix/max_dgram_qlen").read_text().strip()
    print(
        f"{os.cpu_count()} cores ({cpu}), Linux {platform.release()}, {systemd}, "
        f"Python {platform.python_version()}, datagram queue {queue}; "
        f"load before {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d')}"
    )


def run(rounds: int, stopped_seconds: int, seed: int) -> None:
    """Measure all, and print what was promised beside what was found."""
    describe()
    order = random.Random(seed)  # noqa: S311 an order of play
    calls = callers.latency(rounds, order)
    together = processes.one_file(rounds, order)
    rotation = stalls.rotation(rounds)
    cpu = callers.cpu(rounds)
    hung = stalls.journald_stopped(stopped_seconds)
    ended = stalls.sigterm()

    ours, naive = calls["ours, fan-out"], calls["naive fan-out"]
    rotating = calls["RotatingFileHandler"]
    shared, peer = together["ours, file only"], together["concurrent-log-handler"]
    broken = shared.lost + shared.doubled + shared.torn
    in_file = calls["ours, file only"]["p50"]
    cpu_share = cpu["ours, fan-out"] / cpu["naive fan-out"]
    rows = [
        ("fan-out / naive fan-out, p50", ours["p50"] / naive["p50"], "<=", 0.30),
        ("fan-out / naive fan-out, p99", ours["p99"] / naive["p99"], "<=", 0.50),
        ("fan-out / rotating, p50", ours["p50"] / rotating["p50"], "<=", 0.80),
        ("file only / rotating, p50", in_file / rotating["p50"], "<=", 0.60),
        ("CPU, fan-out / naive fan-out", cpu_share, "<=", 0.50),
        ("8 processes, ours / concurrent", shared.rate / peer.rate, ">=", 4.0),
        ("8 processes, lost, doubled, torn", broken, "<=", 0),
        ("8 processes, rotations", shared.rotations, ">=", 30),
        ("rotation, longest call in ms", rotation["ours, file only"], "<=", 10.0),
        ("journald stopped, longest in ms", hung["ours, fan-out"], "<=", 5.0),
        ("journald stopped, SIGTERM, in s", ended["ours, fan-out"], "<=", 1.0),
    ]
    show(
        "what was promised (ratios of medians)",
        ("", "found", "", "promised", "holds"),
        [
            (name, f"{value:.2f}", sign, f"{bound:g}", "yes" if holds else "NO")
            for name, value, sign, bound in rows
            for holds in [value <= bound if sign == "<=" else value >= bound]
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stopped-seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="order of the contenders")
    parser.add_argument("--here", action="store_true", help="boot no machine")
    options = parser.parse_args()
    if not options.here:
        fetch_peers()
    if not options.here and not journald.SOCKET.exists():
        in_a_machine(sys.argv[1:])
        return
    sys.path += [str(place) for place in PEERS.iterdir() if place.is_dir()]
    run(options.rounds, options.stopped_seconds, options.seed)


if __name__ == "__main__":
    main()
