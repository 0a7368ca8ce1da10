"""What is told of a service that died: `shoonyactl why`, journal, file, command."""

import json

import pytest

from shoonya_platform.services.failure import MESSAGE_FAILED, MESSAGE_RESTARTED
from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import CONFIG, Platform, unit

NAME = "risk_manager"
INCIDENTS = "/var/lib/shoonya/incidents"
TOLD = "/var/lib/shoonya/told"


@pytest.fixture(autouse=True)
def _nothing_told(platform, running):
    platform.machine.run("rm", "-rf", INCIDENTS, TOLD)


def incidents(platform: Platform) -> list[dict[str, str]]:
    """Return the journal's entries on deaths of this test."""
    stories = platform.machine.run("sh", "-c", f"ls {INCIDENTS}/*.txt || :").stdout
    entries = platform.journal(
        f"MESSAGE_ID={MESSAGE_FAILED}", f"MESSAGE_ID={MESSAGE_RESTARTED}"
    )
    found = [
        {str(k): str(v) for k, v in e.items()}
        for e in entries
        if str(e["SHOONYA_STORY"]) in stories
    ]
    assert len(found) == len(stories.split())
    return found


def wait_for_incidents(platform: Platform, count: int) -> list[dict[str, str]]:
    eventually(lambda: len(incidents(platform)) == count, 15.0)
    return incidents(platform)


def test_kill_is_explained_with_the_last_lines_of_the_run_that_died(platform):
    platform.wait_until_filled_once(platform.send())

    platform.wait_for_replacement(NAME, platform.kill(NAME))

    why = platform.ctl("why", NAME)
    assert (why["state"], why["cause"]) == ("running", "killed by SIGKILL")
    assert (why["result"], why["exit_code"], why["exit_status"]) == (
        "signal",
        "killed",
        "KILL",
    )
    assert "risk passed" in " ".join(why["last_lines"]).lower()
    assert all(f"run={why['run_id']} " in line for line in why["last_lines"])
    assert (why["restarts"], len(why["ends"])) == (1, 1)


def test_each_death_is_told_once(platform):
    platform.machine.run("systemctl", "restart", unit(NAME))
    for _ in range(2):
        platform.wait_for_replacement(NAME, platform.kill(NAME), 20)

    entries = wait_for_incidents(platform, 2)
    assert {e["MESSAGE_ID"] for e in entries} == {MESSAGE_RESTARTED}
    assert {e["SHOONYA_CAUSE"] for e in entries} == {"killed by SIGKILL"}
    assert len({e["SHOONYA_INCIDENT"] for e in entries}) == 2


def test_configuration_error_is_told_once_with_what_to_mend(platform):
    good = platform.machine.run("cat", CONFIG).stdout
    assert "\n#command = []\n" in good
    configured = good.replace("#command = []", f'command = ["tee", "-a", "{TOLD}"]')
    try:
        platform.machine.run("tee", CONFIG, stdin=configured)
        with platform.drop_in(NAME, ""):
            platform.machine.run(
                "sh",
                "-c",
                f"echo Environment=SHOONYA_RISK_MAX_EXPOSURE=many >>"
                f"/run/systemd/system/{unit(NAME)}.d/test.conf;"
                f"systemctl daemon-reload; systemctl restart {unit(NAME)} || :",
            )
            (entry,) = wait_for_incidents(platform, 1)
            why = platform.ctl("why", NAME)
    finally:
        platform.machine.run("tee", CONFIG, stdin=good)

    assert entry["MESSAGE_ID"] == MESSAGE_FAILED
    assert (why["state"], why["exit_status"]) == ("failed", "78")
    assert "max_exposure" in why["text"]
    assert "max_exposure" in " ".join(why["last_lines"])
    assert "shoonyactl config check" in " ".join(why["advice"])
    told = platform.machine.run("cat", TOLD).stdout
    assert told.startswith(entry["MESSAGE"])
    assert "max_exposure" in told
    explained = platform.machine.run(
        "journalctl", "-q", "-x", f"MESSAGE_ID={MESSAGE_FAILED}"
    ).stdout
    assert "A service of Shoonya died and stays down" in explained
    assert f"shoonyactl why {NAME}" in explained


def test_hang_is_told_with_what_it_was_doing(platform):
    with platform.drop_in(NAME, "WatchdogSec=2s"):
        hung = platform.pids()[NAME]
        platform.machine.run("kill", "-STOP", str(hung))
        platform.wait_for_replacement(NAME, hung)

        why = platform.ctl("why", NAME)
        wait_for_incidents(platform, 1)

    assert why["result"] == "watchdog"
    assert why["cause"] == f"hung while {why['deed']}"
    assert "doorbell" in why["deed"]
    assert any("doorbell.py" in line for line in why["traceback"])


def test_handler_that_cannot_run_hurts_no_service(platform):
    platform.machine.run("systemctl", "mask", "--runtime", "shoonya-failure@all")
    try:
        platform.wait_for_replacement(NAME, platform.kill(NAME))
        platform.wait_until_filled_once(platform.send())
    finally:
        platform.machine.run("systemctl", "unmask", "--runtime", "shoonya-failure@all")
        platform.machine.run("systemctl", "reset-failed", "shoonya*")
        platform.machine.run("rm", "-rf", INCIDENTS)
        platform.machine.run("systemctl", "restart", "shoonya-failure.path")


def test_backing_off_is_a_state_of_its_own(platform):
    platform.machine.run("systemctl", "restart", unit(NAME))
    platform.wait_for_replacement(NAME, platform.kill(NAME), 20)
    platform.kill(NAME)

    def is_shown() -> bool:
        done = platform.machine.run("shoonyactl", "status", "--json", check=False)
        (row,) = (
            s for s in json.loads(done.stdout)["services"] if s["service"] == NAME
        )
        assert row["state"] == "backoff"
        assert "(2 of 3)" in row["text"]
        return True

    eventually(is_shown)
    why = platform.ctl("why", NAME)
    assert why["state"] == "backoff"
    # 0: its time has come, and systemd has not started it yet.
    assert 0 <= why["restart_in_seconds"] <= 4
    platform.wait_until_ready()


def test_death_that_nobody_saw_is_noted_by_the_next_run_and_told(platform):
    # As when somebody kills the unit with all its processes, the noting one too.
    with platform.drop_in(NAME, "ExecStopPost="):
        hit = platform.pids()[NAME]
        platform.machine.run("systemctl", "kill", "-s", "KILL", unit(NAME))
        platform.wait_for_replacement(NAME, hit)

        why = platform.ctl("why", NAME)
        (entry,) = wait_for_incidents(platform, 1)

    # systemd >= 254 runs OnFailure= at each death, so that two processes note it: the
    # next run, which knows no more, and that handler.  The first one is believed.
    causes = {"killed with all its processes, or ended unseen"}
    if platform.machine.systemd_version() >= 254:
        causes.add("killed by SIGKILL")
    assert why["cause"] in causes
    assert why["restarts"] == 1
    assert all(f"run={why['run_id']} " in line for line in why["last_lines"])
    assert entry["SHOONYA_CAUSE"] == why["cause"]
