"""What hangs is replaced and named; what only waits is left alone."""

import time

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import unit

STUCK = """
import time
import {module} as module
calls = 0
plain = module.{function}
def stuck(*args, **kwargs):
    global calls
    calls += 1
    if calls > 4:
        time.sleep(600)
    return plain(*args, **kwargs)
module.{function} = stuck
"""
IMPATIENT = """
from shoonya_platform.services import isolated
isolated.HEALTHY_SECONDS = 0.0
isolated.WEIGH_SECONDS = 0.5
"""
LOCK = """
import sqlite3, sys, time
store = sqlite3.connect("/var/lib/shoonya/orders.db", isolation_level=None)
store.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(11)
"""


pytestmark = pytest.mark.usefixtures("running")


def others(platform, name):
    return {n: p for n, p in platform.pids().items() if n != name}


@pytest.mark.parametrize(
    ("name", "module", "function", "deed"),
    [
        pytest.param(
            "order_watcher",
            "shoonya_platform.brokers.paper",
            "PaperBroker._step",
            "speaking with the broker: ",
            id="broker",
        ),
        pytest.param(
            "risk_manager",
            "shoonya_platform.store.sqlite_services",
            "text_of",
            "using the order store: ",
            id="store",
        ),
        # The loop that serves is well: the thread of the store is not.
        pytest.param(
            "dashboard",
            "shoonya_platform.store.sqlite_services",
            "text_of",
            "using the order store: ",
            id="http",
        ),
    ],
)
def test_stuck_call_is_ended_by_the_watchdog_and_named(
    platform, name, module, function, deed
):
    code = STUCK.format(module=module, function=function)
    beats = "Environment=SHOONYA_SERVICE_HEARTBEAT_SECONDS=0.1\n"
    before = others(platform, name)
    with platform.drop_in(
        name, beats + "WatchdogSec=2s\n" + platform.patched("stuck", code)
    ):
        eventually(
            lambda: platform.ctl("why", name)["result"] == "watchdog",
            20.0,
            message=f"{name} replaced by its watchdog",
        )
        why = platform.ctl("why", name)

    assert why["deed"].startswith(deed)
    assert why["cause"] == f"hung while {why['deed']}"
    assert others(platform, name) == before


def test_locked_store_is_waited_for_and_costs_no_restart(platform):
    before = platform.pids()
    platform.machine.run(
        "systemd-run",
        "--unit=lock",
        "--uid=shoonya",
        "/opt/shoonya/venv/bin/python",
        "-c",
        LOCK,
    )

    def is_said() -> bool:
        shown = platform.machine.run(
            "systemctl", "show", "--property=StatusText", *map(unit, COMPONENTS)
        ).stdout
        return "StatusText=waiting: " in shown

    def is_over() -> bool:
        done = platform.machine.run("systemctl", "is-active", "lock", check=False)
        return str(done.stdout).strip() == "inactive"

    eventually(is_said, 15.0)
    eventually(is_over, 15.0)
    platform.wait_until_filled_once(platform.send())
    assert platform.pids() == before


def test_hung_journald_makes_no_service_look_hung(platform):
    with platform.drop_in("", "WatchdogSec=2s"):
        platform.wait_until_ready()
        before = platform.pids()
        platform.machine.run("systemctl", "kill", "-s", "STOP", "systemd-journald")
        try:
            end = time.monotonic() + 7.0  # three watchdogs long
            while time.monotonic() < end:
                platform.wait_until_filled_once(platform.send())
        finally:
            platform.machine.run("systemctl", "kill", "-s", "CONT", "systemd-journald")
        assert platform.pids() == before
    # Each run leaves a note of its begin there, a crash a history.
    left = "ls /var/lib/shoonya/crashes | grep -v '[.]run$' || :"
    assert platform.machine.run("sh", "-c", left).stdout == ""


def test_service_that_outgrows_its_memory_starts_itself_anew_without_a_crash(platform):
    name = "trading_bot"
    before = others(platform, name)
    limits = "Environment=SHOONYA_SERVICE_SOFT_MEMORY_BYTES=10M\n"
    with platform.drop_in(name, limits + platform.patched("impatient", IMPATIENT)):
        first = platform.pids()[name]
        platform.wait_for_replacement(name, first)
        eventually(lambda: platform.ctl("why", name)["exit_status"] == "75")
        why = platform.ctl("why", name)

    assert "started itself anew" in why["cause"]
    assert why["restarts"] == 0
    assert (
        why["invocation_id"]
        not in platform.machine.run(
            "sh", "-c", "ls /var/lib/shoonya/incidents || :"
        ).stdout
    )
    assert others(platform, name) == before
    platform.wait_until_filled_once(platform.send())


def test_soft_limits_are_those_that_were_promised(platform):
    for name in COMPONENTS:
        assert platform.show(
            name, "LimitNOFILE", "LimitCORE", "MemoryHigh", "OOMPolicy", "TasksMax"
        ) == {
            "LimitNOFILE": "4096",
            "LimitCORE": "0",
            "MemoryHigh": "infinity",
            "OOMPolicy": "kill",
            "TasksMax": "64",
        }
