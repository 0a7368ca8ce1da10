"""No webhook is lost while its service is restarted and killed under load."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import SAMPLE, Platform, unit

NAME = "execution_service"
SECONDS = 16.0

#: Sends alerts at a steady rate, each on a connection of its own, and prints how each
#: ended: an alert's id, "refused", or what else became of it.
SENDER = """
import http.client, json, socket, sys, threading, time
body, secret, seconds = json.loads(sys.argv[1]), open(sys.argv[2]).read(), sys.argv[3]
seconds, rate = float(seconds), 25
ended, threads = {}, []

def send(number):
    # An exit of what is flat: stored like any alert, and no order comes of it that
    # would use up the limits of the day.
    alert = {
        **body,
        "execution_type": "exit",
        "strategy_name": f"load {number}",
        "secret_key": secret.strip(),
    }
    try:
        peer = http.client.HTTPConnection("127.0.0.1", 5000, timeout=30)
        peer.request("POST", "/webhook", json.dumps(alert))
        answer = peer.getresponse()
        text = answer.read()
        how = f"status {answer.status}: {text}"
        if answer.status == 202:
            how = json.loads(text)["alert_id"]
    except ConnectionRefusedError:
        how = "refused"
    except (OSError, http.client.HTTPException) as e:
        how = f"cut off: {e!r}"
    ended[number] = how

begin, number = time.monotonic(), 0
while (now := time.monotonic()) < begin + seconds:
    thread = threading.Thread(target=send, args=[number])
    thread.start()
    threads.append(thread)
    number += 1
    time.sleep(max(0.0, begin + number / rate - time.monotonic()))
for thread in threads:
    thread.join()
print(json.dumps(ended))
"""
STORED = """
import json, sqlite3
store = sqlite3.connect("/var/lib/shoonya/orders.db")
print(json.dumps([row[0] for row in store.execute("SELECT alert_id FROM alerts")]))
"""


@pytest.fixture(autouse=True)
def _running(platform):
    """Each test begins with eight ready services that never died."""
    platform.machine.run("systemctl", "reset-failed", "shoonya*")
    platform.machine.run("rm", "-rf", "/var/lib/shoonya/crashes")
    platform.machine.run("systemctl", "start", "shoonya.target")
    platform.wait_until_ready()


def python(platform: Platform, script: str, *arguments: str) -> str:
    done = platform.machine.run(
        "/opt/shoonya/venv/bin/python", "-c", script, *arguments
    )
    return done.stdout


def test_restarts_and_a_kill_under_load_refuse_nobody_and_lose_no_alert(platform):
    secret = "/etc/shoonya/credentials/webhook_secret"
    with ThreadPoolExecutor(1) as executor:
        sending = executor.submit(
            python, platform, SENDER, SAMPLE, secret, str(SECONDS)
        )
        for _ in range(3):
            time.sleep(SECONDS / 6)
            platform.machine.run("systemctl", "restart", unit(NAME))
        time.sleep(SECONDS / 6)
        platform.wait_for_replacement(NAME, platform.kill(NAME))
        ended: dict[str, str] = json.loads(sending.result(timeout=120))

    accepted = {how for how in ended.values() if how.startswith("A")}
    others = [how for how in ended.values() if not how.startswith("A")]
    assert len(ended) > 20 * SECONDS
    assert "refused" not in others
    # Whoever was in the middle of it when the process was killed sees that.
    assert all(how.startswith("cut off") for how in others), others
    assert len(others) <= 5, others
    stored = set(json.loads(python(platform, STORED)))
    assert accepted <= stored
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
