"""A notification leaves the sandbox of the unit that sends it, and arrives."""

from __future__ import annotations

import json

import pytest

from shoonya_platform.testing.waiting import eventually

PYTHON = "/opt/shoonya/venv/bin/python"
SECRET = "/etc/shoonya/credentials/notify_urls"
RECEIVER = """
import json, pathlib, time
from shoonya_platform.testing.receiver import Receiver

with Receiver() as receiver:
    pathlib.Path("/run/receiver.url").write_text(receiver.url)
    while True:
        kept = pathlib.Path("/run/receiver.new")
        kept.write_text(json.dumps(receiver.bodies))
        kept.replace("/run/receiver.json")
        time.sleep(0.1)
"""


@pytest.fixture
def bodies(platform):
    """The texts that arrived so far, at the address that the services have."""
    machine = platform.machine
    machine.run("systemd-run", "--unit=receiver", "--collect", PYTHON, "-c", RECEIVER)
    eventually(
        lambda: (
            machine.run("test", "-s", "/run/receiver.json", check=False).returncode == 0
        ),
        message="a receiver",
    )
    url = machine.run("cat", "/run/receiver.url").stdout
    # As the guide has it.
    machine.run("install", "-m", "600", "/dev/stdin", SECRET, stdin=f"# us\n{url}\n")
    yield lambda: json.loads(machine.run("cat", "/run/receiver.json").stdout)
    machine.run("rm", SECRET)
    machine.run("systemctl", "stop", "receiver")


@pytest.mark.usefixtures("running")
def test_messages_arrive_from_the_sandbox_of_the_unit(platform, bodies):
    tried = platform.ctl("notify", "test")
    assert [each["taken"] for each in tried] == [True]
    credential = f"LoadCredential=notify_urls:{SECRET}"

    with platform.drop_in("recovery_service", credential):
        platform.wait_until_ready()
        eventually(lambda: any("starts" in body for body in bodies()), 30)
        alert_id = platform.send()
        platform.wait_until_filled_once(alert_id)

        eventually(
            lambda: any(alert_id[1:] in body for body in bodies()),
            30,
            message=f"a message of {alert_id}, were {bodies()}",
        )
