"""shoonyactl status, start, stop and restart, where nobody runs the services."""

import contextlib
import socket
from pathlib import Path

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import services
from shoonya_platform.ctl.asking import user_name
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import NotRunning, ShoonyaError
from shoonya_platform.services.units import BOOTED
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_alert, store_order

S = OrderStatus
no_systemd = pytest.mark.skipif(
    BOOTED.exists(), reason="systemd runs here, and would be asked"
)


@no_systemd
def test_status_is_3_and_shows_the_eight_all_the_same(ctl, store):
    result = ctl("status", "--json")

    assert result.code == 3
    services = result.document["services"]
    assert [each["service"] for each in services] == list(COMPONENTS)
    assert {each["state"] for each in services} == {"stopped"}
    assert {each["supervisor"] for each in services} == {"none"}


def test_status_counts_what_waits_for_each_service(ctl, store):
    store_alert(store)
    for status in S:
        store_order(store, status)

    services = ctl("status", "--json").document["services"]

    assert {each["service"]: each["queue"] for each in services} == {
        "execution_service": 0,
        "trading_bot": 1,
        "risk_manager": 1,
        "execution_guard": 1,
        "command_service": 2,
        "order_watcher": 4,
        "recovery_service": 1,
        "dashboard": 0,
    }


def test_status_names_the_trading_state_once_somebody_set_it(ctl, store):
    assert "trading is" not in ctl("status").out
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="trouble", by="somebody")

    assert "trading is HALTED: trouble (somebody, " in ctl("status").out
    assert ctl("status", "--json").document["trading"]["state"] == "HALTED"


def test_status_before_there_is_a_store_has_no_trading_state(ctl):
    assert ctl("status", "--json").document["trading"] is None


def test_services_that_another_user_runs_are_not_said_to_be_stopped(bound_ctl, home):
    path = home / "run" / "control"
    with socket.socket(socket.AF_UNIX) as manager:
        manager.bind(str(path))
        manager.listen()
        path.chmod(0)

        done = bound_ctl("status")
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            f"shoonyactl: {path}: permission denied\n"
            "hint: say it as root: sudo shoonyactl status\n"
        )

        # The store tells how they are as well as it can.
        path = home / "state" / "orders.db"
        clock = SystemClock()
        with contextlib.closing(
            SqliteOrderStore(path, service="dashboard", run_id="r", clock=clock)
        ) as own:
            with own.transaction(durable=False):
                own.services.beat(pid=1, status="", started_at=clock.now())
            assert "1 of 8 running" in bound_ctl("check").out


def test_user_without_a_name_has_a_number():
    assert user_name(123_456_789) == "uid 123456789"


@no_systemd
@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_nobody_to_ask_is_3_with_how_to_begin(ctl, verb):
    result = ctl(verb, "dashboard")

    assert (result.code, result.out) == (3, "")
    assert "shoonyactl up" in result.err


@pytest.mark.parametrize(("uid", "hint"), [(1000, "sudo shoonyactl"), (0, "doctor")])
def test_what_systemctl_refuses_has_the_command_that_works(
    tmp_path, monkeypatch, uid, hint
):
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho 'Access denied' >&2\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: uid)

    with pytest.raises(ShoonyaError, match="Access denied") as caught:
        services._systemctl(Path("/run/shoonya"), "stop", ["dashboard"], NotRunning(""))

    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "logs"])
def test_unknown_service_is_4_with_the_names_of_the_eight(ctl, verb):
    result = ctl(verb, "dashbord")

    assert result.code == 4
    assert "'dashbord'" in result.err
    assert ", ".join(sorted(COMPONENTS)) in result.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_for_the_shell(ctl, shell):
    result = ctl("completion", shell)

    assert (result.code, result.err) == (0, "")
    assert "_SHOONYACTL_COMPLETE" in result.out
