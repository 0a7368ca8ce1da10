"""Both copies of the log under a real systemd and journald."""

import json

import pytest

from shoonya_platform.logging import COMPONENTS
from tests.booted.platform import unit

#: Far more at once than journald takes, which raises the limit with a free disk.
BURST = """
import time
from shoonya_platform.logging import get_component_logger, setup_application_logging
setup_application_logging("/srv/burst", component="dashboard", run_id="burst")
logger = get_component_logger("dashboard")
for number in range(2000):
    logger.info("record %d", number)
# Only the first record of the next interval has journald tell what it suppressed.
time.sleep(2.5)
logger.info("the last")
"""


pytestmark = pytest.mark.usefixtures("running")


def test_both_copies_of_what_the_services_logged_are_complete(platform):
    machine = platform.machine
    # Other tests' installations had their files elsewhere, or took the journal away.
    machine.run("systemctl", "restart", *(unit(name) for name in COMPONENTS))
    platform.wait_until_ready()
    platform.wait_until_filled_once(platform.send())
    runs = {
        name: platform.log(name)[-1].rpartition(" run=")[2].split()[0]
        for name in COMPONENTS
    }

    done = machine.run("shoonyactl", "logs", "verify", "--json", check=False)

    report = json.loads(done.stdout)
    assert report["without_journal"] == ""
    assert report["journal_records"] > 0
    ours = [f for f in report["findings"] if runs[f["component"]] == f["run"]]
    assert [f for f in ours if not f["explained"]] == []


def test_what_the_rate_limit_took_is_named_and_explained(platform):
    config = "/srv/burst.toml"
    platform.machine.run("tee", config, stdin='[paths]\nlog_dir = "/srv/burst"\n')
    platform.machine.run(
        "systemd-run",
        "--wait",
        "--unit=burst",
        "--property=LogRateLimitBurst=40",
        "--property=LogRateLimitIntervalSec=2s",
        "/opt/shoonya/venv/bin/python",
        "-c",
        BURST,
    )
    platform.machine.run("journalctl", "--sync")

    done = platform.machine.run(
        "shoonyactl",
        *("--config", config, "logs", "verify", "dashboard", "--json"),
        check=False,
    )

    report = json.loads(done.stdout)
    ours = [f for f in report["findings"] if f["run"] == "burst"]
    assert [(f["copy"], f["what"], f["cause"]) for f in ours] == [
        ("journal", "missing", "suppressed")
    ]
    assert ours[0]["elsewhere"] == ours[0]["count"] > 0


def test_log_level_is_changed_without_a_restart(platform):
    name = "risk_manager"
    before = platform.pids()[name]

    (row,) = platform.ctl("log-level", name, "ERROR", "--for", "10m")

    assert (row["level"], row["configured"]) == ("ERROR", "INFO")
    assert row["by"].startswith("root, pid ")
    (told,) = platform.journal("SHOONYA_EVENT=log_level_changed", f"_PID={before}")
    assert told["SHOONYA_NEW_LEVEL"] == "ERROR"
    assert not tells_of_an_order(platform, name)
    assert platform.pids()[name] == before
    refused = platform.machine.run(
        *("runuser", "-u", "nobody", "--"),
        *("shoonyactl", "log-level", name, "reset"),
        check=False,
    )
    assert f"sudo shoonyactl log-level {name} reset" in refused.stderr
    platform.machine.run("systemctl", "restart", unit(name))
    platform.wait_until_ready()
    assert platform.ctl("log-level", name)[0]["level"] == "INFO"
    assert tells_of_an_order(platform, name)


def tells_of_an_order(platform, name):
    """Have an order filled; say whether a service has a line of it."""
    alert_id = platform.send()
    platform.wait_until_filled_once(alert_id)
    # An order's id is its alert's with another letter, and more behind it.
    return any(alert_id[1:] in line for line in platform.log(name))
