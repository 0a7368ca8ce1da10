"""Webhooks at a steady rate, sent from inside the machine, and what became of them."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from tests.booted.platform import SAMPLE, Platform

SECRET = "/etc/shoonya/credentials/webhook_secret"

#: Sends alerts at a steady rate, each on a connection of its own, and prints how each
#: ended: an alert's id, "refused", or what else became of it; and after how long.
_SENDER = """
import http.client, json, secrets, sys, threading, time
body, secret = json.loads(sys.argv[1]), open(sys.argv[2]).read().strip()
count, rate = int(sys.argv[3]), float(sys.argv[4])
ended, threads = {}, []
# No alert is taken for that of an earlier load.
load = secrets.token_hex(4)
# Room for what waits while the service starts: a thread for each alert.
threading.stack_size(256 * 1024)

def send(number):
    # An exit of what is flat: stored like any alert, and no order comes of it that
    # would use up the limits of the day.
    alert = {
        **body,
        "execution_type": "exit",
        "strategy_name": f"load {number}",
        "id": f"{load}-{number}",
        "secret_key": secret,
    }
    began = time.monotonic()
    try:
        peer = http.client.HTTPConnection("127.0.0.1", 5000, timeout=30)
        peer.request("POST", "/webhook", json.dumps(alert))
        answer = peer.getresponse()
        text = answer.read()
        peer.close()
        how = f"status {answer.status}: {text}"
        if answer.status == 202:
            how = json.loads(text)["alert_id"]
    except ConnectionRefusedError:
        how = "refused"
    except (OSError, http.client.HTTPException) as e:
        how = f"cut off: {e!r}"
    ended[number] = how, time.monotonic() - began

begin = time.monotonic()
for number in range(count):
    time.sleep(max(0.0, begin + number / rate - time.monotonic()))
    thread = threading.Thread(target=send, args=[number])
    thread.start()
    threads = [each for each in threads if each.is_alive()] + [thread]
for thread in threads:
    thread.join()
print(json.dumps([ended[number] for number in range(count)]))
"""
_STORED = """
import json, sqlite3
store = sqlite3.connect("/var/lib/shoonya/orders.db")
print(json.dumps([row[0] for row in store.execute("SELECT alert_id FROM alerts")]))
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one webhook ended for its sender."""

    how: str  #: the alert's id, "refused", "cut off: …" or "status …"
    seconds: float

    @property
    def is_accepted(self) -> bool:
        return self.how.startswith("A")


@contextmanager
def sending(
    platform: Platform, *, count: int, rate: float
) -> Iterator[Future[list[Ended]]]:
    """Send while the body runs; the result is there once the last one has ended."""
    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(_send, platform, count, rate)


def stored(platform: Platform) -> set[str]:
    """Return the ids of all alerts in the store."""
    return set(json.loads(_python(platform, _STORED)))


def _send(platform: Platform, count: int, rate: float) -> list[Ended]:
    said = _python(
        platform,
        _SENDER,
        SAMPLE,
        SECRET,
        str(count),
        str(rate),
        timeout_seconds=count / rate + 120,
    )
    return [Ended(how, seconds) for how, seconds in json.loads(said)]


def _python(
    platform: Platform, script: str, *arguments: str, timeout_seconds: float = 60.0
) -> str:
    done = platform.machine.run(
        "/opt/shoonya/venv/bin/python",
        "-c",
        script,
        *arguments,
        timeout_seconds=timeout_seconds,
    )
    return done.stdout
