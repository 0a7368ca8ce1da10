"""shoonyactl alert send, against the real webhook over a real socket."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import a_leg, alert_body
from shoonya_platform.testing.waiting import eventually

SECRET = "correct-horse-battery"
Send = Callable[..., subprocess.CompletedProcess[str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process of this installation has as its environment."""
    home = tmp_path_factory.mktemp("home")
    (home / "state").mkdir()
    (home / "credentials").mkdir()
    (home / "credentials" / "webhook_secret").write_text(SECRET)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "SHOONYA_PATHS_STATE_DIR": str(home / "state"),
        "SHOONYA_PATHS_RUNTIME_DIR": str(home / "run"),
        "SHOONYA_PATHS_LOG_DIR": str(home / "logs"),
        "SHOONYA_PATHS_CREDENTIALS_DIR": str(home / "credentials"),
        "SHOONYA_WEBHOOK_PORT": str(free_port()),
    }


@pytest.fixture(scope="module")
def webhook(environ: dict[str, str]) -> Iterator[int]:
    """The service that listens; yields its port."""
    port = int(environ["SHOONYA_WEBHOOK_PORT"])
    with subprocess.Popen(
        [sys.executable, "-m", "shoonya_platform.services.execution_service"],
        env=environ,
        stderr=subprocess.DEVNULL,
    ) as service:
        eventually(lambda: ask(port, "GET", "/health")[0] == 200)
        yield port
        service.terminate()
        assert service.wait(20) == 0


def ask(port: int, method: str, path: str, **more: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, **more)  # type: ignore[arg-type]
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionError:
        return 0, b""
    finally:
        connection.close()


@pytest.fixture
def send(environ: dict[str, str], tmp_path: Path) -> Send:
    """Call `shoonyactl alert send` with a file made of this alert."""

    def call(
        alert: object, *options: str, stdin: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        text = alert if isinstance(alert, str) else json.dumps(alert)
        file = tmp_path / "alert.json"
        file.write_text(text)
        return subprocess.run(
            [
                *(sys.executable, "-m", "shoonya_platform.ctl.main", "alert", "send"),
                *("-" if stdin else str(file), *options),
            ],
            input=text,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return call


@pytest.fixture
def store(environ: dict[str, str]) -> Iterator[SqliteOrderStore]:
    opened = SqliteOrderStore(
        Path(environ["SHOONYA_PATHS_STATE_DIR"]) / "orders.db",
        service="tests",
        run_id="tests",
        clock=SystemClock(),
    )
    yield opened
    opened.close()


def test_alert_gets_the_secret_and_an_id(webhook, send, store):
    done = send(alert_body(id="send-1"))

    assert (done.returncode, done.stderr) == (0, "")
    word, alert_id = done.stdout.split()
    assert word == "accepted"
    assert store.alerts.get(alert_id) is not None


def test_alert_may_come_from_standard_input_and_be_answered_in_json(webhook, send):
    done = send(alert_body(id="send-2"), "--json", stdin=True)

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["status"]) == (0, "accepted")
    again = json.loads(send(alert_body(id="send-2"), "--json").stdout)
    assert again == {"status": "duplicate", "alert_id": answer["alert_id"]}


@pytest.mark.parametrize(
    ("alert", "code"),
    [
        pytest.param("no json", "BODY_NOT_JSON", id="no-json"),
        pytest.param(alert_body(a_leg(qty=-1)), "FIELD_INVALID", id="quantity"),
        pytest.param(
            alert_body(secret_key="wrong"), "SECRET_WRONG", id="secret-of-its-own"
        ),
    ],
)
def test_refused_alert_is_30_with_code_and_reason(webhook, send, alert, code):
    done = send(alert)

    assert (done.returncode, done.stdout) == (30, "")
    assert done.stderr.startswith(f"shoonyactl: {code}: ")
    assert SECRET not in done.stderr


def test_alert_that_nobody_settles_is_124_after_the_time_out(webhook, send):
    done = send(alert_body(id="send-3"), "--wait", "--timeout", "0.2")

    assert done.returncode == 124
    assert "shoonyactl trace" in done.stderr


def test_without_a_webhook_it_is_3(send):
    done = send(alert_body(), SHOONYA_WEBHOOK_PORT=str(free_port()))

    assert (done.returncode, done.stdout) == (3, "")
    assert "does not answer" in done.stderr


def test_without_a_secret_it_is_11(webhook, send, tmp_path):
    done = send(alert_body(), SHOONYA_PATHS_CREDENTIALS_DIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (11, "")


def test_huge_body_is_refused_while_it_is_still_being_sent(webhook):
    with socket.create_connection(("127.0.0.1", webhook), timeout=30) as peer:
        peer.sendall(
            b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 10485760\r\n\r\n"
        )

        answer = peer.recv(4096)

    assert b" 413 " in answer.splitlines()[0]


def test_sender_that_goes_away_in_the_middle_costs_nothing(webhook):
    with socket.create_connection(("127.0.0.1", webhook), timeout=30) as peer:
        peer.sendall(
            b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )

    assert ask(webhook, "GET", "/health")[0] == 200
