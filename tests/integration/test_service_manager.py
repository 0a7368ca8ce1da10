"""
ServiceManager over real processes.

The processes are toys: a package of the same name, first on their path, whose
services are ready at once and do as their file says.

Long, as each case says in toys what happens to a process, and they share all of them.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoonya_platform.errors import (
    AlreadyRunning,
    ConfigError,
    NotRunning,
    ShoonyaError,
)
from shoonya_platform.services.child import (
    STOP_SECONDS,
    WATCHDOG_SECONDS,
    ServiceStatus,
)
from shoonya_platform.services.control import ask, control_path
from shoonya_platform.services.policy import RestartPolicy
from shoonya_platform.services.service_manager import ServiceManager
from shoonya_platform.testing.waiting import eventually

ONE, TWO = "execution_guard", "risk_manager"

TOY = """
import os, signal, socket, sys, time
from pathlib import Path

folder, name = Path(os.environ["TOYS"]), sys.argv[0].rpartition("/")[2][:-3]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

def note(what):
    with open(folder / "diary", "a") as diary:
        diary.write(f"{name} {what}\\n")

def say(*states):
    notify.sendto("\\n".join(states).encode(), os.environ["NOTIFY_SOCKET"])

def end(*_):
    note("ends")
    sys.exit(0)

order = (folder / name).read_text().split() if (folder / name).exists() else []
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in order else end)
note("begins")
if "exit" in order:
    sys.exit(int(order[1]))
say("READY=1", f"STATUS=toy {os.getpid()}")
if "hang" in order:
    time.sleep(60)
while True:
    time.sleep(0.02)
    say("WATCHDOG=1")
"""


class QuickClock:
    """The machine's clock, but fifty times as fast."""

    SPEED = 50.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * self.SPEED


class Toys:
    """The directory of the toys, and a manager over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime_dir = folder / "run"
        services = folder / "path" / "shoonya_platform" / "services"
        services.mkdir(parents=True)
        for package in (services, services.parent):
            (package / "__init__.py").touch()
        for name in (ONE, TWO):
            (services / f"{name}.py").write_text(TOY)
        self.told: list[tuple[str, str]] = []
        self.given_up: list[str] = []
        self.manager = self.make()

    def make(self) -> ServiceManager:
        return ServiceManager(
            self.runtime_dir,
            services=[ONE, TWO],
            environ={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.folder / "path"),
                "TOYS": str(self.folder),
            },
            clock=QuickClock(),
            tell=self._tell,
            policy=RestartPolicy(first_delay_seconds=1.0, factor=2.0, jitter=0.0),
        )

    def _tell(self, service: str, sentence: str) -> None:
        self.told.append((service, sentence))

    def order(self, name: str, what: str) -> None:
        """Say what a toy does from its next start on."""
        (self.folder / name).write_text(what)

    @property
    def diary(self) -> list[str]:
        path = self.folder / "diary"
        return path.read_text().splitlines() if path.exists() else []

    def health(self, name: str):
        (found,) = (each for each in self.manager.health() if each.service == name)
        return found

    def run(self, story: Callable[[], None], *, begin_at_once: bool = False) -> None:
        """
        Run the manager as a program does, and beside it the story; then stop.

        Args:
            begin_at_once: Do not wait until all are ready.
        """
        failure: list[BaseException] = []

        def tell_story() -> None:
            try:
                story()
            except BaseException as e:  # noqa: BLE001  # raised again below
                failure.append(e)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        teller = threading.Thread(target=tell_story)
        if begin_at_once:
            teller.start()
            self.manager.run(on_failed=self.given_up.append)
        else:
            self.manager.run(on_ready=teller.start)
        teller.join(10)
        if failure:
            raise failure[0]


@pytest.fixture
def toys(tmp_path):
    return Toys(tmp_path)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_services_start_in_order_and_stop_in_reverse_and_none_is_left(toys):
    pids: list[int] = []

    toys.run(lambda: pids.extend(each.pid for each in toys.manager.health()))

    assert sorted(toys.diary[:2]) == [f"{ONE} begins", f"{TWO} begins"]
    assert toys.diary[2:] == [f"{TWO} ends", f"{ONE} ends"]
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)
    assert not control_path(toys.runtime_dir).exists()
    assert [each.status for each in toys.manager.health()] == ["stopped"] * 2


def test_health_shows_what_each_service_says_of_itself(toys):
    seen = []

    toys.run(lambda: seen.extend(toys.manager.health()))

    for health in seen:
        assert health.status is ServiceStatus.RUNNING
        assert health.text == f"toy {health.pid}"
        assert (health.restarts, health.cause) == (0, "")
        assert health.restart_in_seconds is None
        assert health.since is not None


def test_killed_service_comes_back_and_the_other_does_not_notice(toys):
    def story():
        before = {each.service: each.pid for each in toys.manager.health()}
        os.kill(before[TWO], signal.SIGKILL)
        eventually(
            lambda: (
                toys.health(TWO).status is ServiceStatus.RUNNING
                and toys.health(TWO).pid != before[TWO]
            )
        )
        assert toys.health(TWO).restarts == 1
        assert toys.health(TWO).cause == "killed by SIGKILL"
        assert toys.health(ONE).pid == before[ONE]
        assert toys.health(ONE).restarts == 0

    toys.run(story)

    assert toys.diary.count(f"{TWO} begins") == 2
    assert toys.diary.count(f"{ONE} begins") == 1


def test_service_that_crashes_again_and_again_is_given_up_and_the_other_goes_on(toys):
    toys.order(TWO, "exit 1")

    def story():
        eventually(lambda: toys.health(TWO).status is ServiceStatus.FAILED)
        eventually(lambda: toys.health(ONE).status is ServiceStatus.RUNNING)
        assert toys.health(TWO).cause == "exited with 1"

    toys.run(story, begin_at_once=True)

    assert toys.given_up == [TWO]
    # The first start and three restarts.
    assert toys.diary.count(f"{TWO} begins") == 4
    assert toys.diary.count(f"{ONE} begins") == 1
    last = [sentence for service, sentence in toys.told if service == TWO][-1]
    assert "given up after 3 restarts in 5 minutes" in last
    assert f"shoonyactl start {TWO}" in last


def test_restart_waits_longer_each_time(toys):
    toys.order(TWO, "exit 1")

    toys.run(
        lambda: eventually(lambda: toys.health(TWO).status is ServiceStatus.FAILED),
        begin_at_once=True,
    )

    sentences = [sentence for service, sentence in toys.told if service == TWO]
    assert [sentence.partition("; ")[2] for sentence in sentences[:3]] == [
        "restart 1 of 3 in 1 s",
        "restart 2 of 3 in 2 s",
        "restart 3 of 3 in 4 s",
    ]


def test_unusable_configuration_is_not_tried_again(toys):
    toys.order(TWO, "exit 78")

    toys.run(
        lambda: eventually(lambda: toys.health(TWO).status is ServiceStatus.FAILED),
        begin_at_once=True,
    )

    assert toys.given_up == [TWO]
    assert toys.diary.count(f"{TWO} begins") == 1
    assert toys.health(TWO).cause == "exited with 78"
    sentences = [sentence for service, sentence in toys.told if service == TWO]
    assert sentences == ["exited with 78; not started again: mend it first"]


def test_operator_may_start_again_what_was_given_up(toys):
    toys.order(TWO, "exit 78")

    def story():
        eventually(lambda: toys.health(TWO).status is ServiceStatus.FAILED)
        toys.order(TWO, "")
        ask(toys.runtime_dir, {"verb": "start", "services": [TWO]})
        eventually(lambda: toys.health(TWO).status is ServiceStatus.RUNNING)
        assert toys.health(TWO).restarts == 0

    toys.run(story, begin_at_once=True)


def test_service_that_hangs_is_killed_and_started_again(toys):
    toys.order(TWO, "hang")

    def story():
        before = toys.health(TWO).pid
        toys.order(TWO, "")
        limit = 20 + WATCHDOG_SECONDS / QuickClock.SPEED
        eventually(lambda: toys.health(TWO).pid not in (None, before), limit)
        assert toys.health(TWO).cause.startswith("hung: no sign of life")

    toys.run(story)

    assert toys.diary.count(f"{ONE} begins") == 1


def test_service_that_does_not_end_is_killed_in_the_end(toys):
    toys.order(TWO, "stubborn")
    pids = []

    toys.run(lambda: pids.append(toys.health(TWO).pid))

    assert not is_alive(pids[0])
    assert (TWO, f"did not end within {STOP_SECONDS:g} s, killing it") in toys.told
    assert toys.diary[-1] == f"{ONE} ends"


def test_operator_stops_starts_and_restarts_a_single_service(toys):
    def story():
        first = toys.health(TWO).pid
        ask(toys.runtime_dir, {"verb": "stop", "services": [TWO]})
        eventually(lambda: toys.health(TWO).status is ServiceStatus.STOPPED)
        ask(toys.runtime_dir, {"verb": "start", "services": [TWO]})
        eventually(lambda: toys.health(TWO).status is ServiceStatus.RUNNING)
        second = toys.health(TWO).pid
        ask(toys.runtime_dir, {"verb": "restart", "services": [TWO]})
        eventually(
            lambda: (
                toys.health(TWO).status is ServiceStatus.RUNNING
                and toys.health(TWO).pid != second
            )
        )
        assert len({first, second, toys.health(TWO).pid}) == 3
        # An operator's own restarts are no crashes.
        assert toys.health(TWO).restarts == 0

    toys.run(story)

    assert toys.diary.count(f"{ONE} begins") == 1


def test_status_is_told_over_the_socket(toys):
    answers = []

    toys.run(lambda: answers.append(ask(toys.runtime_dir, {"verb": "status"})))

    (answer,) = answers
    assert answer["pid"] == os.getpid()
    assert [each["service"] for each in answer["services"]] == [ONE, TWO]
    assert {each["status"] for each in answer["services"]} == {"running"}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        pytest.param({"verb": "explode"}, "unknown verb 'explode'", id="verb"),
        pytest.param(
            {"verb": "stop", "services": ["nobody"]}, "'nobody'", id="service"
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(toys, request_, sentence):
    errors = []

    def story():
        with pytest.raises(ShoonyaError) as caught:
            ask(toys.runtime_dir, request_)
        errors.append(str(caught.value))

    toys.run(story)

    assert sentence in errors[0]


@pytest.mark.parametrize("line", [b"", b"no json\n", b"[1]\n", b'{"services": 5}\n'])
def test_broken_request_costs_nobody_anything(toys, line):
    def story():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(str(control_path(toys.runtime_dir)))
            peer.sendall(line)
        assert ask(toys.runtime_dir, {"verb": "status"})["services"]

    toys.run(story)


def test_second_manager_of_the_same_services_is_refused(toys):
    errors = []

    def story():
        with pytest.raises(AlreadyRunning) as caught:
            toys.make()
        errors.append(str(caught.value))

    toys.run(story)

    assert f"pid {os.getpid()}" in errors[0]


def test_manager_begins_where_an_earlier_one_was_killed(toys):
    toys.run(lambda: None)
    (toys.folder / "diary").unlink()
    # Sockets that are still there, and nobody behind them.
    for path in (control_path(toys.runtime_dir), toys.runtime_dir / ONE / "notify"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
            left.bind(str(path))

    toys.manager = toys.make()
    toys.run(lambda: None)

    assert toys.diary.count(f"{ONE} begins") == 1


def test_nobody_there_is_not_running(tmp_path):
    with pytest.raises(NotRunning) as caught:
        ask(tmp_path, {"verb": "status"})

    assert "shoonyactl up" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.touch(), id="a-file"),
        pytest.param(lambda path: None, id="name-too-long-for-a-socket"),
    ],
)
def test_runtime_directory_that_cannot_be_used_is_told(tmp_path, spoil):
    folder = tmp_path / "run"
    spoil(folder)
    if not folder.exists():
        # Short enough for the manager's own socket, too long for its services'.
        folder = tmp_path / ("x" * (104 - len(str(tmp_path)) - len("/control")))

    with pytest.raises(ConfigError, match="runtime directory") as caught:
        ServiceManager(folder, services=[ONE])

    assert "paths.runtime_dir" in (caught.value.hint or "")


# -- shoonyactl over it --------------------------------------------------------


def shoonyactl(toys, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "shoonya_platform.ctl.main", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "SHOONYA_PATHS_RUNTIME_DIR": str(toys.runtime_dir),
            "SHOONYA_PATHS_STATE_DIR": str(toys.folder),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_restart_waits_until_a_new_process_is_ready_and_says_how_long(toys):
    def story():
        before = toys.health(TWO).pid
        done = shoonyactl(toys, "restart", TWO)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(rf"restarted {TWO} in \d+\.\d s\n", done.stdout)
        assert toys.health(TWO).status is ServiceStatus.RUNNING
        assert toys.health(TWO).pid != before

    toys.run(story)


def test_stop_and_start_wait_until_it_is_so(toys):
    def story():
        assert shoonyactl(toys, "start", TWO).stdout == f"running already: {TWO}\n"
        assert shoonyactl(toys, "stop", TWO).returncode == 0
        assert toys.health(TWO).status is ServiceStatus.STOPPED
        assert shoonyactl(toys, "stop", TWO).stdout == f"stopped already: {TWO}\n"
        assert shoonyactl(toys, "start", TWO).returncode == 0
        assert toys.health(TWO).status is ServiceStatus.RUNNING

    toys.run(story)


def test_start_of_what_cannot_start_is_a_failure_with_its_cause(toys):
    def story():
        shoonyactl(toys, "stop", TWO)
        toys.order(TWO, "exit 78")
        done = shoonyactl(toys, "start", TWO)
        assert done.returncode == 1
        assert "exited with 78" in done.stderr
        assert f"shoonyactl why {TWO}" in done.stderr

    toys.run(story)


def test_stop_that_takes_too_long_is_124(toys):
    toys.order(TWO, "stubborn")

    def story():
        done = shoonyactl(toys, "stop", TWO, "--timeout", "0")
        assert done.returncode == 124
        assert "stopping" in done.stderr

    toys.run(story)


def test_status_shows_who_runs_and_is_3_while_some_do_not(toys):
    def story():
        done = shoonyactl(toys, "status", "--json")
        assert done.returncode == 3
        services = {
            each["service"]: each for each in json.loads(done.stdout)["services"]
        }
        for name in (ONE, TWO):
            assert services[name]["state"] == "running"
            assert services[name]["supervisor"] == "manager"
            assert services[name]["pid"] == toys.health(name).pid
            assert services[name]["memory_bytes"] > 0
        assert services["dashboard"]["state"] == "stopped"

    toys.run(story)
