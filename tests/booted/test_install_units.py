"""`install-units` where a real systemd takes what it is given."""

import json

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import unit

pytestmark = pytest.mark.usefixtures("running")

USER = "somebody"
CTL = "/opt/shoonya/venv/bin/shoonyactl"


@pytest.fixture
def somebody(platform):
    """Run a command as a user who may do nothing but log in."""
    machine = platform.machine
    machine.run("useradd", "--create-home", USER)
    uid = machine.run("id", "-u", USER).stdout.strip()
    machine.run("loginctl", "enable-linger", USER)
    eventually(
        lambda: not machine.run("test", "-d", f"/run/user/{uid}/systemd").returncode
    )

    def run(*command: str, check: bool = True):
        return machine.run(
            "runuser",
            "-u",
            USER,
            "--",
            "env",
            "--chdir=/",
            f"HOME=/home/{USER}",
            f"XDG_RUNTIME_DIR=/run/user/{uid}",
            *command,
            check=check,
            timeout_seconds=100,
        )

    yield run
    machine.run("loginctl", "disable-linger", USER)


def test_user_without_root_runs_the_eight_under_a_systemd_of_his_own(
    platform, somebody
):
    config = f"/home/{USER}/.config/shoonya/shoonya.toml"

    def ctl(*words: str, check: bool = True):
        return somebody(CTL, "--config", config, *words, check=check)

    somebody("systemctl", "--user", "is-system-running", "--wait", check=False)
    somebody(CTL, "install-units", "--user")
    text = platform.machine.run("cat", config).stdout
    # The machine's own eight have the usual ports.
    text = text.replace("#port = 5000", "port = 5600")
    text = text.replace("#port = 8000", "port = 8600")
    platform.machine.run("tee", config, stdin=text)

    said = somebody(CTL, "install-units", "--user", "--now").stderr

    assert "nothing to do" in said
    assert "8 services are ready" in said
    services = json.loads(ctl("status", "--json").stdout)["services"]
    assert {(s["state"], s["supervisor"]) for s in services} == {("running", "systemd")}
    mine, machines = {s["pid"] for s in services}, platform.pids().values()
    assert mine.isdisjoint(machines)

    somebody("systemctl", "--user", "kill", "-s", "KILL", unit("risk_manager"))
    eventually(
        lambda: "SIGKILL" in ctl("why", "risk_manager").stdout, message="the cause"
    )
    assert "risk_manager is ready" in ctl("logs", "risk_manager").stdout

    somebody(CTL, "uninstall-units", "--user", "--purge", "--yes")
    left = platform.machine.run(
        "find", f"/home/{USER}", "-iname", "*shoonya*", check=False
    ).stdout
    assert left == ""
    assert set(platform.states().values()) == {"active"}


@pytest.mark.parametrize(
    ("prepare", "python", "said"),
    [
        pytest.param(
            "python3 -m venv --without-pip /root/venv",
            "/root/venv/bin/python",
            "ProtectHome=",
            id="home",
        ),
        pytest.param(
            "mkdir -p /srv/closed && python3 -m venv --without-pip /srv/closed/venv"
            " && chmod 700 /srv/closed",
            "/srv/closed/venv/bin/python",
            "chmod o+rX '/srv/closed'",
            id="closed",
        ),
        pytest.param(
            "python3 -m venv --without-pip /srv/empty",
            "/srv/empty/bin/python",
            "No module named 'shoonya_platform'",
            id="empty",
        ),
    ],
)
def test_venv_that_the_services_cannot_use_is_refused(platform, prepare, python, said):
    platform.machine.run("sh", "-c", prepare)

    done = platform.machine.run(
        "shoonyactl", "install-units", "--python", python, check=False
    )

    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_service_that_is_disabled_stays_so_over_an_update(platform):
    machine, name = platform.machine, "dashboard"
    machine.run("systemctl", "disable", unit(name))
    template = "/etc/systemd/system/shoonya@.service"
    machine.run("sed", "-i", "s/WatchdogSec=30s/WatchdogSec=31s/", template)
    try:
        done = machine.run("shoonyactl", "install-units")

        assert f"updated    {template}" in done.stdout
        enabled = machine.run("systemctl", "is-enabled", unit(name), check=False)
        assert enabled.stdout.strip() == "disabled"
        assert platform.show("risk_manager", "WatchdogUSec", "NeedDaemonReload") == {
            "WatchdogUSec": "30s",
            "NeedDaemonReload": "no",
        }
    finally:
        machine.run("systemctl", "enable", unit(name))
