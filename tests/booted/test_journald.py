"""A service that logs much while journald hangs, is restarted, or would set a limit."""

import contextlib
import sys
import time

import pytest

from shoonya_platform.logging import parse_line
from shoonya_platform.testing.waiting import eventually
from tests.booted.platform import LOGS

NAME = "order_watcher"
ASKED = "/var/lib/shoonya/load"
LOAD = f"""
import atexit, sys, threading, time
stopping = threading.Event()
def work():
    while not stopping.wait(0.02):
        try:
            with open({ASKED!r}) as file:
                rate, left = map(int, file.read().split())
        except (OSError, ValueError):
            continue
        break
    from shoonya_platform.logging import get_component_logger
    log = get_component_logger({NAME!r})
    # Before the end of logging, which was imported earlier.
    atexit.register(lambda: (stopping.set(), thread.join()))
    while left > 0 and not stopping.wait(0.02):
        for _ in range(rate // 50):
            log.info("load")
        left -= rate // 50
    log.info("done")
    while not stopping.wait(0.1):
        log.info("tick")
# Not in the other programs of the unit.
if sys.orig_argv[-1] == "shoonya_platform.services.{NAME}":
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
"""


class Loaded:
    """The service, and what can be asked of it and of journald."""

    def __init__(self, platform):
        self.machine = platform.machine
        self.platform = platform
        self.pid = platform.pids()[NAME]
        self._before = {message: self._count(message) for message in ("load", "done")}

    def log(self, count, *, rate):
        self.machine.run("tee", ASKED, stdin=f"{rate} {count}\n")

    def logged(self, message):
        """Say how many such lines have come."""
        return self._count(message) - self._before[message]

    def _count(self, message):
        file = f"{LOGS}/{NAME}.log"
        done = self.machine.run("grep", "-c", f"| {message} |", file, check=False)
        return int(done.stdout or 0)

    def records(self):
        """Return what the run under load has in the file: all its numbers."""
        lines = map(parse_line, self.platform.log(NAME))
        found = [record for record in lines if record]
        (run,) = {r.run for r in found[-1000:] if r.message in ("load", "tick", "done")}
        records = [record for record in found if record.run == run]
        assert [record.seq for record in records] == [*range(1, len(records) + 1)]
        return records

    def in_journal(self, run):
        """Return the numbers that the journal has, and how many it was told lack."""
        self.machine.run("journalctl", "--sync")
        entries = self.platform.journal(
            "--output-fields=SHOONYA_SEQ,SHOONYA_LOST",
            f"SHOONYA_RUN={run}",
            f"SHOONYA_COMPONENT={NAME}",
        )
        numbers = [int(entry["SHOONYA_SEQ"]) for entry in entries]
        assert len(numbers) == len({*numbers})
        return {*numbers}, sum(int(entry.get("SHOONYA_LOST", 0)) for entry in entries)

    def told_what_is_missing(self, run, *, unread=0):
        """
        Say whether the journal has been told of exactly what it lacks.

        Args:
            unread: So many more may lack that the kernel had taken for journald.
        """
        numbers, lost = self.in_journal(run)
        return bool(numbers) and 0 <= max(numbers) - len(numbers) - lost <= unread

    def queue_records(self):
        """Return how many records the kernel keeps for one socket."""
        shown = self.machine.run("cat", "/proc/sys/net/unix/max_dgram_qlen").stdout
        return int(shown) + 1

    @contextlib.contextmanager
    def journald_stopped(self):
        pid = self.machine.run(
            "systemctl", "show", "--value", "--property=MainPID", "systemd-journald"
        ).stdout.strip()
        self.machine.run("kill", "-STOP", pid)
        try:
            yield
        finally:
            self.machine.run("kill", "-CONT", pid)


def lost_in_file(records):
    gaps = [r for r in records if r.fields.get("event") == "journal_gap"]
    return sum(int(gap.fields["lost"]) for gap in gaps)


@pytest.fixture
def loaded(platform, running):
    platform.machine.run("rm", "-f", ASKED)
    lines = platform.patched("load", LOAD) + "\nWatchdogSec=2s\n"
    with platform.drop_in(NAME, lines):
        platform.wait_until_ready()
        yield Loaded(platform)
    platform.machine.run("rm", "-f", ASKED)


def test_journald_that_hangs_neither_starves_the_watchdog_nor_costs_a_line(loaded):
    with loaded.journald_stopped():
        began = time.monotonic()
        loaded.log(12_000, rate=3000)
        # Twice what the watchdog waits.
        eventually(
            lambda: loaded.logged("done") and time.monotonic() > began + 4,
            30,
            interval_seconds=0.2,
        )
        assert loaded.platform.pids()[NAME] == loaded.pid
        assert loaded.logged("load") == 12_000

    run = loaded.records()[-1].run
    eventually(lambda: loaded.in_journal(run)[1], 20, interval_seconds=0.2)
    eventually(lambda: loaded.told_what_is_missing(run), 20, interval_seconds=0.2)
    assert lost_in_file(loaded.records()) == loaded.in_journal(run)[1] > 0
    assert loaded.platform.pids()[NAME] == loaded.pid
    assert loaded.platform.states()[NAME] == "active"


def test_sigterm_ends_a_service_that_logs_into_a_journald_that_hangs(loaded):
    with loaded.journald_stopped():
        loaded.log(1_000_000, rate=3000)
        eventually(lambda: loaded.logged("load") > 9000, 30, interval_seconds=0.2)
        began = time.monotonic()
        loaded.machine.run("kill", "-TERM", str(loaded.pid))
        gone = f"while kill -0 {loaded.pid} 2>/dev/null; do sleep 0.02; done"
        loaded.machine.run("timeout", "10", "sh", "-c", gone)
        sys.stderr.write(f"ended in {time.monotonic() - began:.2f} s\n")

    records = loaded.records()
    numbers, _ = loaded.in_journal(records[-1].run)
    missing = [record for record in records if record.seq not in numbers]
    # The file tells at its end what the journal will never have.
    assert records[-1].fields["event"] == "journal_gap"
    assert lost_in_file(records) == len([r for r in missing if r != records[-1]])


@pytest.fixture
def strict_journald(platform):
    """Have a journald that allows few lines: ten thousand and more are its default."""
    machine = platform.machine
    folder = "/etc/systemd/journald.conf.d"
    machine.run("mkdir", "-p", folder)
    machine.run("tee", f"{folder}/strict.conf", stdin="[Journal]\nRateLimitBurst=40\n")
    machine.run("systemctl", "restart", "systemd-journald")
    yield
    machine.run("rm", f"{folder}/strict.conf")
    machine.run("systemctl", "restart", "systemd-journald")


@pytest.mark.usefixtures("strict_journald")
def test_burst_beyond_the_journals_rate_limit_is_all_in_the_journal(loaded):
    loaded.log(12_000, rate=4000)
    eventually(lambda: loaded.logged("done"), 30, interval_seconds=0.2)

    records = loaded.records()
    wanted = {record.seq for record in records}
    eventually(
        lambda: wanted <= loaded.in_journal(records[-1].run)[0],
        20,
        interval_seconds=0.2,
    )
    assert len(wanted) > 12_000


def restart_alone(machine):
    # systemd keeps the sockets: whoever was connected still is.
    machine.run("systemctl", "restart", "systemd-journald")


def restart_with_its_sockets(machine):
    triggers = machine.run(
        *("systemctl", "show", "--value", "--property=TriggeredBy"),
        "systemd-journald.service",
    ).stdout.split()
    assert {"systemd-journald.socket", "systemd-journald-dev-log.socket"} <= {*triggers}
    # Those that this machine has; the service first, or they would start it again.
    sockets = [
        name
        for name in triggers
        if machine.run("systemctl", "is-active", name, check=False).returncode == 0
    ]
    stop = ("systemctl", "stop", "systemd-journald.service", *sockets)
    # What is sent meanwhile starts the service again, which cancels the stop.
    eventually(lambda: machine.run(*stop, check=False).returncode == 0, 30)
    machine.run("systemctl", "start", *sockets, "systemd-journald.service")


@pytest.fixture
def restored(platform):
    """Give all services a stderr again, which ends with journald's sockets."""
    yield
    platform.machine.run("systemctl", "restart", "shoonya.target")
    platform.wait_until_ready()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("restart", [restart_alone, restart_with_its_sockets])
def test_journald_restarted_under_load_costs_no_line_and_needs_no_help(loaded, restart):
    loaded.log(9000, rate=3000)
    eventually(lambda: loaded.logged("load") > 2000, 30, interval_seconds=0.1)
    restart(loaded.machine)
    eventually(lambda: loaded.logged("done"), 30, interval_seconds=0.2)

    records = loaded.records()
    run, done = records[-1].run, len(records)
    eventually(
        lambda: max(loaded.in_journal(run)[0], default=0) >= done,
        20,
        interval_seconds=0.2,
    )
    # With a socket goes what was in it, and no sender can know of that.
    unread = loaded.queue_records() if restart is restart_with_its_sockets else 0
    eventually(
        lambda: loaded.told_what_is_missing(run, unread=unread),
        20,
        interval_seconds=0.2,
    )
    assert loaded.platform.pids()[NAME] == loaded.pid
