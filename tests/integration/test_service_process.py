"""A service as a process: how it ends, and what it says to whom."""

import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shoonya_platform.brokers.paper import FaultKind, PaperBroker, PaperSettings
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.services.control import ask
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import store_order
from shoonya_platform.testing.waiting import eventually
from tests.migration.old_store import make_old_store

SECONDS_TO_END = 2.0


class Service:
    """One service process, and what it tells its supervisor."""

    def __init__(self, name: str, folder: Path, variables: dict[str, str]) -> None:
        self.told: list[str] = []
        path = folder / f"notify-{name}"
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        self._notify.setblocking(False)
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"shoonya_platform.services.{name}"],
            env={
                "PATH": os.environ["PATH"],
                "NOTIFY_SOCKET": str(path),
                "SHOONYA_PATHS_STATE_DIR": str(folder / "state"),
                "SHOONYA_PATHS_RUNTIME_DIR": str(folder / "run"),
                "SHOONYA_PATHS_LOG_DIR": str(folder / "logs"),
                "SHOONYA_PATHS_CREDENTIALS_DIR": str(folder / "credentials"),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def states(self) -> list[str]:
        """Return all that was told so far, a state each."""
        while True:
            try:
                self.told += self._notify.recv(65_536).decode().splitlines()
            except BlockingIOError:
                return self.told

    def wait_for(self, state: str) -> None:
        eventually(
            lambda: any(told.startswith(state) for told in self.states()),
            message=f"{state} in {self.told}",
        )

    def is_silent_for(self, seconds: float) -> bool:
        """Return whether nothing more is told within that time."""
        self.states()
        ready, _, _ = select.select([self._notify], [], [], seconds)
        return not ready

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and standard error."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said

    def terminate(self) -> tuple[int, str, float]:
        """Ask for the end; return the exit code, standard error and the seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code, said = self.end()
        return code, said, time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._notify.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Service]]:
    begun: list[Service] = []

    def start_one(name: str = "risk_manager", **variables: str) -> Service:
        service = Service(
            name, folder, {f"SHOONYA_{key}": text for key, text in variables.items()}
        )
        begun.append(service)
        return service

    yield start_one
    for service in begun:
        service.close()


# -- what cannot be used -------------------------------------------------------


def broken_toml(folder):
    (folder / "shoonya.toml").write_text("[webhook\n")
    return {"CONFIG": str(folder / "shoonya.toml")}


def unknown_key(folder):
    (folder / "shoonya.toml").write_text("[webhook]\nprt = 1\n")
    return {"CONFIG": str(folder / "shoonya.toml")}


def a_file_for(what):
    def spoil(folder):
        (folder / what).rmdir() if what == "state" else None
        (folder / what).write_text("a file in the directory's place")
        return {}

    return spoil


def damaged_store(folder):
    (folder / "state" / "orders.db").write_bytes(b"no database" * 100)
    return {}


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        pytest.param(broken_toml, "is not valid TOML", id="broken-toml"),
        pytest.param(unknown_key, "did you mean 'port'?", id="unknown-key"),
        pytest.param(
            lambda _: {"LOG_LEVL": "INFO"}, "SHOONYA_LOG_LEVEL", id="variable"
        ),
        pytest.param(a_file_for("logs"), "logs", id="log-directory"),
        pytest.param(a_file_for("state"), "paths.state_dir", id="state-directory"),
        pytest.param(a_file_for("run"), "paths.runtime_dir", id="runtime-directory"),
        pytest.param(damaged_store, "restore a backup", id="damaged-store"),
    ],
)
def test_what_cannot_be_used_ends_with_78_and_a_sentence(start, folder, spoil, named):
    service = start(**spoil(folder))

    code, said = service.end()

    assert code == 78
    assert named in said
    assert "Traceback" not in said
    (sentence,) = (
        line.removeprefix("risk_manager: ")
        for line in said.splitlines()
        if line.startswith("risk_manager: ")
    )
    assert service.states()[-2:] == ["STOPPING=1", f"STATUS={sentence}"]
    assert "READY=1" not in service.states()


def test_service_without_its_secret_ends_with_78_and_says_where_to_put_it(start):
    code, said = start("execution_service").end()

    assert code == 78
    assert "credentials/webhook_secret" in said
    assert "Traceback" not in said


# -- one of each ---------------------------------------------------------------


def test_second_instance_is_refused_and_the_first_goes_on(start, folder):
    first = start()
    first.wait_for("READY=1")

    code, said = start().end()

    assert code == 1
    assert f"already running (pid {first.process.pid})" in said
    assert "Traceback" not in said
    assert first.process.poll() is None
    assert first.terminate()[0] == 0


def test_service_begins_after_one_that_was_killed(start):
    first = start()
    first.wait_for("READY=1")
    first.process.kill()
    first.end()

    second = start()
    second.wait_for("READY=1")

    assert second.terminate()[0] == 0


# -- the orderly end -----------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_service_ends_in_order_at_once(start, number):
    # Far longer than it may take: the signal has to interrupt the wait.
    service = start(SERVICE_POLL_SECONDS="600")
    service.wait_for("READY=1")
    service.wait_for("STATUS=")
    began = time.monotonic()

    service.process.send_signal(number)
    code, said = service.end()

    assert (code, said) == (0, "")
    assert time.monotonic() - began < SECONDS_TO_END
    assert service.states()[-2:] == ["STOPPING=1", "STATUS=ending in order"]


def test_service_that_waits_for_its_broker_ends_in_order_at_once(start, folder):
    paper = PaperBroker(
        folder / "state" / "paper.db",
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=SystemClock(),
        timeout_seconds=5.0,
    )
    paper.add_fault(FaultKind.UNAVAILABLE, count=1, seconds=3600)
    paper.close()
    service = start("order_watcher")
    service.wait_for("STATUS=waiting: ")

    code, said, seconds = service.terminate()

    assert code == 0
    assert "CRITICAL" not in said
    assert seconds < SECONDS_TO_END
    assert "READY=1" not in service.states()


def test_service_that_waits_for_its_store_ends_in_order_at_once(start, folder):
    (folder / "state" / "orders.db").mkdir()
    service = start()
    service.wait_for("STATUS=waiting: ")

    code, said, seconds = service.terminate()

    assert code == 0
    assert "CRITICAL" not in said
    assert seconds < SECONDS_TO_END


def test_service_begins_its_work_once_the_store_can_be_opened(start, folder):
    (folder / "state" / "orders.db").mkdir()
    service = start()
    service.wait_for("STATUS=waiting: ")

    (folder / "state" / "orders.db").rmdir()
    service.wait_for("READY=1")

    assert service.terminate()[0] == 0


# -- the work ------------------------------------------------------------------


def test_service_that_brings_its_store_to_a_new_schema_says_so_and_gets_the_time(
    start, folder
):
    make_old_store(folder / "state" / "orders.db", orders=60_000)

    service = start()

    service.wait_for("READY=1")
    until_ready = service.told[: service.told.index("READY=1")]
    assert "STATUS=bringing the order store to this version's schema" in until_ready
    # systemd would kill a start of more than a minute.
    assert "EXTEND_TIMEOUT_USEC=60000000" in until_ready


def test_service_does_its_work_and_says_so_in_the_store_and_its_own_file(start, folder):
    store = SqliteOrderStore(
        folder / "state" / "orders.db",
        service="tests",
        run_id="tests",
        clock=SystemClock(),
    )
    order = store_order(store)
    service = start()
    service.wait_for("STATUS=1 orders passed")

    events = store.orders.events(order_id=order.order_id)
    (beat,) = store.services.all()
    service.terminate()

    assert [event.service for event in events][-1] == "risk_manager"
    assert events[-1].trigger == "risk_passed"
    assert beat.pid == service.process.pid
    assert beat.run_id == events[-1].run_id
    store.close()
    assert [path.name for path in (folder / "logs").glob("*.log")] == [
        "risk_manager.log"
    ]
    lines = (folder / "logs" / "risk_manager.log").read_text()
    assert f"order_id={order.order_id}" in lines


def test_log_level_is_changed_in_the_running_service(start, folder):
    first = start()
    first.wait_for("READY=1")
    own = folder / "run" / "risk_manager"
    log = folder / "logs" / "risk_manager.log"

    answer = ask(own, {"verb": "log-level", "level": "ERROR", "seconds": 600})
    assert (answer["level"], answer["configured"]) == ("ERROR", "INFO")
    assert "event=log_level_changed" in log.read_text()

    # Who is refused as the second takes nothing away from the first.
    start().end()
    assert ask(own, {"verb": "log-level"})["level"] == "ERROR"

    code, _, seconds = first.terminate()
    assert (code, seconds < SECONDS_TO_END) == (0, True)
    # Below the level that was set.
    assert "ends in order" not in log.read_text()
    start().wait_for("READY=1")
    assert ask(own, {"verb": "log-level"})["level"] == "INFO"


def test_watchdog_is_fed_by_the_loop_that_works(start, folder):
    service = start(SERVICE_POLL_SECONDS="0.02", SERVICE_HEARTBEAT_SECONDS="0.02")
    service.wait_for("READY=1")

    def fed():
        return service.states().count("WATCHDOG=1")

    eventually(lambda: fed() > 3)
    # While the loop hangs in a locked store nothing feeds: no thread beside it.
    with closing(
        sqlite3.connect(folder / "state" / "orders.db", isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        eventually(lambda: service.is_silent_for(0.7), 4.5)
        count = fed()
    eventually(lambda: fed() > count)
