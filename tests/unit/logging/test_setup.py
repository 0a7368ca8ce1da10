"""
Set-up: where records go, from whom, and what it refuses.

Long, as each case is short and all of them set up the one global thing anew.
"""

import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import pytest

from shoonya_platform import logging as library
from shoonya_platform.logging import (
    COMPONENTS,
    JournalMissingError,
    LogDirectoryError,
    export_logs_summary,
    get_component_logger,
    get_log_files,
    logger_config,
    rotate_logs,
    setup_application_logging,
    setup_logging,
    shutdown_logging,
)
from shoonya_platform.logging.in_force import current
from shoonya_platform.logging.notices import Notice
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.support import backups, lines, open_descriptors


def files_in(directory):
    return sorted(path.name for path in directory.glob("*.log*"))


@pytest.fixture
def quiet(tmp_path):
    """Set up in tmp_path, with neither journal nor console."""

    def set_up(**options):
        options = {"journal": False, "console": False, **options}
        return setup_application_logging(tmp_path, **options)

    return set_up


def test_each_component_has_its_own_lines_and_no_others(quiet, tmp_path):
    quiet()

    for name in COMPONENTS:
        get_component_logger(name).info("I am %s", name)

    for name in COMPONENTS:
        (line,) = lines(tmp_path / f"{name}.log")
        assert (line.name, line.message) == (name.upper(), f"I am {name}")


def test_file_is_made_only_by_a_record(quiet, tmp_path):
    quiet(component="risk_manager")
    assert files_in(tmp_path) == []

    get_component_logger("risk_manager").info("x")

    assert files_in(tmp_path) == ["risk_manager.log"]


def test_logger_taken_before_set_up_writes_after_it(quiet, tmp_path):
    logger = get_component_logger("dashboard")
    logger.info("before")

    quiet()
    logger.info("after")

    assert [line.message for line in lines(tmp_path / "dashboard.log")] == ["after"]


def test_service_has_the_libraries_warnings_in_its_file(quiet, tmp_path):
    quiet(component="dashboard")

    logging.getLogger("somelibrary.error").info("too low")
    logging.getLogger("somelibrary.error").warning("slow")
    logging.getLogger().error("root")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    get_component_logger("risk_manager").info("not mine")

    found = lines(tmp_path / "dashboard.log")
    assert [line.fields["logger"] for line in found] == [
        "somelibrary.error",
        "root",
        "py.warnings",
    ]
    assert {line.name for line in found} == {"DASHBOARD"}
    assert "old" in found[2].message
    assert len(lines(tmp_path / "risk_manager.log")) == 1


def test_without_a_service_the_libraries_have_no_file(quiet, tmp_path, journald):
    quiet(journal=str(journald.path))

    logging.getLogger("some.library").warning("x")

    assert files_in(tmp_path) == []
    (entry,) = journald.entries()
    assert entry["SYSLOG_IDENTIFIER"] == "shoonya"
    assert entry["LOGGER"] == "some.library"


def test_levels_can_be_given_by_component_and_by_logger(quiet, tmp_path):
    quiet(
        component="dashboard",
        level="warning",
        levels={"dashboard": "DEBUG", "somelibrary.access": logging.INFO},
    )

    get_component_logger("dashboard").debug("a")
    get_component_logger("trading_bot").info("too low")
    logging.getLogger("somelibrary.access").info("b")

    assert [line.message for line in lines(tmp_path / "dashboard.log")] == ["a", "b"]
    assert files_in(tmp_path) == ["dashboard.log"]


def test_second_set_up_replaces_the_first(quiet, tmp_path):
    handlers = len(logging.getLogger().handlers)
    quiet(component="dashboard", levels={"some.library": "DEBUG"})
    get_component_logger("dashboard").info("a")
    descriptors = open_descriptors()

    for _ in range(3):
        quiet(component="dashboard")
        get_component_logger("dashboard").info("b")

    assert len(lines(tmp_path / "dashboard.log")) == 4
    assert len(logging.getLogger().handlers) == handlers + 1
    assert open_descriptors() == descriptors
    assert logging.getLogger("some.library").level == logging.NOTSET


def test_shutdown_leaves_nothing_behind(quiet, journald):
    root = logging.getLogger()
    before = (open_descriptors(), list(root.handlers), warnings.showwarning)
    quiet(journal=str(journald.path))
    get_component_logger("dashboard").info("a")

    shutdown_logging()
    shutdown_logging()

    after = (open_descriptors(), list(root.handlers), warnings.showwarning)
    assert after == before
    assert get_component_logger("dashboard").logger.level == logging.NOTSET


def test_numbers_go_on_after_a_second_set_up(quiet, tmp_path):
    run = quiet(component="dashboard")
    get_component_logger("dashboard").info("a")
    assert quiet(component="dashboard") == run
    get_component_logger("dashboard").info("b")
    assert quiet(component="dashboard", run_id="another") == "another"
    get_component_logger("dashboard").info("c")

    found = [(line.run, line.seq) for line in lines(tmp_path / "dashboard.log")]
    assert found == [(run, 1), (run, 2), ("another", 1)]


def test_numbers_of_one_file_have_no_gaps_whoever_else_writes(quiet, tmp_path):
    quiet(component="dashboard")

    for _ in range(3):
        get_component_logger("dashboard").info("a")
        get_component_logger("risk_manager").info("b")

    for name in ("dashboard", "risk_manager"):
        assert [line.seq for line in lines(tmp_path / f"{name}.log")] == [1, 2, 3]


def test_set_up_that_fails_leaves_the_last_one_in_force(quiet, tmp_path):
    quiet(component="dashboard")

    with pytest.raises(LogDirectoryError):
        setup_application_logging("/dev/null/logs")
    get_component_logger("dashboard").info("still here")

    assert len(lines(tmp_path / "dashboard.log")) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"component": "broker"},
        {"level": "LOUD"},
        {"levels": {"dashboard": "LOUD"}},
        {"run_id": "two words"},
        {"run_id": ""},
        {"max_bytes": -1},
        {"backup_count": -1},
    ],
)
def test_wrong_option_is_refused(quiet, options):
    with pytest.raises(ValueError, match=r"component|level|run id|negative"):
        quiet(**options)


@pytest.fixture
def unprivileged():
    """A directory of ours, in the eyes of a user who may not write it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        os.seteuid(65534)
        try:
            yield path
        finally:
            os.seteuid(0)


def test_directory_that_cannot_be_written_is_an_error_at_set_up(unprivileged):
    with pytest.raises(LogDirectoryError) as caught:
        setup_application_logging(unprivileged)

    assert f"'{unprivileged}' cannot be written: permission denied" in str(caught.value)
    assert "\nhint: " in str(caught.value)


def test_directory_that_cannot_be_made_is_an_error_at_set_up(unprivileged):
    with pytest.raises(LogDirectoryError, match="cannot be created"):
        setup_application_logging(unprivileged / "logs")


def test_file_of_another_user_is_an_error_at_set_up(unprivileged):
    os.seteuid(0)
    (unprivileged / "dashboard.log").touch(0o600)
    unprivileged.chmod(0o777)
    os.seteuid(65534)

    setup_application_logging(
        unprivileged, component="risk_manager", journal=False, console=False
    )
    with pytest.raises(LogDirectoryError, match=r"dashboard\.log' cannot be written"):
        setup_application_logging(unprivileged, component="dashboard")


def test_file_in_the_directorys_place_is_an_error_at_set_up(tmp_path):
    (tmp_path / "logs").touch()

    with pytest.raises(LogDirectoryError, match="not a directory"):
        setup_application_logging(tmp_path / "logs")


def test_what_root_makes_belongs_to_the_directorys_owner(quiet, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root makes files for others")
    os.chown(tmp_path, 1234, 1234)
    quiet(max_bytes=1)
    logger = get_component_logger("dashboard")

    logger.info("a")
    logger.info("b")

    owners = {
        (path.stat().st_uid, path.stat().st_mode & 0o777)
        for path in tmp_path.iterdir()
        if path.name != "journal.socket"
    }
    assert owners == {(1234, 0o640), (1234, 0o440)}


def test_directory_is_made_with_its_parents(tmp_path):
    setup_application_logging(
        tmp_path / "a" / "b", component="dashboard", journal=False, console=False
    )
    get_component_logger("dashboard").info("x")

    assert (tmp_path / "a" / "b" / "dashboard.log").exists()


def test_set_up_leaves_nothing_in_the_directory(quiet, tmp_path):
    quiet()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("console", "expected"),
    [(True, ["a", "b"]), (None, ["b"]), (False, [])],
    ids=["all", "default", "none"],
)
def test_console_has_the_same_lines(quiet, tmp_path, capsys, console, expected):
    quiet(console=console)
    get_component_logger("dashboard").info("a")
    get_component_logger("dashboard").warning("b")

    shown = capsys.readouterr().err.splitlines(keepends=True)
    kept = (tmp_path / "dashboard.log").read_text().splitlines(keepends=True)
    assert [line for line in kept if line in shown] == shown
    assert [re.split(r" \| ", line)[3] for line in shown] == expected


@pytest.mark.parametrize("is_journal", [True, False])
def test_stderr_that_is_the_journal_has_no_second_copy(
    quiet, journald, monkeypatch, capfd, is_journal
):
    found = os.fstat(2)
    inode = found.st_ino + (not is_journal)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{inode}")
    quiet(journal=str(journald.path), console=None)

    get_component_logger("dashboard").warning("x")

    assert bool(capfd.readouterr().err) == (not is_journal)


def test_stderr_is_used_where_the_journal_is_off(quiet, monkeypatch, capfd):
    found = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    quiet(journal=False, console=None)

    get_component_logger("dashboard").warning("x")

    assert "x" in capfd.readouterr().err


@pytest.mark.parametrize("stream", [None, "closed"])
def test_missing_stderr_breaks_nothing(quiet, tmp_path, monkeypatch, stream):
    if stream == "closed":
        stream = (tmp_path / "err").open("w")
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    quiet(console=True)

    get_component_logger("dashboard").warning("x")

    assert len(lines(tmp_path / "dashboard.log")) == 1


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


WITHOUT_SYSTEMD = """
import sys
sys.modules["systemd"] = None
from shoonya_platform.logging import *
setup_application_logging(sys.argv[1], component="dashboard")
get_component_logger("dashboard").info("x")
try:
    setup_application_logging(sys.argv[1], journal=True)
except JournalMissingError as e:
    print(e)
"""


def test_library_works_where_systemd_python_is_missing(tmp_path):
    done = run_python(WITHOUT_SYSTEMD, tmp_path)

    assert done.stderr == ""
    assert "hint: pip install systemd-python" in done.stdout
    assert len(lines(tmp_path / "dashboard.log")) == 1
    assert issubclass(JournalMissingError, library.LoggingSetupError)


def test_import_alone_brings_in_nothing_heavy():
    done = run_python(
        "import sys; before = set(sys.modules)\n"
        "import shoonya_platform.logging.logger_config\n"
        "print(*sorted(set(sys.modules) - before))"
    )

    heavy = {"systemd", "asyncio", "multiprocessing", "logging.handlers"}
    assert heavy.isdisjoint(done.stdout.split())
    assert done.stderr == ""


def test_loggers_can_be_imported_from_any_module_first():
    for module in ("service_logger", "context", "fanout", "journal", "logger_config"):
        done = run_python(f"import shoonya_platform.logging.{module}")
        assert done.stderr == ""


def test_full_disk_is_told_in_the_journal(quiet, tmp_path, journald):
    (tmp_path / "dashboard.log").symlink_to("/dev/full")
    quiet(component="dashboard", journal=str(journald.path))
    log = get_component_logger("dashboard")

    for number in range(3):
        log.info("record %d", number)
    (tmp_path / "dashboard.log").unlink()
    setup = current()
    assert setup is not None
    file = setup.handler.files()["dashboard"]
    # What stood for a full disk, /dev/full, is an ordinary file from here on.
    file._live.path = str(tmp_path / "dashboard.log")
    eventually(lambda: not file.waiting)
    log.info("record 3")

    events = [entry.get("SHOONYA_EVENT") for entry in journald.entries(5)]
    assert events == [None, "file_failed", None, None, None]
    written = lines(tmp_path / "dashboard.log")
    assert [record.seq for record in written] == [1, 2, 3, 4, 5]


def test_failed_rotation_is_told_once(quiet, tmp_path, journald):
    (tmp_path / "dashboard.log.1" / "x").mkdir(parents=True)
    quiet(
        component="dashboard", journal=str(journald.path), max_bytes=1, backup_count=1
    )
    log = get_component_logger("dashboard")

    for _ in range(5):
        log.info("x")

    found = lines(tmp_path / "dashboard.log")
    assert [line.fields.get("event") for line in found] == [
        None,
        None,
        "rotation_failed",
        None,
        None,
        None,
    ]


def test_gap_in_the_journal_is_told_in_both_copies(quiet, tmp_path, journald):
    quiet(component="dashboard", journal=str(journald.path))
    log = get_component_logger("dashboard")
    for _ in range(6000):
        log.info("x")

    seen = []

    def told():
        log.info("y")
        seen.extend(journald.entries())
        return [e for e in seen if e.get("SHOONYA_EVENT") == "journal_gap"]

    (report,) = eventually(told, timeout_seconds=60)
    first, in_file = (
        line
        for line in lines(tmp_path / "dashboard.log")
        if line.fields.get("event", "").startswith("journal_")
    )
    assert first.fields["event"] == "journal_dropping"
    assert first.seq < 6000, "at once, not when it is over"
    assert report["SHOONYA_LOST"] == in_file.fields["lost"]
    numbers = {int(entry["SHOONYA_SEQ"]) for entry in seen}
    last = int(report["SHOONYA_SEQ"])
    assert last - len([n for n in numbers if n <= last]) == int(report["SHOONYA_LOST"])


def test_what_the_journal_never_took_is_told_in_the_file(quiet, tmp_path, journald):
    quiet(component="dashboard", journal=str(journald.path))
    log = get_component_logger("dashboard")
    for _ in range(6000):
        log.info("x")

    shutdown_logging()

    records = lines(tmp_path / "dashboard.log")
    taken = len(journald.entries())
    assert records[-1].fields["event"] == "journal_gap"
    assert int(records[-1].fields["lost"]) == len(records) - 1 - taken


def test_rotation_by_hand_touches_files_with_something_in_them(quiet, tmp_path):
    quiet()
    log = get_component_logger("dashboard")
    log.info("a")

    assert rotate_logs() == {"dashboard": f"Rotated: {tmp_path / 'dashboard.log.1'}"}
    assert rotate_logs() == {}

    log.info("b")
    assert [len(lines(p)) for p in backups(tmp_path / "dashboard.log")] == [1, 1]


def test_rotation_by_hand_works_from_another_process(quiet, tmp_path):
    quiet()
    log = get_component_logger("dashboard")
    log.info("a")

    done = run_python(
        "import sys\n"
        "from shoonya_platform.logging import rotate_logs\n"
        "print(*rotate_logs(sys.argv[1]))",
        tmp_path,
    )
    log.info("b")

    assert done.stdout.split() == ["dashboard"]
    assert [len(lines(p)) for p in backups(tmp_path / "dashboard.log")] == [1, 1]


def test_rotation_by_hand_says_why_it_failed(quiet, tmp_path):
    quiet(backup_count=1)
    (tmp_path / "dashboard.log.1" / "x").mkdir(parents=True)
    get_component_logger("dashboard").info("a")

    assert rotate_logs()["dashboard"].startswith("Failed to rotate: ")


def test_files_and_their_sizes_are_listed(quiet, tmp_path):
    assert get_log_files() == {}
    quiet()
    log = get_component_logger("dashboard")
    log.info("a")
    rotate_logs()
    log.info("b")
    log.info("c")

    assert get_log_files() == {n: tmp_path / f"{n}.log" for n in COMPONENTS}
    found = export_logs_summary()
    assert found["trading_bot"] == {
        "path": str(tmp_path / "trading_bot.log"),
        "exists": False,
    }
    size = (tmp_path / "dashboard.log").stat().st_size
    backup = (tmp_path / "dashboard.log.1").stat().st_size
    assert found["dashboard"] == {
        "path": str(tmp_path / "dashboard.log"),
        "exists": True,
        "size_mb": 0.0,
        "size_bytes": size,
        "lines": 2,
        "backups": 1,
        "total_bytes": size + backup,
    }
    assert found == export_logs_summary(tmp_path)


def test_old_set_up_has_one_file_for_all(tmp_path, capsys):
    root = setup_logging(tmp_path / "logs" / "bot.log", "DEBUG")

    root.debug("a")
    logging.getLogger("lib").info("b")
    get_component_logger("trading_bot").info("c")

    found = lines(tmp_path / "logs" / "bot.log")
    assert [(line.name, line.message) for line in found] == [
        ("root", "a"),
        ("lib", "b"),
        ("TRADING_BOT", "c"),
    ]
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert get_log_files() == {}


def test_public_names_are_sorted_and_there():
    # Constants first, as the linter has it.
    by_kind = sorted(library.__all__, key=lambda name: (not name.isupper(), name))
    assert library.__all__ == by_kind
    for name in library.__all__:
        assert hasattr(library, name)
    for name in (
        "setup_application_logging",
        "get_component_logger",
        "ServiceLogger",
        "rotate_logs",
        "get_log_files",
        "export_logs_summary",
        "setup_logging",
    ):
        assert hasattr(logger_config, name)


def test_reports_of_two_threads_do_not_silence_the_later_ones(tmp_path, monkeypatch):
    setup_application_logging(tmp_path, component="dashboard", journal=False)
    log = get_component_logger("dashboard")
    log.info("x")
    setup = current()
    assert setup is not None
    handler = setup.handler
    file = handler.files()["dashboard"]
    entered = threading.Barrier(2)
    first_is_done = threading.Event()
    real = handler._deliver

    def deliver(record):
        # Both are within their report; the one that began first ends first.
        if record.getMessage().startswith("rotation"):
            entered.wait(10)
            if threading.current_thread() is threading.main_thread():
                first_is_done.wait(10)
        real(record)

    def report():
        handler.report([Notice(event="rotation_failed", path="a")], "dashboard")
        first_is_done.set()

    thread = threading.Thread(target=report)
    with monkeypatch.context() as patches:
        patches.setattr(handler, "_deliver", deliver)
        thread.start()
        handler.report([Notice(event="rotation_failed", path="b")], "dashboard")
    thread.join()

    file.notices.append(Notice(event="file_gap", path="c", count=1))
    log.info("y")

    events = [r.fields.get("event") for r in lines(tmp_path / "dashboard.log")]
    assert events == [None, "rotation_failed", "rotation_failed", None, "file_gap"]
