"""
The ways in which a service may die, and what must follow from each.

In an arena all eight run with a program of ours in them that makes them crash when
told so, and with a short watchdog; so a death needs no restart before it, and whoever
else ended with it would be seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import SAMPLE, Platform, unit

WATCHDOG_SECONDS = 3

#: Python runs this before anything of ours: a signal becomes an error in the midst of
#: the service's own work.
_CRASHING = """
import signal
def crash(number, frame):
    raise RuntimeError("planted")
signal.signal(signal.SIGUSR1, crash)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What was seen of one."""

    service: str
    fault: str
    cause: str  #: as `shoonyactl why` names it
    state: str  #: what the service came to
    seconds: float  #: until then


@contextmanager
def arena(platform: Platform) -> Iterator[None]:
    """Run the eight as described above."""
    lines = platform.patched("crashing", _CRASHING)
    with platform.drop_in("", f"{lines}\nWatchdogSec={WATCHDOG_SECONDS}s"):
        platform.wait_until_ready()
        yield


def kill(platform: Platform, name: str) -> Death:
    def deed(pid: int) -> None:
        platform.machine.run("kill", "-KILL", str(pid))

    return _replaced(platform, name, "kill -9", deed, "killed by SIGKILL")


def crash(platform: Platform, name: str) -> Death:
    def deed(pid: int) -> None:
        platform.machine.run("kill", "-USR1", str(pid))

    def see(why: Mapping[str, Any]) -> None:
        assert "RuntimeError: planted" in " ".join(why["traceback"]), why
        assert "report it" in " ".join(why["advice"])

    return _replaced(platform, name, "crash", deed, "exited with 1", see)


def hang(platform: Platform, name: str) -> Death:
    def deed(pid: int) -> None:
        platform.machine.run("kill", "-STOP", str(pid))

    return _replaced(platform, name, "hang", deed, "hung")


def misconfigure(platform: Platform, name: str) -> Death:
    """Exit 78: it stays down, however long one waits, until it is mended."""
    before = _others(platform, name)
    folder = f"/run/systemd/system/{unit(name)}.d"
    platform.machine.run("mkdir", "-p", folder)
    platform.machine.run(
        "tee",
        f"{folder}/bad.conf",
        stdin="[Service]\nEnvironment=SHOONYA_SERVICE_POLL_SECONDS=often\n",
    )
    platform.machine.run("systemctl", "daemon-reload")
    began = time.monotonic()
    try:
        platform.machine.run("systemctl", "restart", unit(name), check=False)
        seconds = time.monotonic() - began
        why = platform.ctl("why", name)
        restarts = platform.show(name, "NRestarts", "ActiveState")
    finally:
        platform.machine.run("rm", "-r", folder)
        platform.machine.run("systemctl", "daemon-reload")
        platform.machine.run("systemctl", "start", unit(name))
    assert restarts == {"NRestarts": "0", "ActiveState": "failed"}
    assert why["exit_status"] == "78", why
    assert "poll_seconds" in " ".join(why["last_lines"]), why
    assert "shoonyactl config check" in " ".join(why["advice"])
    _see_others(platform, name, before)
    return Death(
        service=name,
        fault="exit 78",
        cause=f"{why['cause']}: {why['text']}",
        state=why["state"],
        seconds=seconds,
    )


FAULTS: dict[str, Callable[[Platform, str], Death]] = {
    "kill": kill,
    "crash": crash,
    "hang": hang,
    "config": misconfigure,
}


def broker_down(platform: Platform, seconds: float) -> set[str]:
    """
    Have the broker away for a while; return who said that it waits.

    Not in the arena: between two tries a service may wait longer than that watchdog.

    All that hangs on it waits inside, nobody ends, and the order goes out afterwards.
    """
    # No entry goes out before the first reconciliation, and that needs the broker.
    platform.wait_until_filled_once(platform.send())
    before = platform.pids()
    # Limits of their own: a price that nobody can be asked for is a denial.
    legs = [
        {**leg, "order_type": "LMT", "price": 100} for leg in json.loads(SAMPLE)["legs"]
    ]
    platform.machine.run(
        "shoonyactl", "paper", "fault", "unavailable", f"--seconds={seconds}"
    )
    began = time.monotonic()
    alert_id = platform.send(legs=legs)
    waiting = set[str]()
    while time.monotonic() < began + seconds:
        waiting |= _waiting(platform)
        time.sleep(0.2)
    platform.wait_until_filled_once(alert_id)
    assert platform.pids() == before
    return waiting


def store_locked(platform: Platform, seconds: float) -> set[str]:
    """Have the store locked by somebody else; return who said that it waits."""
    before = platform.pids()
    script = (
        "import sqlite3, time; "
        "store = sqlite3.connect('/var/lib/shoonya/orders.db', isolation_level=None); "
        f"store.execute('BEGIN IMMEDIATE'); time.sleep({seconds})"
    )
    platform.machine.run(
        "systemd-run",
        "--unit=lock",
        "--uid=shoonya",
        "/opt/shoonya/venv/bin/python",
        "-c",
        script,
    )
    waiting = set[str]()

    def is_over() -> bool:
        nonlocal waiting
        waiting |= _waiting(platform)
        done = platform.machine.run("systemctl", "is-active", "lock", check=False)
        return str(done.stdout).strip() == "inactive"

    eventually(is_over, seconds + 10)
    platform.wait_until_filled_once(platform.send())
    assert platform.pids() == before
    return waiting


def _replaced(
    platform: Platform,
    name: str,
    fault: str,
    deed: Callable[[int], None],
    cause: str,
    see: Callable[[Mapping[str, Any]], None] = lambda why: None,
) -> Death:
    before = _others(platform, name)
    pid = platform.pids()[name]
    began = time.monotonic()
    deed(pid)
    platform.wait_for_replacement(name, pid, 20)
    seconds = time.monotonic() - began
    why = platform.ctl("why", name)
    assert why["cause"].startswith(cause), why["cause"]
    assert (why["state"], why["restarts"]) == ("running", 1), why
    see(why)
    said = [line for line in platform.log(name) if "restart 1 of 3" in line]
    assert why["cause"] in said[-1], said
    _see_others(platform, name, before)
    # What follows for this service is another test's: let it begin without a past.
    platform.machine.run("rm", "-f", f"/var/lib/shoonya/crashes/{name}.json")
    return Death(
        service=name,
        fault=fault,
        cause=why["cause"],
        state=why["state"],
        seconds=seconds,
    )


def _others(platform: Platform, name: str) -> dict[str, dict[str, str]]:
    return {
        other: platform.show(other, "MainPID", "NRestarts", "ActiveState")
        for other in COMPONENTS
        if other != name
    }


def _see_others(
    platform: Platform, name: str, before: dict[str, dict[str, str]]
) -> None:
    assert _others(platform, name) == before


def _waiting(platform: Platform) -> set[str]:
    shown = platform.machine.run(
        "systemctl", "show", "--property=Id,StatusText", *map(unit, COMPONENTS)
    ).stdout
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines())
        for block in shown.split("\n\n")
    ]
    return {
        name
        for name in COMPONENTS
        for block in blocks
        if block["Id"] == unit(name) and block["StatusText"].startswith("waiting: ")
    }
