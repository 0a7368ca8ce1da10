"""What is told of a service whose last run ended badly."""

import json
import socket
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoonya_platform.config.settings import Paths, Settings
from shoonya_platform.services import units
from shoonya_platform.services.blackbox import LastWords
from shoonya_platform.services.child import ServiceHealth, ServiceStatus
from shoonya_platform.services.control import control_path
from shoonya_platform.services.crashes import Crash, CrashHistory
from shoonya_platform.services.telling import tell
from shoonya_platform.services.why import LINES, Explanation, explain

NOW = datetime(2026, 11, 24, 9, 20, tzinfo=UTC)
KILLED = {"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}
CRASHED = {"SERVICE_RESULT": "exit-code", "EXIT_CODE": "exited", "EXIT_STATUS": "1"}
CONFIG = {**CRASHED, "EXIT_STATUS": "78"}
GIVEN_UP = {**CRASHED, "EXIT_STATUS": "79"}
HUNG = {"SERVICE_RESULT": "watchdog", "EXIT_CODE": "killed", "EXIT_STATUS": "ABRT"}
STACK = (
    "Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n"
    '  File "/venv/shoonya_platform/brokers/paper.py", line 12 in place\n'
)


@pytest.fixture(autouse=True)
def _without_systemd(monkeypatch, tmp_path):
    monkeypatch.setattr(units, "BOOTED", tmp_path / "not-booted")


class Machine:
    """The places that an explanation is put together from."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            paths=Paths(
                state_dir=folder / "state",
                runtime_dir=folder / "run",
                log_dir=folder / "logs",
            )
        )
        for path in (self.settings.paths.log_dir, self.settings.paths.runtime_dir):
            path.mkdir()
        (folder / "state").mkdir()
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.state_dir = folder / "state"
        self.history = CrashHistory(
            self.state_dir, "risk_manager", boot_id.replace("-", "")
        )
        self.journal: list[tuple[str, int]] = []

    def end(self, environ: dict[str, str], run_id: str = "", stack: str = "") -> None:
        words = LastWords(run_id=run_id, pid=1, status="3 orders passed", stack=stack)
        self.history.note_end(
            {**environ, "INVOCATION_ID": "inv"}, NOW, words if run_id else None
        )

    def log(self, run_id: str, *sentences: str, more: str = "", file: str = "") -> None:
        path = self.settings.paths.log_dir / f"risk_manager.log{file}"
        with path.open("a") as log:
            for number, sentence in enumerate(sentences):
                log.write(
                    "2026-11-24 09:19:00.000 | INFO     | RISK_MANAGER         | "
                    f"{sentence} | run={run_id} seq={number + 1}\n{more}"
                )

    def explain(self) -> Explanation:
        def journal(invocation_id: str, count: int) -> list[str]:
            self.journal.append((invocation_id, count))
            return ["from the journal"]

        return explain(
            self.settings, "risk_manager", state_dir=self.state_dir, journal=journal
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_service_that_never_ended_badly_has_nothing_to_explain(machine):
    found = machine.explain()

    assert (found.cause, found.ended_at, found.ends) == ("", None, ())
    assert "none of its runs" in tell(found)


def test_lines_are_those_of_the_run_that_died(machine):
    machine.log("other", "of another run")
    machine.log("beef", "first", "last")
    machine.log("later", "of the run after it")
    machine.end(KILLED, "beef")

    found = machine.explain()

    assert [line.split(" | ")[3] for line in found.last_lines] == ["first", "last"]
    assert found.lines_from.endswith("risk_manager.log")
    assert (found.cause, found.exit_status) == ("killed by SIGKILL", "KILL")
    assert (found.last_status, found.run_id) == ("3 orders passed", "beef")
    assert machine.journal == []


def test_lines_go_back_into_the_rotated_file_and_are_no_more_than_twenty(machine):
    machine.log("beef", *(f"old {n}" for n in range(15)), file=".1")
    machine.log("beef", *(f"new {n}" for n in range(15)))
    machine.end(KILLED, "beef")

    found = machine.explain()

    assert len(found.last_lines) == LINES
    assert "old 10" in found.last_lines[0]
    assert "new 14" in found.last_lines[-1]


def test_traceback_is_that_of_the_run(machine):
    machine.log("beef", "crashed", more="    | Traceback:\n    | ValueError: no\n")
    machine.log("beef", "ends")
    machine.end(CRASHED, "beef")

    found = machine.explain()

    assert found.traceback == ("Traceback:", "ValueError: no")
    assert "report it, with the traceback" in tell(found)


def test_without_lines_in_the_file_the_journal_is_asked(machine):
    machine.end(CONFIG)

    found = machine.explain()

    assert found.last_lines == ("from the journal",)
    assert machine.journal == [("inv", LINES)]
    assert any("shoonyactl config check" in line for line in found.advice)


def test_hang_is_told_with_what_it_was_doing(machine):
    machine.end(HUNG, "beef", STACK)

    found = machine.explain()

    assert found.deed == "speaking with the broker: place (brokers/paper.py:12)"
    assert found.cause == f"hung while {found.deed}"
    assert found.traceback[0] == "Fatal Python error: Aborted"


def test_giving_up_is_explained_by_the_crash_before_it(machine):
    machine.end(KILLED, "beef")
    machine.end(GIVEN_UP, "cafe")

    found = machine.explain()

    assert (found.cause, found.run_id) == ("killed by SIGKILL", "beef")
    assert [each.cause for each in found.ends] == [
        "killed by SIGKILL",
        "exited with 79",
    ]
    assert found.restarts == 0


def test_crashes_of_now_count(machine):
    for _ in range(2):
        machine.end(KILLED, "beef")

    assert machine.explain().restarts == 2


def test_who_may_not_read_the_history_is_told_so(machine, monkeypatch):
    machine.end(KILLED, "beef")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)

    with pytest.raises(PermissionError):
        machine.explain()


def test_manager_tells_of_its_own_services(machine):
    end = Crash(
        at=NOW,
        since_boot_seconds=1.0,
        boot_id="",
        result="signal",
        exit_code="killed",
        exit_status="SIGKILL",
        run_id="beef",
    )
    health = ServiceHealth(
        service="risk_manager",
        status=ServiceStatus.BACKOFF,
        pid=None,
        since=NOW,
        restarts=1,
        text="",
        cause=end.cause,
        restart_in_seconds=3.6,
        ends=(end,),
    )
    answer = json.dumps({"pid": 1, "services": [asdict(health)]}, default=str)
    machine.log("beef", "the last one")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control_path(machine.settings.paths.runtime_dir)))
    listener.listen()

    def serve() -> None:
        for _ in range(2):
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer.encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        found = machine.explain()
    finally:
        thread.join()
        listener.close()

    assert (found.state, found.restarts, found.cause) == (
        "backoff",
        1,
        "killed by SIGKILL",
    )
    assert found.next == "it is started again in 4 s"
    assert len(found.last_lines) == 1
