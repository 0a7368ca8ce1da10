"""shoonyactl logs verify, errors, disk, rotate: what they print, and their codes."""

import os
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.reading.writing import text_line
from tests.unit.logging.support import content

COMPONENT = "risk_manager"


@pytest.fixture
def write(home, monkeypatch):
    """Write lines into a component's file."""
    # No journal: that one is tested with a real journald.
    monkeypatch.setenv("PATH", "")

    def put(*lines, component=COMPONENT):
        path = home / "logs" / f"{component}.log"
        with path.open("a") as file:
            file.writelines(lines)
        # As new as its records are.
        written = datetime.fromisoformat("2026-11-25 12:00").astimezone().timestamp()
        os.utime(path, (written, written))

    return put


# -- verify --------------------------------------------------------------------


def test_verify_of_a_whole_log_is_0(ctl, write):
    write(*(text_line(seq) for seq in (1, 2, 3)))

    result = ctl("logs", "verify")

    assert result.code == 0
    assert "3 records in 1 files" in result.out
    assert "nothing is missing" in result.out


def test_verify_names_what_is_missing_and_ends_with_41(ctl, write):
    write(*(text_line(seq) for seq in (1, 2, 5, 9)))

    result = ctl("logs", "verify")

    assert result.code == 41
    assert "3-4, 6-8" in result.out
    assert "no counter tells" in result.out


def test_verify_of_what_is_explained_is_40(ctl, write):
    told = text_line(5, "lost", fields="event=file_gap lost=2", level="WARNING")
    write(text_line(1), text_line(2), told)

    result = ctl("logs", "verify", "--json")

    assert result.code == 40
    (finding,) = result.document["findings"]
    assert finding["ranges"] == [[3, 4]]
    assert (finding["cause"], finding["explained"]) == ("file_gap", True)


def test_verify_of_what_is_no_longer_kept_is_0(ctl, write):
    write(text_line(41), text_line(42))

    result = ctl("logs", "verify")

    assert result.code == 0
    assert "1-40" in result.out


def test_verify_looks_at_the_services_and_the_time_that_were_asked_for(ctl, write):
    write(text_line(1), text_line(3))
    write(text_line(1, component="dashboard"), component="dashboard")

    assert ctl("logs", "verify", "dashboard").code == 0
    assert ctl("logs", "verify", COMPONENT).code == 41
    assert ctl("logs", "verify", "--since", "2026-11-25 09:00:04").code == 0
    assert ctl("logs", "verify", "--since", "2026-11-25 09:00:03").code == 41


def test_verify_of_a_damaged_archive_is_41(ctl, home, write):
    (home / "logs" / f"{COMPONENT}.log.2.zst").write_bytes(b"no archive")
    write(text_line(1))

    result = ctl("logs", "verify")

    assert result.code == 41
    assert f"{COMPONENT}.log.2.zst" in result.out


# -- errors --------------------------------------------------------------------


def test_errors_are_grouped_with_their_example(ctl, write):
    write(
        *(text_line(n, f"order {n} refused", level="ERROR") for n in (1, 2, 3)),
        text_line(4, "fine"),
        text_line(5, "careful 5", level="WARNING"),
    )

    (group,) = ctl("logs", "errors", "--json").document
    shown = ctl("logs", "errors").out

    assert (group["template"], group["count"]) == ("order <n> refused", 3)
    assert group["components"] == [COMPONENT]
    assert group["example"]["seq"] == 3
    assert "3 times: order <n> refused" in shown
    assert "order 3 refused | run=r1 seq=3" in shown
    assert len(ctl("logs", "errors", "--level", "WARNING", "--json").document) == 2
    since = ("--since", "2026-11-25 09:00:03")
    assert ctl("logs", "errors", *since, "--json").document[0]["count"] == 1


def test_no_errors_is_no_failure(ctl, write):
    write(text_line(1))

    assert ctl("logs", "errors").out == "no errors\n"
    assert ctl("logs", "errors", "--json").document == []


# -- disk ----------------------------------------------------------------------


def test_disk_tells_live_files_backups_archives_and_strangers_apart(ctl, home):
    logs = home / "logs"
    for name, pages in (
        (f"{COMPONENT}.log", 1),
        (f"{COMPONENT}.log.1", 2),
        (f"{COMPONENT}.log.2.zst", 3),
        ("core.dump", 4),
    ):
        (logs / name).write_bytes(b"x" * pages * 4096)

    use = ctl("logs", "disk", "--json").document
    shown = ctl("logs", "disk").out

    first = use["components"][0]
    assert (first["component"], first["live_bytes"]) == (COMPONENT, 4096)
    assert (first["backup_bytes"], first["archive_bytes"]) == (2 * 4096, 3 * 4096)
    assert use["other_bytes"] >= 4 * 4096
    assert use["next_evicted"] == str(logs / f"{COMPONENT}.log.2.zst")
    assert use["predicted_bytes"] <= use["budget_bytes"] == 700 << 20
    assert f"{COMPONENT}.log.2.zst" in shown
    assert all(name in shown for name in COMPONENTS)


def test_disk_with_a_budget_that_is_too_small_says_so(ctl, home):
    with (home / "shoonya.toml").open("a") as file:
        file.write('[log]\nbudget = "100M"\n')

    result = ctl("logs", "disk")

    assert result.code == 10
    assert "too small" in result.err


# -- rotate --------------------------------------------------------------------

WRITER = """
import sys
from shoonya_platform.logging import get_component_logger, setup_application_logging
setup_application_logging(sys.argv[1], component="risk_manager", journal=False)
logger = get_component_logger("risk_manager")
for number in range(int(sys.argv[2])):
    logger.info("record %d", number)
    if number == 100:
        print("goes", flush=True)
"""


def test_rotate_under_a_service_that_writes_loses_nothing(ctl, home, monkeypatch):
    command = [sys.executable, "-c", WRITER, str(home / "logs"), "20000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        rotated = [ctl("logs", "rotate", COMPONENT) for _ in range(3)]
        eventually(lambda: writer.poll() is not None, 60)

    assert [result.code for result in rotated] == [0, 0, 0]
    assert rotated[0].out == f"{COMPONENT}: {home}/logs/{COMPONENT}.log.1\n"
    report = ctl("logs", "verify", "--no-journal", "--json")
    assert report.code == 0
    assert (report.document["file_records"], report.document["findings"]) == (20000, [])
    assert report.document["files"] >= 2


def test_rotate_without_names_takes_all_and_leaves_empty_files_alone(ctl, home, write):
    write(text_line(1))
    write(text_line(1, component="dashboard"), component="dashboard")
    (home / "logs" / "trading_bot.log").touch()

    assert len(ctl("logs", "rotate").out.splitlines()) == 2
    assert ctl("logs", "rotate").out == ""
    assert (home / "logs" / "dashboard.log.1").exists()


def kept(home):
    """Return the numbers of the old files, compressed or just being compressed."""
    pattern = re.compile(rf"{COMPONENT}\.log\.(\d+)(?:\.zst)?")
    found = (pattern.fullmatch(path.name) for path in (home / "logs").iterdir())
    return sorted({int(match[1]) for match in found if match})


def test_rotate_keeps_as_many_as_the_configuration_says(ctl, home, write):
    with (home / "shoonya.toml").open("a") as file:
        file.write("[log]\nbackup_count = 2\n")

    for seq in range(1, 5):
        write(text_line(seq))
        assert ctl("logs", "rotate", COMPONENT).code == 0

    assert kept(home) == [1, 2]


def test_rotate_has_archives_made_by_a_process_that_goes_on_alone(home, write):
    command = [str(Path(sys.executable).with_name("shoonyactl"))]
    command += ["--config", str(home / "shoonya.toml"), "logs", "rotate"]
    for seq in (1, 2, 3):
        write(text_line(seq))
        subprocess.run(command, check=True, capture_output=True)

    archives = [home / "logs" / f"{COMPONENT}.log.{number}.zst" for number in (2, 3)]
    eventually(lambda: all(archive.exists() for archive in archives), 60)
    eventually(lambda: not (home / "logs" / f"{COMPONENT}.log.2").exists(), 60)
    assert content(archives[0]).decode() == text_line(2)
    assert (home / "logs" / f"{COMPONENT}.log.1").read_text() == text_line(3)


def test_rotate_without_backups_is_refused(ctl, home, write):
    with (home / "shoonya.toml").open("a") as file:
        file.write("[log]\nbackup_count = 0\n")
    write(text_line(1))

    result = ctl("logs", "rotate")

    assert result.code == 1
    assert "hint: " in result.err
    assert (home / "logs" / f"{COMPONENT}.log").exists()
