from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoonya_platform.errors import EXIT_CONFIG, EXIT_GIVEN_UP
from shoonya_platform.services.blackbox import LastWords
from shoonya_platform.services.crashes import KEPT, CrashHistory

NOW = datetime(2026, 11, 24, 9, 20, tzinfo=UTC)
KILLED = {"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}


@pytest.fixture
def history(tmp_path: Path) -> CrashHistory:
    return CrashHistory(tmp_path, "dashboard", "this-boot")


def test_a_crash_is_remembered_with_its_cause(history: CrashHistory):
    history.note_end(KILLED, NOW)

    (crash,) = history.read()

    assert (crash.at, crash.cause) == (NOW, "killed by SIGKILL")


@pytest.mark.parametrize(
    ("environ", "cause"),
    [
        ({"SERVICE_RESULT": "watchdog"}, "hung: no sign of life"),
        ({"SERVICE_RESULT": "oom-kill"}, "killed: out of memory"),
        (
            {
                "SERVICE_RESULT": "exit-code",
                "EXIT_CODE": "exited",
                "EXIT_STATUS": "1",
            },
            "exited with 1",
        ),
    ],
)
def test_each_way_to_die_has_its_words(
    history: CrashHistory, environ: dict[str, str], cause: str
):
    history.note_end(environ, NOW)

    assert history.read()[0].cause == cause


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"SERVICE_RESULT": "success"}, id="an operator's stop"),
        pytest.param(
            {"SERVICE_RESULT": "exit-code", "EXIT_STATUS": str(EXIT_CONFIG)},
            id="configuration",
        ),
        pytest.param(
            {"SERVICE_RESULT": "exit-code", "EXIT_STATUS": str(EXIT_GIVEN_UP)},
            id="given up",
        ),
    ],
)
def test_after_what_an_operator_follows_no_crash_counts(
    history: CrashHistory, environ: dict[str, str]
):
    history.note_end(KILLED, NOW)

    history.note_end(environ, NOW)

    assert history.counting() == []
    assert history.read()[0].cause == "killed by SIGKILL"


def test_end_without_a_black_box_names_the_run_that_had_begun(history: CrashHistory):
    history.note_begin("first", "beef", NOW)

    history.note_end({**KILLED, "INVOCATION_ID": "first"}, NOW)

    assert history.read()[0].run_id == "beef"


def test_the_crashes_of_another_boot_do_not_count(tmp_path: Path):
    CrashHistory(tmp_path, "dashboard", "before").note_end(KILLED, NOW)
    history = CrashHistory(tmp_path, "dashboard", "after")
    history.note_end(KILLED, NOW)

    assert len(history.read()) == 2
    assert len(history.counting()) == 1


def test_one_services_crashes_are_not_anothers(tmp_path: Path):
    CrashHistory(tmp_path, "dashboard", "b").note_end(KILLED, NOW)

    assert CrashHistory(tmp_path, "risk_manager", "b").read() == []


@pytest.mark.parametrize("content", ["", "{", "[1]", '[{"at": 3}]', "\x00"])
def test_a_damaged_history_is_none(tmp_path: Path, content: str):
    history = CrashHistory(tmp_path, "dashboard", "b")
    (tmp_path / "crashes").mkdir()
    (tmp_path / "crashes" / "dashboard.json").write_text(content)

    assert history.read() == []
    history.note_end(KILLED, NOW)
    assert len(history.read()) == 1


def test_the_history_does_not_grow_for_ever(history: CrashHistory):
    for _ in range(KEPT + 5):
        history.note_end(KILLED, NOW)

    assert len(history.read()) == KEPT


def test_a_service_that_starts_itself_anew_has_not_crashed(history: CrashHistory):
    history.note_end(KILLED, NOW)

    history.note_end(
        {"SERVICE_RESULT": "success", "EXIT_CODE": "exited", "EXIT_STATUS": "75"}, NOW
    )

    assert [each.cause for each in history.counting()] == ["killed by SIGKILL"]
    assert len(history.read()) == 2


def test_the_last_words_of_the_run_are_kept(history: CrashHistory):
    words = LastWords(run_id="beef", pid=1, status="3 orders passed", stack="")

    history.note_end({**KILLED, "INVOCATION_ID": "abcd"}, NOW, words)

    (crash,) = history.read()
    assert (crash.run_id, crash.status) == ("beef", "3 orders passed")
    assert crash.invocation_id == "abcd"


def test_a_history_of_the_version_before_is_read(tmp_path: Path):
    history = CrashHistory(tmp_path, "dashboard", "b")
    (tmp_path / "crashes").mkdir()
    (tmp_path / "crashes" / "dashboard.json").write_text(
        '[{"at": "2026-11-24T09:20:00+00:00", "since_boot_seconds": 4.0, '
        '"boot_id": "b", "result": "signal", "exit_code": "killed", '
        '"exit_status": "KILL"}]'
    )

    assert [each.cause for each in history.counting()] == ["killed by SIGKILL"]


def test_run_that_never_ended_is_noted_by_the_next_one(history: CrashHistory):
    assert history.note_begin("first", "beef", NOW) is None

    unseen = history.note_begin("second", "cafe", NOW)

    assert unseen is not None
    assert history.counting() == [unseen]
    assert (unseen.run_id, unseen.invocation_id) == ("beef", "first")
    assert unseen.cause.startswith("killed with all its processes")
    assert history.note_begin("third", "f00d", NOW) in history.counting()
    assert len(history.counting()) == 2


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"SERVICE_RESULT": "success"}, id="in-order"),
        pytest.param(KILLED, id="seen-by-systemd"),
    ],
)
def test_run_whose_end_was_seen_is_not_noted_again(
    history: CrashHistory, environ: dict[str, str]
):
    history.note_begin("first", "beef", NOW)
    history.note_end({**environ, "INVOCATION_ID": "first"}, NOW)
    before = history.read()

    assert history.note_begin("second", "cafe", NOW) is None
    assert history.read() == before


def test_end_that_the_handler_noted_late_is_not_noted_twice(history: CrashHistory):
    history.note_begin("first", "beef", NOW)
    history.note_begin("second", "cafe", NOW)
    history.note_end({**KILLED, "INVOCATION_ID": "second"}, NOW)

    assert history.note_begin("third", "f00d", NOW) is None
    assert [each.invocation_id for each in history.read()] == ["first", "second"]


def test_power_cut_is_no_crash_of_the_service(tmp_path: Path):
    CrashHistory(tmp_path, "dashboard", "before").note_begin("first", "beef", NOW)
    history = CrashHistory(tmp_path, "dashboard", "after")

    assert history.note_begin("second", "cafe", NOW) is None
    assert history.read() == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot_id": "this-boot"}'])
def test_damaged_note_of_a_run_is_none(
    tmp_path: Path, history: CrashHistory, content: str
):
    (tmp_path / "crashes").mkdir()
    (tmp_path / "crashes" / "dashboard.run").write_text(content)

    assert history.note_begin("second", "cafe", NOW) is None


def test_run_that_ended_in_order_by_itself_is_not_noted(history: CrashHistory):
    history.note_begin("first", "beef", NOW)
    history.forget_run()

    assert history.note_begin("second", "cafe", NOW) is None
