"""How the eight are: from the manager, from systemd, from heartbeats."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.services import units
from shoonya_platform.services.child import ServiceHealth, ServiceStatus
from shoonya_platform.services.control import control_path
from shoonya_platform.services.units import (
    ServiceReader,
    ServiceView,
    Supervisor,
    memory_bytes,
    read_services,
)
from shoonya_platform.store.base import ServiceBeat
from tests.unit.dashboard.ledger import BEGIN, StandingClock


def view_of(views: list[ServiceView], service: str) -> ServiceView:
    return next(view for view in views if view.service == service)


class FakeManager:
    """Answers on the control socket as ServiceManager does."""

    def __init__(self, runtime_dir: Path, answer: bytes) -> None:
        self.asked = 0
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(control_path(runtime_dir)))
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._listener.accept()
            with peer:
                request = peer.recv(4096)
                if request == b"stop\n":
                    return
                assert json.loads(request) == {"verb": "status"}
                self.asked += 1
                peer.sendall(self._answer)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(self._listener.getsockname())
            peer.sendall(b"stop\n")
        self._thread.join()
        self._listener.close()


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    # A socket's path holds at most 107 characters.
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def _without_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(units, "BOOTED", tmp_path / "not-booted")


def manager_answer() -> bytes:
    services = [
        asdict(
            ServiceHealth(
                service=name,
                status=ServiceStatus.RUNNING,
                pid=os.getpid(),
                since=BEGIN,
                restarts=0,
                text="at work",
                cause="",
                restart_in_seconds=None,
            )
        )
        for name in COMPONENTS
    ]
    services[0] |= {
        "status": ServiceStatus.BACKOFF,
        "pid": None,
        "restarts": 2,
        "cause": "killed by SIGKILL",
        "restart_in_seconds": 3.5,
    }
    answer = {"pid": 1, "services": services}
    return json.dumps(answer, default=str).encode() + b"\n"


@pytest.fixture
def manager(runtime_dir: Path) -> Iterator[FakeManager]:
    manager = FakeManager(runtime_dir, manager_answer())
    yield manager
    manager.close()


def test_manager_is_believed(manager, runtime_dir):
    views = read_services(runtime_dir)

    assert [view.service for view in views] == list(COMPONENTS)
    assert {view.supervisor for view in views} == {Supervisor.MANAGER}
    crashed, running = views[0], views[1]
    assert (crashed.state, crashed.pid, crashed.restarts, crashed.cause) == (
        ServiceStatus.BACKOFF,
        None,
        2,
        "killed by SIGKILL",
    )
    assert crashed.text == "restarts in 4 s (2 of 3)"
    assert crashed.memory_bytes is None
    assert (running.since, running.text) == (BEGIN, "at work")
    assert running.memory_bytes is not None
    assert running.memory_bytes > 1 << 20


def test_manager_is_asked_before_systemd(manager, runtime_dir):
    def run(command: Sequence[str]) -> str:
        raise AssertionError("asked systemd")

    assert view_of(read_services(runtime_dir, run=run), "dashboard").pid == os.getpid()


@pytest.mark.parametrize(
    "answer",
    [
        b'{"pid": 1}\n',
        b'{"services": [{"service": "dashboard"}]}\n',
        b'{"error": "no"}\n',
        b"nonsense\n",
        b"",
    ],
)
def test_manager_of_another_version_is_passed_over(runtime_dir, answer):
    manager = FakeManager(runtime_dir, answer)
    try:
        views = read_services(runtime_dir)
    finally:
        manager.close()

    assert {view.supervisor for view in views} == {Supervisor.NONE}


SHOWN = """\
NRestarts=0
Result=success
ExecMainStatus=0
MainPID=4194304
StatusText=3 orders passed
MemoryCurrent=15728640
Id=shoonya@risk_manager.service
LoadState=loaded
ActiveState=active
SubState=running
StateChangeTimestampMonotonic=999000000
ActiveEnterTimestampMonotonic=940000000

Id=shoonya@dashboard.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
NRestarts=2
Result=signal
ExecMainStatus=9
MainPID=0
StatusText=
MemoryCurrent=[not set]
StateChangeTimestampMonotonic=999000000
ActiveEnterTimestampMonotonic=940000000

Id=shoonya@trading_bot.service
LoadState=loaded
ActiveState=failed
SubState=failed
NRestarts=3
Result=exit-code
ExecMainStatus=78
MainPID=0
MemoryCurrent=18446744073709551615
StateChangeTimestampMonotonic=0
ActiveEnterTimestampMonotonic=0

Id=shoonya@order_watcher.service
LoadState=not-found
ActiveState=inactive
SubState=dead
"""


def test_systemd_is_asked_once_for_all_eight(runtime_dir):
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return SHOWN

    read_services(runtime_dir, run=run, clock=StandingClock())

    assert len(asked) == 1
    assert asked[0][:2] == ["systemctl", "show"]
    assert [unit for unit in asked[0] if unit.startswith("shoonya@")] == [
        f"shoonya@{name}.service" for name in COMPONENTS
    ]


def test_systemd_is_read_into_our_words(runtime_dir):
    views = read_services(runtime_dir, run=lambda command: SHOWN, clock=StandingClock())

    running = view_of(views, "risk_manager")
    assert running == ServiceView(
        service="risk_manager",
        state=ServiceStatus.RUNNING,
        pid=4194304,
        since=BEGIN - timedelta(seconds=60),
        restarts=0,
        text="3 orders passed",
        cause="",
        memory_bytes=15728640,
        supervisor=Supervisor.SYSTEMD,
    )
    waiting = view_of(views, "dashboard")
    assert (waiting.state, waiting.cause, waiting.restarts) == (
        ServiceStatus.BACKOFF,
        "killed by SIGKILL",
        2,
    )
    assert waiting.since == BEGIN - timedelta(seconds=1)
    assert (waiting.pid, waiting.memory_bytes) == (None, None)
    failed = view_of(views, "trading_bot")
    assert (failed.state, failed.cause) == (ServiceStatus.FAILED, "exited with 78")
    assert (failed.since, failed.memory_bytes) == (None, None)
    absent = view_of(views, "order_watcher")
    assert (absent.state, absent.supervisor) == (
        ServiceStatus.STOPPED,
        Supervisor.NONE,
    )


@pytest.mark.parametrize(
    ("active", "sub", "state"),
    [
        ("active", "running", "running"),
        ("reloading", "reload", "running"),
        ("activating", "start", "starting"),
        ("activating", "auto-restart-queued", "backoff"),
        ("deactivating", "stop-sigterm", "stopping"),
        ("failed", "failed", "failed"),
        ("inactive", "dead", "stopped"),
        ("maintenance", "", "stopped"),
    ],
)
def test_states_of_systemd(runtime_dir, active, sub, state):
    shown = (
        "Id=shoonya@dashboard.service\nLoadState=loaded\n"
        f"ActiveState={active}\nSubState={sub}\n"
    )

    views = read_services(runtime_dir, run=lambda command: shown)

    assert view_of(views, "dashboard").state == state


def test_service_that_waits_inside_for_its_restart_is_backing_off(runtime_dir):
    shown = (
        "Id=shoonya@dashboard.service\nLoadState=loaded\nActiveState=activating\n"
        "SubState=start\nStatusText=restarts in 8 s (3 of 3)\nMainPID=7\n"
    )

    views = read_services(runtime_dir, run=lambda command: shown)

    view = view_of(views, "dashboard")
    assert (view.state, view.text) == ("backoff", "restarts in 8 s (3 of 3)")


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        ("success", ""),
        ("watchdog", "hung: no sign of life"),
        ("oom-kill", "killed: out of memory"),
        ("start-limit-hit", "given up: too many restarts"),
        ("core-dump", "killed by SIGABRT"),
        ("resources", "resources"),
    ],
)
def test_causes_of_systemd(runtime_dir, result, cause):
    shown = (
        "Id=shoonya@dashboard.service\nLoadState=loaded\nActiveState=failed\n"
        f"Result={result}\nExecMainStatus=6\n"
    )

    views = read_services(runtime_dir, run=lambda command: shown)

    assert view_of(views, "dashboard").cause == cause


def beat(service: str, at: datetime) -> ServiceBeat:
    return ServiceBeat(
        service=service,
        run_id="run-1",
        pid=os.getpid(),
        status="at work",
        started_at=BEGIN - timedelta(hours=1),
        beat_at=at,
    )


def unreachable(command: Sequence[str]) -> str:
    """What the sandbox may make of a call for systemctl."""
    raise subprocess.CalledProcessError(1, "systemctl", stderr="Failed to connect")


def missing(command: Sequence[str]) -> str:
    raise FileNotFoundError("systemctl")


def hanging(command: Sequence[str]) -> str:
    raise subprocess.TimeoutExpired("systemctl", 3.0)


def not_installed(command: Sequence[str]) -> str:
    return "Id=shoonya@dashboard.service\nLoadState=not-found\nActiveState=inactive\n"


@pytest.mark.parametrize("run", [unreachable, missing, hanging, not_installed])
def test_without_systemd_heartbeats_tell(runtime_dir, run):
    beats = [
        beat("dashboard", BEGIN - timedelta(seconds=14)),
        beat("trading_bot", BEGIN - timedelta(seconds=16)),
    ]

    views = read_services(
        runtime_dir, beats=beats, heartbeat_seconds=5, clock=StandingClock(), run=run
    )

    assert {view.supervisor for view in views} == {Supervisor.HEARTBEAT}
    alive = view_of(views, "dashboard")
    assert (alive.state, alive.pid) == (ServiceStatus.RUNNING, os.getpid())
    assert alive.since == BEGIN - timedelta(hours=1)
    assert alive.memory_bytes
    silent = view_of(views, "trading_bot")
    assert (silent.state, silent.pid) == (ServiceStatus.FAILED, None)
    assert silent.since == BEGIN - timedelta(seconds=16)
    assert silent.memory_bytes is None
    assert silent.cause
    assert view_of(views, "risk_manager").state is ServiceStatus.STOPPED


def test_service_that_said_goodbye_is_stopped_and_not_dead(runtime_dir):
    ended = BEGIN - timedelta(seconds=3)
    goodbye = replace(beat("dashboard", BEGIN - timedelta(seconds=4)), ended_at=ended)

    views = read_services(
        runtime_dir, beats=[goodbye], heartbeat_seconds=5, clock=StandingClock()
    )

    view = view_of(views, "dashboard")
    assert (view.state, view.cause) == (ServiceStatus.STOPPED, "")
    assert (view.since, view.pid) == (ended, None)


def test_without_anybody_all_eight_are_stopped(runtime_dir):
    views = read_services(runtime_dir)

    assert [view.service for view in views] == list(COMPONENTS)
    assert {view.state for view in views} == {ServiceStatus.STOPPED}
    assert {view.supervisor for view in views} == {Supervisor.NONE}


def test_reader_asks_at_most_once_a_second(manager, runtime_dir):
    clock = StandingClock()
    reader = ServiceReader(runtime_dir, heartbeat_seconds=5, clock=clock)

    first = reader.read()
    clock.advance(0.9)
    again = reader.read()
    clock.advance(0.2)
    reader.read()

    assert again == first
    assert manager.asked == 2


def test_memory_is_the_share_of_the_process_where_it_may_be_read(tmp_path):
    process = tmp_path / "42"
    process.mkdir()
    (process / "status").write_text("Name:\tpython\nVmRSS:\t   40000 kB\n")

    resident = memory_bytes(42, proc=tmp_path)
    (process / "smaps_rollup").write_text("Rss: 40000 kB\nPss:   15360 kB\n")
    share = memory_bytes(42, proc=tmp_path)

    assert resident == 40000 * 1024
    assert share == 15360 * 1024


def test_memory_of_nobody_is_none(tmp_path):
    assert memory_bytes(None) is None
    assert memory_bytes(43, proc=tmp_path) is None


def test_moments_of_systemd_are_aware(runtime_dir):
    views = read_services(runtime_dir, run=lambda command: SHOWN)
    since = view_of(views, "risk_manager").since

    assert since is not None
    assert since.tzinfo is UTC
