"""
Prints how long an alert takes from the webhook to its fill, on the paper broker.

Beside it, in the same run, the floor: what the disk and the kernel take for the
commits and doorbells that such an order cannot do without.  Then how many orders a
second come through, and what each costs, in stores with ever longer histories.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import sqlite3
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from platform import python_version

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.history import fill  # noqa: E402 the path comes first

from shoonya_platform.ctl.context import store_path  # noqa: E402
from shoonya_platform.domain.alerts import AlertStatus  # noqa: E402
from shoonya_platform.domain.orders import AlertId  # noqa: E402 the path comes first
from tests.acceptance.platform import Platform, entry  # noqa: E402

SETTINGS = """
[risk]
max_exposure = 1000000000
max_orders_per_day = 1000000000
max_open_positions = 100000
"""

#: The 202, the intention, the broker's answer.
DURABLE_COMMITS = 3
#: Plan, risk, guard.
OTHER_COMMITS = 3
#: To trading_bot, risk_manager, execution_guard, command_service.
DOORBELLS = 4
REST_SECONDS = 0.02
#: As many alerts are on their way at once in the flood.
SENDERS = 32


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def show(name: str, milliseconds: list[float]) -> None:
    print(
        f"{name:34} {statistics.median(milliseconds):9.3f} "
        f"{quantile(milliseconds, 0.99):9.3f} {max(milliseconds):9.3f}"
    )


def timed(deed: Callable[[], object], count: int) -> list[float]:
    found = []
    for _ in range(count):
        # An order that comes alone finds the machine at rest, too.
        time.sleep(REST_SECONDS)
        began = time.perf_counter()
        deed()
        found.append((time.perf_counter() - began) * 1000)
    return found


def commits(folder: Path, level: str, count: int) -> list[float]:
    connection = sqlite3.connect(folder / f"floor-{level}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {level}")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (b) VALUES ('x')")
        connection.execute("COMMIT")

    found = timed(commit, count)
    connection.close()
    return found


def sleeper(bell: socket.socket) -> None:
    """Be a service with nothing to do: say when a ring has woken it."""
    while bell.recv(1):
        bell.send(struct.pack("d", time.monotonic()))


def doorbells(count: int) -> list[float]:
    """Return milliseconds from a ring until a process that slept is awake."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = multiprocessing.get_context("fork").Process(target=sleeper, args=[theirs])
    process.start()
    theirs.close()
    found = []
    for _ in range(count):
        time.sleep(REST_SECONDS)
        began = time.monotonic()
        ours.send(b"!")
        (woken,) = struct.unpack("d", ours.recv(8))
        found.append((woken - began) * 1000)
    ours.send(b"")
    process.join()
    ours.close()
    return found


def one_by_one(
    platform: Platform, count: int, strategy: str = "one"
) -> tuple[list[float], list[float]]:
    """
    Return milliseconds until the broker's acknowledgement, and until the fill.

    Args:
        strategy: What the strategies' names begin with.
    """
    store = platform.store()
    accepted, filled = [], []
    for number in range(count):
        alert_id = AlertId(
            platform.accept(entry(f"{strategy}-{number}", f"NIFTY28DEC27C{number + 1}"))
        )
        # Seldom: whoever looks takes a processor from the services.
        while store.alerts.get(alert_id).status is not AlertStatus.COMPLETED:
            time.sleep(REST_SECONDS)
        at: dict[str, datetime] = {
            event.trigger: event.occurred_at
            for event in store.orders.events(alert_id=alert_id)
        }
        began = at["alert_received"]
        accepted.append((at["accepted"] - began).total_seconds() * 1000)
        filled.append((at["filled"] - began).total_seconds() * 1000)
    store.close()
    return accepted, filled


def sustained(platform: Platform, alerts: int) -> tuple[float, float]:
    """Return orders a second, and alerts accepted a second, of a flood of alerts."""
    bodies = [
        entry(f"flood-{n}", f"BANKNIFTY28DEC27C{n + 1}", quantity=30)
        for n in range(alerts)
    ]
    began = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as senders:
        ids = list(senders.map(platform.accept, bodies))
    accepted = time.perf_counter() - began
    store = platform.store()
    while any(
        store.alerts.in_status(status, limit=1)
        for status in (AlertStatus.RECEIVED, AlertStatus.PLANNED)
    ):
        time.sleep(0.01)
    took = time.perf_counter() - began
    orders = sum(len(store.orders.of_alert(AlertId(each))) for each in ids)
    store.close()
    return orders / took, alerts / accepted


def cpu_seconds(platform: Platform) -> float:
    """Return what the eight have used of the processors so far."""
    ticks = 0
    for pid in platform.pids().values():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def grown(folder: Path, history: int, alerts: int) -> tuple[float, float, float, float]:
    """Return the store's MB, ms to the acknowledgement, orders a second, CPU ms."""
    folder.mkdir()
    platform = Platform(folder, SETTINGS)
    path = store_path(platform.config.settings)
    fill(path, history)
    megabytes = path.stat().st_size / 1e6
    with platform:
        accepted, _ = one_by_one(platform, 50)
        before = cpu_seconds(platform)
        rate, _ = sustained(platform, alerts)
        cost = (cpu_seconds(platform) - before) * 1000 / alerts
    return megabytes, statistics.median(accepted), rate, cost


def show_growth(histories: list[int], alerts: int) -> None:
    print(f"a flood of {alerts} alerts into a store with a history of the day")
    names = ("orders in it", "MB", "ack p50 ms", "orders a second", "CPU ms an order")
    print("".join(f"{name:>16}" for name in names))
    for history in histories:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            figures = grown(Path(name) / "platform", history, alerts)
        print(f"{history:16,}" + "".join(f"{figure:16.1f}" for figure in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument(
        "--histories",
        type=int,
        nargs="*",
        default=[0, 10_000, 100_000, 1_000_000],
        help="orders that the store has before the flood begins",
    )
    asked = parser.parse_args()
    count = asked.orders
    # On the disk, not in a memory file system: the point is what the disk takes.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        durable = commits(folder, "FULL", count)
        normal = commits(folder, "NORMAL", count)
        bells = doorbells(count)
        with Platform(folder, SETTINGS) as platform:
            accepted, filled = one_by_one(platform, count)
            rate, intake = sustained(platform, 5 * count)
    floor = (
        DURABLE_COMMITS * statistics.median(durable)
        + OTHER_COMMITS * statistics.median(normal)
        + DOORBELLS * statistics.median(bells)
    )
    print(
        f"{count} orders, one by one, {os.cpu_count()} cores, "
        f"Python {python_version()}; milliseconds"
    )
    print(f"{'':34} {'p50':>9} {'p99':>9} {'max':>9}")
    show("a durable commit", durable)
    show("a commit that does not wait", normal)
    show("a doorbell", bells)
    show("webhook to broker acknowledgement", accepted)
    show("webhook to fill", filled)
    print(
        f"floor {floor:.3f} ms: {DURABLE_COMMITS} durable commits, {OTHER_COMMITS} "
        f"others, {DOORBELLS} doorbells (p50)"
    )
    print(
        f"acknowledgement / floor {statistics.median(accepted) / floor:.2f}, "
        f"fill / floor {statistics.median(filled) / floor:.2f} (p50)"
    )
    print(
        f"a flood of {5 * count} alerts from {SENDERS} senders: "
        f"{intake:.0f} accepted a second, "
        f"{rate:.0f} orders a second from webhook to fill"
    )
    show_growth(asked.histories, 5 * count)


if __name__ == "__main__":
    main()
