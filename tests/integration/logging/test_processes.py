"""Many processes, one file; and processes that are killed or forked."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from shoonya_platform.logging import (
    get_component_logger,
    parse_line,
    setup_application_logging,
)
from shoonya_platform.logging.chain import Chain
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.in_force import current
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.support import backups, content, lines, open_descriptors

WRITER = """
import os, sys
from shoonya_platform.logging import get_component_logger, setup_application_logging
directory, count, max_bytes, socket = sys.argv[1:5]
setup_application_logging(
    directory, component="order_watcher", max_bytes=int(max_bytes), backup_count=500,
    journal=socket or False, console=False,
)
log = get_component_logger("order_watcher")
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    log.info("record %d of %d", number, os.getpid(), order_id=number, pad="é" * 40)
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def start(tmp_path):
    """Start processes that log as soon as they are told to."""
    started = []

    def start(count, *, max_bytes=50_000, socket="", code=WRITER):
        process = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, str(count), str(max_bytes), socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def all_records(path):
    return [record for file in backups(path) for record in lines(file)]


def test_many_writers_of_one_file_lose_double_and_tear_nothing(start, tmp_path):
    writers = [start(5000) for _ in range(4)]

    for writer in writers:
        go(writer)
    for writer in writers:
        assert writer.stdout.readline() == "done\n"

    path = tmp_path / "order_watcher.log"
    found = Counter((record.run, record.seq) for record in all_records(path))
    runs = {run for run, _ in found}
    assert len(runs) == 4
    assert found == Counter((run, seq) for run in runs for seq in range(1, 5001))
    # Not one each 50 kB: while the one that rotates is not given the processor
    # the others write on.
    assert len(backups(path)) > 20
    # Nor one each time that several find the same file full.
    assert all(len(content(file)) > 49_000 for file in backups(path)[:-1])


def test_restart_that_overlaps_goes_on_in_the_same_file(start, tmp_path):
    old, new = start(2000, max_bytes=20_000), start(2000, max_bytes=20_000)
    go(old)
    go(new)
    assert new.stdout.readline() == "done\n"
    assert old.stdout.readline() == "done\n"
    old.terminate()
    late = start(10, max_bytes=20_000)
    go(late)
    assert late.stdout.readline() == "done\n"

    found = all_records(tmp_path / "order_watcher.log")
    assert len(found) == 4010
    assert [record.seq for record in found[-10:]] == [*range(1, 11)]


def test_record_logged_before_a_kill_is_in_the_file(start, tmp_path):
    writer = start(3000, max_bytes=0)
    go(writer)
    assert writer.stdout.readline() == "done\n"

    writer.kill()
    writer.wait()

    assert len(lines(tmp_path / "order_watcher.log")) == 3000


def test_kills_inside_rotations_lose_nothing(start, tmp_path):
    path = tmp_path / "order_watcher.log"
    seeded = random.Random(7)
    # Every record or two a rotation: the kill falls into one more often than not.
    for _ in range(12):
        writer = start(100_000, max_bytes=600)
        go(writer)
        eventually(path.exists)
        time.sleep(seeded.uniform(0.001, 0.05))
        writer.kill()
        writer.wait()

    texts = [
        line
        for file in backups(path)
        for line in content(file).decode().split("\n")
        if line
    ]
    records = [parse_line(line) for line in texts]
    found = Counter((record.run, record.seq) for record in records if record)
    assert set(found.values()) == {1}
    newest = Counter(run for run, _ in found)
    for run, count in newest.items():
        numbers = sorted(seq for r, seq in found if r == run)
        # What fell off the end of 500 backups is the oldest, without a hole.
        assert numbers == [*range(numbers[0], numbers[0] + count)], run
    # A kill can tear the one record that is being written, and no other.
    assert sum(record is None for record in records) <= 12


def test_records_after_a_kill_are_whole(start, tmp_path):
    path = tmp_path / "order_watcher.log"
    path.write_text("2026-02-08 14:25:31.123 | INFO     | ORDER_WA")

    writer = start(1)
    go(writer)
    assert writer.stdout.readline() == "done\n"

    torn, record = path.read_text().splitlines()
    assert parse_line(torn) is None
    assert parse_line(record) is not None


# Writes a record of 20 kB and one of a few bytes; what else it does, the test says.
LONG = """
import fcntl, os, signal, sys
from shoonya_platform.logging import mending
from shoonya_platform.logging.files import LogFile
path, name, plan = sys.argv[1:4]
file = LogFile(path, max_bytes=0, backup_count=0)
file.write(b"%s begins\\n" % name.encode())
print("ready", flush=True)
sys.stdin.readline()
write, lock = os.write, fcntl.fcntl
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def write_half(fd, text):
    write(fd, text[:10_000])
    print("half", flush=True)
    sys.stdin.readline()
def lock_and_tell(*arguments):
    try:
        return lock(*arguments)
    except BlockingIOError:
        mending._PATIENCE_SECONDS = float("inf")
        print("waits", flush=True)
        fcntl.fcntl = lock
        raise
if plan == "dies half-way":
    os.write = write_half
if plan == "dies behind its write":
    fcntl.fcntl = lock_and_tell
    os.lseek = die
file.write(b"%s\\n" % (name.encode() * 20_000))
print("done", flush=True)
"""


@pytest.fixture
def long_writer(tmp_path):
    """Start a process with a plan; it has the file open when this returns."""
    started = []

    def start(name, plan=""):
        process = subprocess.Popen(
            [sys.executable, "-c", LONG, tmp_path / "x.log", name, plan],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert said(process) == "ready"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process):
    return process.stdout.readline().strip()


@pytest.mark.parametrize("waits", [False, True])
def test_two_records_that_were_killed_one_behind_the_other_share_no_line(
    long_writer, tmp_path, waits
):
    first = long_writer("a", "dies half-way")
    second, third = long_writer("b", "dies behind its write"), long_writer("c")

    go(first)
    assert said(first) == "half"
    if waits:
        # It has begun before anybody can see what the first one leaves.
        go(second)
        assert said(second) == "waits"
    first.kill()
    first.wait()
    if not waits:
        go(second)
    assert second.wait() == -signal.SIGKILL
    go(third)
    assert said(third) == "done"

    found = (tmp_path / "x.log").read_bytes().split(b"\n")
    assert found == [
        *(b"%c begins" % name for name in b"abc"),
        *(b"a" * 10_000, b"b" * 20_000, b"c" * 20_000, b""),
    ]


def test_long_record_waits_for_no_process_that_was_stopped(long_writer, tmp_path):
    stopped, other = long_writer("a", "dies half-way"), long_writer("b")
    go(stopped)
    assert said(stopped) == "half"

    go(other)
    assert said(other) == "done"

    # Ended by a line break, as if it had been killed.
    found = (tmp_path / "x.log").read_bytes().split(b"\n")
    assert sorted(map(len, found)) == [0, 8, 8, 10_000, 20_000]


def test_child_has_a_run_of_its_own(tmp_path, journald):
    run = setup_application_logging(
        tmp_path, component="dashboard", journal=str(journald.path), console=False
    )
    log = get_component_logger("dashboard")
    log.info("parent")
    pid = os.fork()
    if not pid:
        try:
            log.info("child")
            log.info("child")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    log.info("parent")

    in_file = [(r.run, r.seq) for r in lines(tmp_path / "dashboard.log")]
    in_journal = [
        (entry["SHOONYA_RUN"], int(entry["SHOONYA_SEQ"]))
        for entry in journald.entries(4)
    ]
    assert in_file == in_journal
    assert [seq for _, seq in in_file] == [1, 1, 2, 2]
    (child,) = {other for other, _ in in_file} - {run}
    assert child.startswith(f"{run}.")


def test_child_forked_in_the_middle_of_a_record_can_log(tmp_path, journald):
    setup_application_logging(
        tmp_path, component="dashboard", journal=str(journald.path), console=False
    )
    log = get_component_logger("dashboard")
    log.info("parent")
    setup = current()
    assert setup is not None
    file = setup.handler.files()["dashboard"]
    journal = setup.handler.journal
    assert journal is not None
    held, release = threading.Event(), threading.Event()

    def hold():
        with file._lock, journal.transport._lock:
            held.set()
            release.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()
    if not pid:
        signal.alarm(10)
        log.info("child")
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    release.set()
    thread.join()

    assert status == 0
    assert len(lines(tmp_path / "dashboard.log")) == 2


def test_child_forked_in_a_rotation_does_not_keep_its_lock(tmp_path):
    file = LogFile(str(tmp_path / "x.log"), max_bytes=1, backup_count=3)
    file.write(b"a\n")
    waiting, release = os.pipe()
    with Chain(file.path, 3).locked():
        pid = os.fork()
        if not pid:
            os.close(release)
            os.read(waiting, 1)
            os._exit(0)

    assert file.rotate(patience_seconds=0) == str(tmp_path / "x.log.1")

    os.close(release)
    os.close(waiting)
    os.waitpid(pid, 0)
    file.close()


SIGNALLED = """
import signal, sys
from shoonya_platform.logging import get_component_logger, setup_application_logging
directory, count, max_bytes, socket = sys.argv[1:5]
setup_application_logging(directory, component="order_watcher", journal=socket,
                          console=False)
log = get_component_logger("order_watcher")
stop = False
def ask_to_stop(number, frame):
    global stop
    stop = True
signal.signal(signal.SIGTERM, ask_to_stop)
print("ready", flush=True)
sys.stdin.readline()
while not stop:
    log.info("x")
log.info("stopping")
"""


def test_journal_that_hangs_stops_neither_log_calls_nor_sigterm(
    start, tmp_path, journald
):
    # Nobody reads the socket: what a journald stopped by SIGSTOP looks like.
    writer = start(0, socket=str(journald.path), code=SIGNALLED)
    go(writer)
    path = tmp_path / "order_watcher.log"
    eventually(lambda: path.exists() and path.stat().st_size > 300_000)

    writer.terminate()
    began = time.monotonic()
    assert writer.wait(60) == 0

    assert time.monotonic() - began < 5
    records = lines(path)
    assert [record.seq for record in records] == [*range(1, len(records) + 1)]
    assert records[-2].message == "stopping"
    taken = len(journald.entries())
    assert records[-1].fields["event"] == "journal_gap"
    assert int(records[-1].fields["lost"]) == len(records) - 1 - taken


REENTRANT = """
import signal, sys
from shoonya_platform.logging import get_component_logger, setup_application_logging
directory, count, max_bytes, socket = sys.argv[1:5]
setup_application_logging(directory, component="order_watcher", max_bytes=2000,
                          backup_count=1000, journal=socket, console=False)
log = get_component_logger("order_watcher")
signal.signal(signal.SIGALRM, lambda number, frame: log.info("from the handler"))
# Not more often than a rotation on a busy machine takes: handlers would nest
# until the interpreter's recursion limit.
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    log.info("x")
signal.setitimer(signal.ITIMER_REAL, 0)
print("done", flush=True)
sys.stdin.readline()
"""


def test_signal_handler_that_logs_breaks_nothing(start, tmp_path, journald):
    writer = start(5000, socket=str(journald.path), code=REENTRANT)
    go(writer)
    assert writer.stdout.readline() == "done\n"

    records = all_records(tmp_path / "order_watcher.log")
    handled = sum(record.message == "from the handler" for record in records)
    assert handled > 10
    assert sorted(record.seq for record in records) == [*range(1, len(records) + 1)]
    assert len(records) >= 5000 + handled


def test_fork_without_end_leaks_no_descriptor(tmp_path, journald):
    setup_application_logging(
        tmp_path, component="dashboard", journal=str(journald.path), console=False
    )
    log = get_component_logger("dashboard")
    log.info("x")
    before = open_descriptors()

    for _ in range(5):
        pid = os.fork()
        if not pid:
            log.info("child")
            os._exit(int(open_descriptors() != before))
        assert os.waitpid(pid, 0)[1] == 0
        log.info("parent")

    assert open_descriptors() == before
