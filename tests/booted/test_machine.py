"""The machine itself: what the other booted tests stand on."""

from pathlib import Path

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.machine import booted


@pytest.fixture(scope="module")
def machine():
    """One without the platform, which other tests stop, break and kill."""
    with booted("bare", {"/srv/tests": Path(__file__).parent}) as machine:
        yield machine


def test_systemd_is_up_and_nothing_failed(machine):
    state = machine.run("systemctl", "is-system-running", check=False).stdout.strip()

    failed = machine.run("systemctl", "--failed", "--no-legend", "--plain").stdout
    assert (state, failed) == ("running", "")


@pytest.mark.parametrize("status", [0, 3, 78])
def test_exit_status_of_a_command_is_its_own(machine, status):
    assert machine.run("sh", "-c", f"exit {status}", check=False).returncode == status


def test_streams_of_a_command_are_its_own(machine):
    done = machine.run("sh", "-c", "cat; echo told >&2", stdin="given")

    assert (done.stdout, done.stderr) == ("given", "told\n")


def test_command_that_fails_is_a_failed_test_with_its_words(machine):
    with pytest.raises(AssertionError, match="no luck"):
        machine.run("sh", "-c", "echo no luck; exit 1")


def test_journal_takes_a_line_and_gives_it_back(machine):
    machine.run("systemd-cat", "-t", "booted-test", "echo", "a line")

    eventually(
        lambda: (
            "a line"
            in machine.run("journalctl", "-q", "-t", "booted-test", "-o", "cat").stdout
        ),
    )


def test_machine_has_a_loopback_of_its_own_and_no_other_network(machine):
    links = machine.run("sh", "-c", "ls /sys/class/net").stdout.split()

    assert links == ["lo"]


def test_disk_and_journal_outlive_a_reboot(machine):
    machine.run("systemd-cat", "-t", "booted-test", "echo", "before the reboot")
    machine.run("touch", "/root/before")
    eventually(lambda: machine.run("journalctl", "-q", "-t", "booted-test").stdout)

    machine.reboot()

    assert machine.run("ls", "/root/before").returncode == 0
    said = machine.run("journalctl", "-q", "-t", "booted-test", "-o", "cat").stdout
    assert "before the reboot" in said


def test_folder_of_ours_is_shown_and_cannot_be_changed_from_inside(machine):
    done = machine.run("touch", f"/srv/tests/{Path(__file__).name}", check=False)

    assert "Read-only file system" in done.stderr
