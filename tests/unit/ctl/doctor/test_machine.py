"""The doctor looks at the machine: journal, clock, disk."""

import json
from dataclasses import replace
from datetime import UTC

import pytest

from shoonya_platform.config.settings import Log, Settings
from shoonya_platform.ctl.checks import diagnose as checks
from shoonya_platform.ctl.checks import journal
from shoonya_platform.ctl.checks.world import User
from shoonya_platform.services.findings import Level
from shoonya_platform.services.units import Supervisor
from tests.unit.ctl.doctor.conftest import ALL, GIB, INDIA, MACHINE_ID, found


def test_all_is_well_on_a_well_made_machine(world):
    findings = list(checks.diagnose(world))

    assert {f.check for f in findings} == set(ALL)
    assert [f for f in findings if f.level is not Level.OK] == []


def test_under_up_only_what_applies_is_looked_at(world):
    views = [replace(each, supervisor=Supervisor.MANAGER) for each in world.views]
    without = replace(world, has_systemd=False, is_installed=False, views=views)

    assert {f.check for f in checks.diagnose(without)} == set(checks.ANYWHERE)


def test_journal_in_memory_is_found(world):
    kept = world.root / f"var/log/journal/{MACHINE_ID}"
    lost = world.root / f"run/log/journal/{MACHINE_ID}"
    lost.parent.mkdir(parents=True)
    kept.rename(lost)

    level, sentence, command = found(world, "journal_storage")

    assert level is Level.WARNING
    assert "memory" in sentence
    assert "Storage=persistent" in command


@pytest.mark.parametrize(
    ("limit", "level"),
    [
        pytest.param(journal.SMALLEST_BYTES, Level.OK, id="just-enough"),
        pytest.param(journal.SMALLEST_BYTES - 1, Level.WARNING, id="tiny"),
    ],
)
def test_tiny_journal_is_found_and_made_larger(world, programs, limit, level):
    programs.answers["journalctl --quiet"] = "\n".join(
        json.dumps(entry)
        for entry in (
            {"JOURNAL_NAME": "System Journal", "LIMIT": "1"},
            {"JOURNAL_NAME": "System Journal", "LIMIT": str(limit)},
            {"JOURNAL_NAME": "Runtime Journal", "LIMIT": "1"},
        )
    )

    assert found(world, "journal_size")[0] is level


@pytest.mark.parametrize(
    ("limited", "lost", "level"),
    [
        pytest.param(False, False, Level.OK, id="neither"),
        pytest.param(True, True, Level.WARNING, id="limited-and-lost"),
        pytest.param(True, False, Level.WARNING, id="may-lose"),
        pytest.param(False, True, Level.NOTE, id="mended-since"),
    ],
)
def test_lines_that_journald_dropped_are_found(world, programs, limited, lost, level):
    if limited:
        programs.answers["systemctl show"] = "LogRateLimitBurst=0\n"
    if lost:
        other = {"MESSAGE": "Suppressed 3 messages from cron.service"}
        ours = {"MESSAGE": "Suppressed 42 messages from shoonya@dashboard.service"}
        programs.answers[
            f"journalctl --quiet --output=json --all MESSAGE_ID={journal.DROPPED}"
        ] = f"{json.dumps(other)}\n{json.dumps(ours)}"

    told = found(world, "journal_dropped")

    assert told[0] is level
    assert ("42" in told[1]) == lost
    assert bool(told[2]) == (level is Level.WARNING)


def test_user_without_access_to_the_journal_is_told_the_group(world):
    stranger = replace(world, user=User(name="guest", uid=1000), is_root=False)

    level, _, command = found(stranger, "journal_access")

    assert level is Level.NOTE
    assert "usermod -aG systemd-journal,shoonya guest" in command
    assert found(stranger, "journal_size")[1].startswith("not seen: ")
    assert found(stranger, "journal_size")[2] == "sudo shoonyactl doctor"


@pytest.mark.parametrize(
    ("said", "command"),
    [
        pytest.param("NTP=no\nCanNTP=yes\n", "timedatectl set-ntp true", id="off"),
        pytest.param("NTP=no\nCanNTP=no\n", "apt-get install -y chrony", id="missing"),
        pytest.param("NTP=yes\nCanNTP=yes\n", "systemctl restart", id="not-yet"),
    ],
)
def test_clock_that_is_not_synchronized_is_found(world, programs, said, command):
    programs.answers["timedatectl"] = f"{said}NTPSynchronized=no\n"

    told = found(world, "clock")

    assert told[0] is Level.WARNING
    assert command in told[2]


def test_another_zone_than_indias_is_a_note(world):
    told = found(replace(world, now=INDIA.astimezone(UTC)), "time_zone")

    assert told[0] is Level.NOTE
    assert "set-timezone Asia/Kolkata" in told[2]


@pytest.mark.parametrize(
    ("free", "level"),
    [
        pytest.param(GIB, Level.OK, id="enough"),
        pytest.param(GIB - 1, Level.WARNING, id="low"),
        pytest.param(100 << 20, Level.ERROR, id="full"),
    ],
)
def test_low_disk_is_found(world, free, level):
    less = replace(world, free_bytes=lambda path: (20 * GIB, free))

    assert found(less, "disk_space")[0] is level


def test_log_budget_beyond_the_disk_is_mended_by_its_command(world):
    less = replace(world, free_bytes=lambda path: (GIB, 300 << 20))

    level, sentence, command = found(less, "log_budget")

    assert level is Level.WARNING
    assert "300 MB are free" in sentence
    assert str(world.config_path) in command
    words = dict(
        part.split(" = ")
        for part in command.replace('"', "").replace("/'", "|").split("|")
        if " = " in part
        for part in [part.rsplit("/", 1)[-1]]
    )
    fitting = Log(budget=words["budget"], max_bytes=words["max_bytes"])
    held = replace(less, settings=Settings(paths=world.settings.paths, log=fitting))
    assert found(held, "log_budget")[0] is Level.OK
