"""Installing packages while another process holds apt's and dpkg's real locks."""

from pathlib import Path

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.machine import booted

ROOT = Path(__file__).parents[2]
HOLD = """
import fcntl, signal, sys
lock = open(sys.argv[1], "a")
fcntl.lockf(lock, fcntl.LOCK_EX)
open("/run/held", "w").close()
signal.pause()
"""


@pytest.fixture
def machine():
    with booted("packages", {"/srv/scripts": ROOT / "scripts"}) as machine:
        # An empty repository: nothing in it is newer than what is installed.
        machine.run("sh", "-c", "rm -rf /etc/apt/sources.list* /var/lib/apt/lists/*")
        machine.run("sh", "-c", "mkdir /srv/empty && touch /srv/empty/Packages")
        source = "deb [trusted=yes] file:/srv/empty ./\n"
        machine.run("tee", "/etc/apt/sources.list", stdin=source)
        yield machine


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ("/var/lib/dpkg/lock-frontend", "install_packages 'a test' bash"),
        ("/var/lib/apt/lists/lock", "when_unlocked /run/output apt-get update"),
    ],
)
def test_locks_are_waited_for_and_reported(machine, lock, command):
    machine.run("systemd-run", "--unit=holder", "/usr/bin/python3", "-c", HOLD, lock)
    eventually(lambda: machine.run("test", "-e", "/run/held"))
    script = f". /srv/scripts/_system_packages; lock_poll_seconds=0.1; {command}"

    machine.run(
        *("systemd-run", "--unit=installer", "--property=RemainAfterExit=yes"),
        *("--property=StandardError=file:/run/said", "bash", "-c", script),
    )

    def state() -> str:
        shown = machine.run("systemctl", "show", "installer", "--property=SubState")
        return str(shown.stdout).strip()

    def said() -> str:
        return str(machine.run("cat", "/run/said", check=False).stdout)

    eventually(lambda: "waiting, as another process" in said())
    assert f"{lock}. It is held by process" in said()
    assert state() == "SubState=running"
    machine.run("systemctl", "stop", "holder")
    eventually(lambda: state() == "SubState=exited", message="the installer at its end")
