"""A large store of an earlier version takes longer than a start may."""

from __future__ import annotations

import pytest

from shoonya_platform.store.sqlite import migrations

PYTHON = "/opt/shoonya/venv/bin/python"
STORE = "/var/lib/shoonya/orders.db"
ORDERS = 600_000
START_SECONDS = 3
MAKE_OLD = (
    "from pathlib import Path; from tests.migration.old_store import make_old_store; "
    f"make_old_store(Path('{STORE}'), {ORDERS})"
)
LOOK = (
    "import sqlite3; store = sqlite3.connect('/var/lib/shoonya/orders.db'); "
    "print(store.execute('PRAGMA user_version').fetchone()[0], "
    "store.execute('SELECT COUNT(*) FROM orders').fetchone()[0])"
)


@pytest.fixture
def _old_store(platform):
    """One of an earlier version stands in the place of the store."""
    machine = platform.machine
    machine.run("systemctl", "stop", "shoonya.target")
    machine.run("sh", "-c", f"mkdir /root/kept && mv {STORE}* /root/kept/")
    as_service = ("runuser", "-u", "shoonya", "--", "env", "PYTHONPATH=/srv/shoonya")
    machine.run(*as_service, PYTHON, "-c", MAKE_OLD, timeout_seconds=120)
    yield
    machine.run("systemctl", "stop", "shoonya.target")
    machine.run("sh", "-c", f"rm {STORE}* && mv /root/kept/* /var/lib/shoonya/")
    machine.run("systemctl", "start", "shoonya.target")
    platform.wait_until_ready()


@pytest.mark.usefixtures("_old_store")
def test_start_that_migrates_for_longer_than_a_start_may_is_not_killed(platform):
    with platform.drop_in("risk_manager", f"TimeoutStartSec={START_SECONDS}s"):
        shown = platform.show(
            "risk_manager",
            "NRestarts",
            "ExecMainStartTimestampMonotonic",
            "ActiveEnterTimestampMonotonic",
        )
        began = int(shown["ExecMainStartTimestampMonotonic"])
        took = (int(shown["ActiveEnterTimestampMonotonic"]) - began) / 1e6
        machine = platform.machine
        looked = machine.run("runuser", "-u", "shoonya", "--", PYTHON, "-c", LOOK)
        machine.run("systemctl", "start", "shoonya.target")

    assert shown["NRestarts"] == "0"
    # Else it would have been in time without asking for more.
    assert took > START_SECONDS
    assert looked.stdout.split() == [str(len(migrations())), str(ORDERS)]
