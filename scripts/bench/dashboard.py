"""Asks a dashboard for its pages, with many orders and with none, in turns."""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.bench.history import fill

from tests.browser.conftest import Dashboard

#: The most that 95 of 100 answers may take with many orders.
LIMIT_MS = 150.0

VIEWS = (
    "/",
    "/orders",
    "/orders?status=open",
    "/orders?status=not_placed",
    "/orders?strategy=history",
    "/orders?strategy=nobody",
    "/orders?symbol=NOTHING",
    "/orders?status=open&strategy=nobody",
    "/orders?before=50000",
    "/orders/{order}",
    "/orders/{order}.svg",
    "/alerts",
    "/log",
    "/machine",
    "/api/orders",
    "/api/positions",
    "/metrics",
)


def measure(dashboard: Dashboard, path: str) -> float:
    """Return how long the whole answer took, in milliseconds."""
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    took = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path}: status {answer.status}")
    return 1000 * took


def at(times: list[float], part: float) -> float:
    return sorted(times)[int(part * (len(times) - 1))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as full_home,
        tempfile.TemporaryDirectory(dir="/var/tmp") as empty_home,
    ):
        full, empty = Dashboard(Path(full_home)), Dashboard(Path(empty_home))
        fill(full.home / "state" / "orders.db", options.orders)
        # One, for it to have a page.
        fill(empty.home / "state" / "orders.db", 1)
        try:
            full.start()
            empty.start()
            return report(full, empty, options.orders, options.rounds)
        finally:
            full.stop()
            empty.stop()


def report(full: Dashboard, empty: Dashboard, orders: int, rounds: int) -> int:
    worst = 0.0
    print(f"ms, {rounds} times each: p50 and p95 with {orders} orders, with one; ratio")
    for view in VIEWS:
        paths = view.format(order=orders // 2), view.format(order=1)
        times: tuple[list[float], list[float]] = [], []
        for dashboard, path in zip((full, empty), paths, strict=True):
            measure(dashboard, path)
        for _ in range(rounds):
            # In turns: what else the machine does hits both.
            for dashboard, path, taken in zip((full, empty), paths, times, strict=True):
                taken.append(measure(dashboard, path))
        many, few = times
        worst = max(worst, at(many, 0.95))
        print(
            f"{view:38} {at(many, 0.5):7.1f} {at(many, 0.95):7.1f}"
            f" {at(few, 0.5):7.1f} {at(few, 0.95):7.1f}"
            f" {at(many, 0.5) / at(few, 0.5):6.2f}",
            flush=True,
        )
    print(f"worst p95 with {orders} orders: {worst:.1f} ms, limit {LIMIT_MS:.0f} ms")
    return 0 if worst <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
