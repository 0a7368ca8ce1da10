"""No webhook is lost while its service is restarted and killed under load."""

import time

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.load import sending, stored
from tests.booted.platform import unit

NAME = "execution_service"
SECONDS = 16.0
RATE = 25.0


pytestmark = pytest.mark.usefixtures("running")


def test_restarts_and_a_kill_under_load_refuse_nobody_and_lose_no_alert(platform):
    with sending(platform, count=int(RATE * SECONDS), rate=RATE) as result:
        for _ in range(3):
            time.sleep(SECONDS / 6)
            platform.machine.run("systemctl", "restart", unit(NAME))
        time.sleep(SECONDS / 6)
        platform.wait_for_replacement(NAME, platform.kill(NAME))
        ended = result.result(timeout=120)

    accepted = {each.how for each in ended if each.is_accepted}
    others = [each.how for each in ended if not each.is_accepted]
    assert "refused" not in others
    # Whoever was in the middle of it when the process was killed sees that.
    assert all(how.startswith("cut off") for how in others), others
    assert len(others) <= 5, others
    assert accepted <= stored(platform)
    assert len(accepted) == len(ended) - len(others)


def test_address_is_that_of_the_configuration_after_a_restart(platform):
    lines = "Environment=SHOONYA_WEBHOOK_PORT=5055"

    with platform.drop_in(NAME, lines):
        platform.wait_until_ready()
        listening = platform.machine.run("ss", "-ltnH").stdout
        assert "127.0.0.1:5055" in listening
        assert "127.0.0.1:5000" not in listening
        eventually(
            lambda: [
                e
                for e in platform.journal(f"SHOONYA_COMPONENT={NAME}")
                if e.get("SHOONYA_EVENT") == "socket_mismatch"
            ],
            message="the mismatch in the log",
        )

    assert "127.0.0.1:5000" in platform.machine.run("ss", "-ltnH").stdout
