"""
The stores that the contract is held against, and processes that work on them.

A store joins by a `World` of its own: how to open it once more, here and in another
process.  Run as a program, this is that other process.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from shoonya_platform.clock import Clock, SystemClock
from shoonya_platform.domain.orders import (
    AlertId,
    OrderStatus,
    OrderTrigger,
    TradeId,
)
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import BEGIN, FakeClock
from shoonya_platform.testing.orders import a_fill, a_new_order, an_alert

ROOT = Path(__file__).parents[2]


class World(Protocol):
    """One store and all who work on it."""

    clock: FakeClock

    def open(self, service: str = "tests", run_id: str = "run-1") -> OrderStore:
        """Open the store once more, as another process would."""
        ...

    def spawn(self, role: str, run_id: str) -> subprocess.Popen[str]:
        """Start a process that works on the store; see `ROLES`."""
        ...

    def close(self) -> None: ...


class SqliteWorld:
    def __init__(self, folder: Path) -> None:
        self.clock: FakeClock = FakeClock()
        self._path = folder / "orders.db"
        self._opened: list[SqliteOrderStore] = []

    def open(self, service: str = "tests", run_id: str = "run-1") -> SqliteOrderStore:
        store = open_sqlite(str(self._path), service, run_id, self.clock)
        self._opened.append(store)
        return store

    def spawn(self, role: str, run_id: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, "sqlite", str(self._path), role, run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def close(self) -> None:
        for store in self._opened:
            store.close()


WORLDS = {"sqlite": SqliteWorld}


def open_sqlite(
    address: str, service: str, run_id: str, clock: Clock
) -> SqliteOrderStore:
    return SqliteOrderStore(
        Path(address),
        service=service,
        run_id=run_id,
        clock=clock,
        busy_timeout_seconds=60.0,
    )


def claim(store: OrderStore, run_id: str) -> None:
    """Take new orders, a few at a time, as risk_manager does, until none is left."""
    del run_id
    while True:
        with store.transaction(durable=False):
            orders = store.orders.in_status(OrderStatus.INITIALIZED, limit=3)
            for order in orders:
                store.orders.record(order, OrderTrigger.RISK_PASSED)
        if not orders:
            return
        time.sleep(0.001)  # the others' turn


def walk(store: OrderStore, run_id: str) -> None:
    """Walk one order after the other from its alert to its fills, until killed."""
    for number in range(sys.maxsize):
        # Names of its own: other processes number theirs alike.
        name = f"{run_id}-{number}"
        with store.transaction(durable=False):
            alert_id, _ = store.alerts.add(
                an_alert(id=name), AlertId(name), received_at=BEGIN
            )
            order = store.orders.add(a_new_order(alert_id), alerted_at=BEGIN)
        for trigger in (
            OrderTrigger.RISK_PASSED,
            OrderTrigger.GUARD_PASSED,
            OrderTrigger.SUBMITTED,
            OrderTrigger.ACCEPTED,
        ):
            with store.transaction(durable=number % 2 == 0):
                order = store.orders.record(order, trigger)
        for quantity in (25, 40):
            with store.transaction(durable=False):
                trade = a_fill(quantity, trade_id=TradeId(f"{name}-{quantity}"))
                order = store.orders.fill(order, trade) or order


ROLES = {"claim": claim, "walk": walk}


def main() -> None:
    kind, address, role, run_id = sys.argv[1:]
    if kind != "sqlite":
        raise SystemExit(f"no store of kind {kind}")
    store = open_sqlite(address, "tests", run_id, SystemClock())
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    ROLES[role](store, run_id)
    store.close()


if __name__ == "__main__":
    main()
