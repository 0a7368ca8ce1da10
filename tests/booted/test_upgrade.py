"""Another version, taken and given back while alerts come in."""

import re
import time

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.store.sqlite import migrations
from tests.booted.load import Ended, sending, stored
from tests.booted.platform import OFFLINE, Platform

VENV = "/opt/shoonya/venv"
RATE = 25.0
#: A later migration: a table, a column, and an index on it.
MIGRATION = """
CREATE TABLE later (name TEXT PRIMARY KEY) STRICT;
ALTER TABLE alerts ADD COLUMN later TEXT;
CREATE INDEX alerts_by_later ON alerts (later);
"""


@pytest.fixture(autouse=True)
def _as_it_was(platform, running):
    """Each test ends with the version that was installed."""
    before = release(platform)
    yield
    assert release(platform) == before
    platform.wait_until_ready()


def release(platform: Platform) -> str:
    return platform.machine.run("readlink", VENV).stdout.strip()


def checkout(platform: Platform, version: str) -> str:
    """Return a checkout of another version on the machine."""
    folder = f"/root/shoonya-{version}"
    script = f"""
        mkdir {folder} && cd /srv/shoonya &&
        cp -r src units requirements pyproject.toml README.md LICENSE {folder}/ &&
        sed -i 's/^__version__ = .*/__version__ = "{version}"/' \\
            {folder}/src/shoonya_platform/__init__.py
    """
    platform.machine.run("sh", "-ec", script)
    return folder


def upgrade(platform: Platform, *words: str, check: bool = True):
    return platform.machine.run(
        "shoonyactl", "upgrade", *words, env=OFFLINE, check=check, timeout_seconds=120
    )


def assert_nothing_is_lost(platform: Platform, ended: list[Ended]) -> None:
    assert [each.how for each in ended if not each.is_accepted] == []
    assert {each.how for each in ended} <= stored(platform)


#: By its progress and not by the clock, which says nothing on a slow machine.
KILLED = """
    shoonyactl upgrade "$1" 2>/run/said & upgrade=$!
    until [[ $(grep -c restarting /run/said) -ge 3 ]]; do
        kill -0 $upgrade || exit 1
        sleep 0.02
    done
    kill -KILL $upgrade
    wait $upgrade
"""


def versions_of_the_running(platform: Platform) -> set[str]:
    pids = platform.pids()
    assert 0 not in pids.values()
    found = set()
    for pid in pids.values():
        maps = platform.machine.run("cat", f"/proc/{pid}/maps").stdout
        found |= set(re.findall(r"/opt/shoonya/releases/[^/]+", maps))
    return found


def schema(platform: Platform) -> int:
    script = (
        "import sqlite3; print(sqlite3.connect('/var/lib/shoonya/orders.db')"
        ".execute('PRAGMA user_version').fetchone()[0])"
    )
    return int(platform.machine.run(f"{VENV}/bin/python", "-c", script).stdout)


def test_upgrade_under_load_that_is_killed_and_said_again_and_taken_back(platform):
    before, pids = release(platform), platform.pids()
    built = upgrade(platform, checkout(platform, "9.9.1"), "--dry-run")
    assert "restart 8 services" in built.stderr
    assert (release(platform), platform.pids()) == (before, pids)
    newer = re.findall(r"to (9\.9\.1-\w+)", built.stderr)[-1]

    with sending(platform, count=350, rate=RATE) as result:
        time.sleep(0.5)
        killed = platform.machine.run("bash", "-c", KILLED, "bash", newer, check=False)
        assert killed.returncode == 137, killed.stdout + killed.stderr
        done = upgrade(platform)
        ended = result.result(timeout=120)

    assert "was interrupted" in done.stderr
    assert "on 9.9.1" in done.stdout
    assert release(platform).endswith(newer)
    assert versions_of_the_running(platform) <= {f"/opt/shoonya/releases/{newer}"}
    assert_nothing_is_lost(platform, ended)
    assert all(platform.pids()[name] != pids[name] for name in COMPONENTS)
    assert "nothing to do" in upgrade(platform, newer).stdout

    upgrade(platform, "--rollback")

    assert release(platform) == before
    platform.wait_until_filled_once(platform.send())


def test_version_that_does_not_work_gives_way_to_the_old_one_with_all_orders(platform):
    machine, before = platform.machine, release(platform)
    folder = checkout(platform, "9.9.2")
    package = f"{folder}/src/shoonya_platform"
    machine.run("tee", f"{package}/store/migrations/0099_later.sql", stdin=MIGRATION)
    drop_in = "shoonya@dashboard.service.d/20-later.conf"
    machine.run("tee", f"{folder}/units/{drop_in}", stdin="[Service]\nNice=1\n")
    guard = "raise RuntimeError('this version is broken')\n"
    machine.run("tee", "-a", f"{package}/execution/execution_guard.py", stdin=guard)

    built = upgrade(platform, folder, "--dry-run")
    assert "+Nice=1" in built.stdout
    broken = re.findall(r"to (9\.9\.2-\w+)", built.stderr)[-1]
    with sending(platform, count=250, rate=RATE) as result:
        done = upgrade(platform, broken, check=False)
        ended = result.result(timeout=120)

    assert done.returncode == 1
    assert "migrating the order store" in done.stderr
    assert "execution_guard does not become ready" in done.stderr
    assert release(platform) == before
    assert machine.run("ls", f"/etc/systemd/system/{drop_in}", check=False).returncode
    assert schema(platform) == len(migrations())
    assert_nothing_is_lost(platform, ended)
    platform.wait_until_filled_once(platform.send())
