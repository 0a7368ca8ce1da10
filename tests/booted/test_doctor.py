"""The doctor finds what is really broken, and its command really mends it."""

import json
from typing import Any

import pytest

from tests.booted.platform import CONFIG, Platform, unit

NAME = "dashboard"
DROP_IN = f"/etc/systemd/system/{unit(NAME)}.d"
SECRET = "/etc/shoonya/credentials/webhook_secret"

#: What is the machine's own, and not of this test: its clock is the host's.
NOT_OURS = {"clock"}

#: A service that logs more than it may, and once more after the rate's interval.
NOISY = """[Service]
LogRateLimitIntervalSec=1s
LogRateLimitBurst=5
ExecStartPost=/bin/sh -c 'for n in 1 2 3 4 5 6 7 8 9 10; do echo noise; done'
ExecStartPost=/bin/sh -c 'sleep 1.2; echo and once more'
"""
SQUATTER = """[Service]
ExecStartPre=systemctl stop shoonya@dashboard
ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8000
"""

#: What breaks it, and what has found it.
BROKEN = [
    pytest.param(
        "mkdir -p /etc/systemd/journald.conf.d;"
        "printf '[Journal]\\nStorage=volatile\\nRuntimeMaxUse=20M\\n' "
        ">/etc/systemd/journald.conf.d/20-broken.conf;"
        "rm -rf /var/log/journal; systemctl restart systemd-journald",
        {"journal_storage"},
        id="volatile-journal",
    ),
    pytest.param(
        "mkdir -p /etc/systemd/journald.conf.d;"
        "printf '[Journal]\\nSystemMaxUse=32M\\n' "
        ">/etc/systemd/journald.conf.d/20-broken.conf;"
        "systemctl restart systemd-journald",
        {"journal_size"},
        id="tiny-journal",
    ),
    pytest.param(
        f"cat >{DROP_IN}/noisy.conf; systemctl daemon-reload;"
        f"systemctl restart shoonya@{NAME}",
        {"journal_dropped"},
        id="rate-limited",
    ),
    pytest.param(
        f"echo MemoryMax=9G >>{DROP_IN}/10-network.conf;"
        f"(head -1 {DROP_IN}/10-network.conf; echo [Service]) >{DROP_IN}/05-old.conf;"
        "systemctl daemon-reload",
        {"units", "obsolete_units"},
        id="units",
    ),
    # All at once: none of them hides another.
    pytest.param(
        # systemd forgets first what it has told of units that were enabled.
        "systemctl daemon-reload;"
        f"printf '[Service]\\nMemoryMax=1G\\n' >{DROP_IN}/own.conf;"
        f"systemctl disable --no-reload shoonya@{NAME};"
        f"systemctl stop shoonya@{NAME}; chmod 700 /opt/shoonya;"
        f"chmod 644 {SECRET}; chmod 666 {CONFIG}; chmod 755 /var/lib/shoonya",
        {
            "config_file",
            "credentials",
            "private_files",
            "program",
            "services",
            "started_at_boot",
            "units_reloaded",
        },
        id="modes-and-states",
    ),
]


def findings(platform: Platform) -> dict[str, dict[str, Any]]:
    """Return what the doctor finds wrong, by check."""
    done = platform.machine.run("shoonyactl", "doctor", "--json", check=False)
    document = json.loads(done.stdout)
    wrong = {
        each["check"]: each
        for each in document["findings"]
        if each["level"] in ("warning", "error") and each["check"] not in NOT_OURS
    }
    assert done.returncode in (0, 1), done.stderr
    assert done.returncode == 1 or not wrong
    return wrong


def mend(platform: Platform, command: str) -> None:
    """Type what the doctor says, as root, who needs no sudo."""
    platform.machine.run("bash", "-c", command.replace("sudo ", ""))


@pytest.fixture(autouse=True)
def _as_it_was(platform, running):
    """Each test begins and ends with a machine on which all is well."""
    yield
    platform.machine.run(
        "bash",
        "-c",
        f"rm -rf {DROP_IN}/own.conf {DROP_IN}/noisy.conf "
        "/etc/systemd/system/shoonya@.service.d /etc/systemd/journald.conf.d;"
        "mkdir -p /var/log/journal; systemctl restart systemd-journald;"
        "systemctl daemon-reload",
    )


def test_all_is_well_after_the_installation(platform):
    assert findings(platform) == {}


@pytest.mark.parametrize(("breaking", "checks"), BROKEN)
def test_what_is_broken_is_found_and_mended_by_its_command(platform, breaking, checks):
    platform.machine.run("bash", "-c", breaking, stdin=NOISY)

    found = findings(platform)
    assert set(found) == checks
    # In the order in which they are told; one may do for two.
    for command in dict.fromkeys(each["command"] for each in found.values()):
        mend(platform, command)

    platform.wait_until_ready()
    assert findings(platform) == {}


def test_port_taken_by_another_service_is_found_and_freed(platform):
    platform.machine.run("tee", "/etc/systemd/system/squatter.service", stdin=SQUATTER)
    platform.machine.run("systemctl", "daemon-reload")
    platform.machine.run("systemctl", "start", "squatter")
    try:
        found = findings(platform)
        assert set(found) == {"dashboard_port", "services"}
        assert "squatter.service" in found["dashboard_port"]["command"]
        for check in ("dashboard_port", "services"):
            mend(platform, found[check]["command"])
        platform.wait_until_ready()
        assert findings(platform) == {}
    finally:
        platform.machine.run("systemctl", "stop", "squatter", check=False)
        platform.machine.run("rm", "/etc/systemd/system/squatter.service")
        platform.machine.run("systemctl", "daemon-reload")


def test_without_root_it_says_what_it_could_not_see(platform):
    done = platform.machine.run(
        "runuser", "-u", "nobody", "--", "shoonyactl", "doctor", "--json", check=False
    )

    assert done.returncode in (0, 1), done.stderr
    unseen = {
        each["check"]
        for each in json.loads(done.stdout)["findings"]
        if each["sentence"].startswith("not seen: ")
        and each["command"] == "sudo shoonyactl doctor"
    }
    assert {"credentials", "store_integrity", "journal_size"} <= unseen


def test_restore_brings_back_the_orders_of_the_backup_and_lets_none_out(platform):
    alert_id = platform.send()
    platform.wait_until_filled_once(alert_id)
    kept = platform.ctl("backup", "--keep", "3")["path"]
    later = platform.send()
    platform.wait_until_filled_once(later)

    refused = platform.machine.run("shoonyactl", "restore", kept, "--yes", check=False)
    platform.machine.run("shoonyactl", "stop")
    platform.machine.run(
        "sh", "-c", "printf garbage | dd of=/var/lib/shoonya/orders.db conv=notrunc"
    )
    broken = findings(platform)
    platform.ctl("restore", kept, "--yes")
    platform.machine.run("systemctl", "start", "shoonya.target")
    platform.wait_until_ready()

    assert refused.returncode == 1
    assert "restore" in broken["store_integrity"]["command"]
    assert len(platform.orders(alert_id)) == 2
    assert platform.orders(later) == []
    assert findings(platform) == {}
    platform.machine.run("shoonyactl", "risk", "resume", "--yes")
    platform.wait_until_filled_once(platform.send())
