"""Deaths that somebody is told of, each of them once."""

import os
import sys
from pathlib import Path

import pytest

from shoonya_platform.config.settings import Failure, Paths, Settings
from shoonya_platform.services import failure, incidents, units
from shoonya_platform.services.crashes import CrashHistory
from shoonya_platform.services.incidents import Incidents

ONE, TWO = "0" * 31 + "1", "0" * 31 + "2"


@pytest.fixture
def known(tmp_path: Path) -> Incidents:
    return Incidents(tmp_path)


def test_a_death_is_told_once_however_often_it_is_noted(known):
    assert known.add("dashboard", ONE)
    assert not known.add("dashboard", ONE)

    assert list(known.take()) == [("dashboard", ONE)]
    known.keep("dashboard", ONE, "the story")

    # OnFailure= comes later, and again.
    assert not known.add("dashboard", ONE)
    assert list(known.take()) == []


def test_two_deaths_are_two(known):
    known.add("dashboard", ONE)
    known.add("dashboard", TWO)
    known.add("risk_manager", TWO)

    assert len(list(known.take())) == 3


@pytest.mark.parametrize(
    ("service", "invocation"), [("dashboard", ""), ("../x", ONE), ("dashboard", "..")]
)
def test_what_is_no_death_of_ours_is_not_noted(known, service, invocation):
    assert not known.add(service, invocation)
    assert list(known.take()) == []


def test_a_note_that_is_none_does_not_start_the_handler_for_ever(known, tmp_path):
    known.add("dashboard", ONE)
    (tmp_path / "incidents" / "new" / "rubbish").touch()

    assert list(known.take()) == [("dashboard", ONE)]
    assert list((tmp_path / "incidents" / "new").iterdir()) == []


def test_old_stories_are_removed(known, monkeypatch, tmp_path):
    monkeypatch.setattr(incidents, "KEPT", 2)
    for number in range(4):
        path = known.keep("dashboard", f"{number:032x}", "the story")
        os.utime(path, (number, number))

    assert sorted(path.name[-5] for path in known.folder.glob("*.txt")) == ["2", "3"]


class Told:
    """One report, its places recorded."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder = folder
        self.journal: list[dict[str, object]] = []
        self.settings = Settings(
            paths=Paths(runtime_dir=folder / "run", log_dir=folder / "logs"),
            failure=Failure(command=list(command)),
        )

    def report(self) -> None:
        failure.report(
            Incidents(self.folder),
            self.settings,
            "dashboard",
            ONE,
            self.folder,
            lambda fields: self.journal.append(dict(fields)),
        )


@pytest.fixture(autouse=True)
def _without_systemd(monkeypatch, tmp_path):
    monkeypatch.setattr(units, "BOOTED", tmp_path / "not-booted")


def test_report_goes_to_the_journal_a_file_and_the_command(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; Path(sys.argv[1]).write_text("
        "os.environ['INCIDENT_HEADLINE'] + '\\n' + sys.stdin.read())"
    )
    told = Told(tmp_path, sys.executable, "-c", script, str(tmp_path / "mail"))

    told.report()

    (entry,) = told.journal
    assert entry["SHOONYA_SERVICE"] == "dashboard"
    assert entry["MESSAGE_ID"] == failure.MESSAGE_RESTARTED
    mail = (tmp_path / "mail").read_text()
    assert mail.startswith(str(entry["MESSAGE"]))
    story = (tmp_path / "incidents" / f"dashboard-{ONE}.txt").read_text()
    assert mail.endswith(story)
    assert entry["SHOONYA_STORY"] == tmp_path / "incidents" / f"dashboard-{ONE}.txt"


@pytest.mark.parametrize(
    "command", [("/no/such/program",), ("false",), ("true",), ("",)]
)
def test_command_that_fails_is_said_and_no_more(tmp_path, capsys, command):
    told = Told(tmp_path, *command)

    told.report()

    assert len(told.journal) == 1
    assert ("shoonya-failure: " in capsys.readouterr().err) == (command != ("true",))


def test_catalog_explains_both_messages():
    catalog = Path(__file__).parents[3] / "units" / "shoonya.catalog"

    heads = [line for line in catalog.read_text().splitlines() if line[:3] == "-- "]

    ids = [failure.MESSAGE_RESTARTED, failure.MESSAGE_FAILED]
    assert heads == [f"-- {each}" for each in ids]


MONITORED = {
    "MONITOR_INVOCATION_ID": ONE,
    "MONITOR_SERVICE_RESULT": "signal",
    "MONITOR_EXIT_CODE": "killed",
    "MONITOR_EXIT_STATUS": "KILL",
    "SHOONYA_BOOT": "boot",
}


def test_death_that_left_no_note_is_taken_from_systemd(known, tmp_path):
    failure.note_monitored(known, "dashboard", MONITORED, tmp_path)

    (crash,) = CrashHistory(tmp_path, "dashboard", "boot").counting()
    assert (crash.cause, crash.invocation_id) == ("killed by SIGKILL", ONE)
    assert list(known.take()) == [("dashboard", ONE)]


def test_death_that_was_noted_is_not_counted_twice(known, tmp_path):
    history = CrashHistory(tmp_path, "dashboard", "boot")
    for _ in range(2):
        failure.note_monitored(known, "dashboard", MONITORED, tmp_path)

    assert len(history.read()) == 1
