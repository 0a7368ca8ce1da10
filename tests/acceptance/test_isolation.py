"""Eight processes that cannot hurt each other, supervised without systemd."""

import os
import re
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import Platform, entry

C = "NIFTY28DEC27C26000"


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        # The second, if it is gone between the opening and the reading.
        return False
    return state != "Z"


@pytest.mark.parametrize("service", COMPONENTS)
def test_killing_one_leaves_the_others_and_loses_no_alert(
    own_platform: Platform, service: str
):
    own_platform.start()
    before = own_platform.pids()

    own_platform.kill(service)
    eventually(lambda: own_platform.health()[service]["status"] == "backoff")
    if service != "execution_service":
        alert_id = own_platform.accept(entry("in-flight", C))
    eventually(own_platform.is_ready, 15)
    if service == "execution_service":
        alert_id = own_platform.accept(entry("in-flight", C))

    assert own_platform.outcome(alert_id) == "filled"
    after = own_platform.pids()
    assert {name for name in COMPONENTS if before[name] != after[name]} == {service}
    assert own_platform.health()[service]["restarts"] == 1
    paper = own_platform.paper()
    assert [order.filled_quantity for order in paper.order_book()] == [65]
    paper.close()


def is_back(platform: Platform, service: str, restarts: int) -> bool:
    health = platform.health()[service]
    return bool(health["restarts"] == restarts and health["status"] == "running")


def test_crashes_back_off_and_an_operators_restart_begins_anew(tmp_path: Path):
    platform = Platform(tmp_path)
    with platform:
        for crash in range(1, 4):
            platform.kill("dashboard")
            if crash < 3:
                eventually(partial(is_back, platform, "dashboard", crash), 15)
        eventually(
            lambda: (platform.health()["dashboard"]["restart_in_seconds"] or 0) > 10
        )
        assert platform.health()["dashboard"]["restarts"] == 3
        others = [h for name, h in platform.health().items() if name != "dashboard"]
        assert all(h["status"] == "running" for h in others)

        # An operator's restart costs nothing and clears the count.
        done = platform.ctl("restart", "dashboard")

        assert done.returncode == 0, done.stderr
        assert platform.health()["dashboard"]["restarts"] == 0
    assert re.search(r"restart 3 of 3 in 1[678] s", platform.output.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_is_orderly_in_reverse_and_leaves_no_process(
    own_platform: Platform, number: int
):
    own_platform.start()
    pids = own_platform.pids()

    assert own_platform.stop(number) == 0

    assert not [name for name, pid in pids.items() if is_alive(pid)]
    ends = sorted(
        (line.split(" | ")[0], path.stem)
        for path in own_platform.log_dir.glob("*.log")
        for line in path.read_text().splitlines()
        if "event=service_end" in line
    )
    assert [name for _, name in ends] == list(reversed(COMPONENTS))


def test_killing_the_manager_leaves_no_service_behind(own_platform: Platform):
    own_platform.start()
    pids = own_platform.pids()
    assert own_platform.process is not None

    os.kill(own_platform.process.pid, signal.SIGKILL)
    own_platform.process.wait()
    own_platform.process = None

    eventually(lambda: not [pid for pid in pids.values() if is_alive(pid)], 15)


def test_a_second_manager_is_refused(own_platform: Platform):
    own_platform.start()

    done = own_platform.ctl("up")

    assert done.returncode == 1
    assert "run already" in done.stderr
    assert own_platform.is_ready()


def test_what_was_under_way_is_finished_by_the_next_start(own_platform: Platform):
    own_platform.start()
    assert own_platform.ctl("stop", "command_service").returncode == 0
    alert_id = own_platform.accept(entry("over-night", C))
    store = own_platform.store()
    eventually(
        lambda: (
            [o.status for o in store.orders.of_alert(alert_id)]  # type: ignore[arg-type]
            == ["guard_passed"]
        )
    )
    store.close()
    own_platform.stop()

    own_platform.start()

    assert own_platform.outcome(alert_id) == "filled"


def test_a_broken_file_stops_up_before_anything_starts(own_platform: Platform):
    own_platform.config_path.write_text("[webhook]\nprot = 1\n")

    done = own_platform.ctl("up")

    assert done.returncode == 10
    assert "unknown key 'prot'" in done.stderr
    assert "did you mean 'port'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_and_costs_the_others_nothing(own_platform: Platform):
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", own_platform.dashboard_port))
        squatter.listen()
        own_platform.start(ready=False)
        eventually(
            lambda: (
                own_platform.health().get("dashboard", {}).get("status") == "failed"
            ),
            15,
        )
        alert_id = eventually(lambda: accepted_or_refused(own_platform), 15)
        assert own_platform.outcome(alert_id) == "filled"
    assert "cannot listen on" in own_platform.tail()


def accepted_or_refused(platform: Platform) -> str | None:
    """Return the alert's id; None while the webhook does not listen yet."""
    try:
        return platform.accept(entry("port", C))
    except ConnectionRefusedError:
        return None


def test_a_damaged_store_stops_the_services_with_what_to_do(own_platform: Platform):
    state = own_platform.root / "state"
    state.mkdir()
    (state / "orders.db").write_bytes(b"this is no database" * 1000)

    own_platform.start(ready=False)

    eventually(
        lambda: (
            len(own_platform.health()) == len(COMPONENTS)
            and all(h["status"] == "failed" for h in own_platform.health().values())
        ),
        20,
    )
    assert "damaged" in own_platform.output.read_text()
    assert "restore a backup" in own_platform.output.read_text()
    assert "Traceback" not in own_platform.output.read_text()


def test_a_locked_store_is_waited_for(own_platform: Platform):
    own_platform.start()
    locker = own_platform.store()
    with locker.transaction(durable=False):
        status, answer = own_platform.post(entry("locked", C))
        assert (status, answer["code"]) == (503, "STORE_UNAVAILABLE")
    locker.close()

    assert own_platform.outcome(own_platform.accept(entry("locked", C))) == "filled"
    assert own_platform.is_ready()


def test_demo_once_ends_by_itself_with_filled_orders(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, "-m", "shoonya_platform.main", "--demo", "--once"],
        # A short path: sockets lie deep below it.
        cwd=tmp_path_factory.mktemp("demo"),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "outcome: filled" in done.stdout
    assert "dashboard: http://" in done.stdout


def test_entries_wait_for_the_broker_and_a_single_restart_closes_nothing(
    own_platform: Platform,
):
    platform = own_platform
    platform.start()
    store = platform.store()
    assert not store.recovery.is_awaited()
    assert (
        (platform.root / "state" / "recovery" / "report.txt")
        .read_text()
        .startswith("reconciliation succeeded")
    )

    pid = platform.pids()["recovery_service"]
    platform.kill("recovery_service")
    eventually(
        lambda: platform.pids().get("recovery_service") not in (None, pid),
        20,
        message="a new recovery_service",
    )
    assert not store.recovery.is_awaited()

    platform.stop()
    platform.start()
    assert not store.recovery.is_awaited()
    starts = store._connection.execute("SELECT count(*) FROM starts").fetchone()[0]
    assert starts == 2
    store.close()
