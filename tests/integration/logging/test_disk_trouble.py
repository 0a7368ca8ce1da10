"""A disk that is full, gone, read-only or in somebody else's hands."""

import errno
import os
import shutil
import subprocess
import time

import pytest

from shoonya_platform.logging import (
    get_component_logger,
    parse_line,
    setup_application_logging,
    shutdown_logging,
)
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.in_force import current
from shoonya_platform.logging.reading.judging import Cause
from shoonya_platform.logging.reading.verify import verify
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.support import backups, lines

LINE = b"%06d " + b"x" * 92 + b"\n"


@pytest.fixture
def disk(tmp_path):
    """A file system of half a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0755", "none", place],
        check=False,
    )
    if mounted.returncode:
        pytest.skip("cannot mount here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def make():
    made = []

    def make(path, *, backlog_bytes=1 << 20, max_bytes=200_000):
        file = LogFile(
            str(path),
            max_bytes=max_bytes,
            backup_count=20,
            backlog_bytes=backlog_bytes,
        )
        made.append(file)
        return file

    yield make
    for file in made:
        file._backlog.give_up()
        file.close()


def numbers(path):
    """Return the numbers of all lines, and how many lines are none of ours."""
    text = b"".join(file.read_bytes() for file in backups(path) if file.exists())
    lines = text.split(b"\n")[:-1]
    whole = [int(line[:6]) for line in lines if len(line) == 99]
    return whole, len(lines) - len(whole)


def events(file):
    return [notice.event for notice in file.notices]


def fill(disk):
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096) == 4096:
                pass
        except OSError:
            pass


def test_nothing_is_lost_when_the_full_disk_is_freed_in_time(disk, make):
    path = disk / "x.log"
    file = make(path)
    for number in range(1000):
        file.write(LINE % number)
    fill(disk)

    for number in range(1000, 4000):
        file.write(LINE % number)
    assert file.waiting
    (disk / "ballast").unlink()
    eventually(lambda: not file.waiting)
    file.write(LINE % 4000)

    assert numbers(path) == ([*range(4001)], 0)
    assert events(file) == ["file_failed"]


def test_beyond_what_memory_may_hold_the_gap_is_counted(disk, make):
    path = disk / "x.log"
    file = make(path, backlog_bytes=50_000)
    fill(disk)

    for number in range(3000):
        file.write(LINE % number)
    (disk / "ballast").unlink()
    eventually(lambda: not file.waiting)
    file.write(LINE % 3000)

    found, torn = numbers(path)
    assert (found, torn) == ([*range(len(found) - 1), 3000], 0)
    # The bound counts bytes; what fitted into the file's last page came on top.
    assert len(found) - 1 >= 500
    assert events(file) == ["file_failed", "file_gap"]
    assert file.notices[-1].count == 3001 - len(found)


def test_recovery_needs_no_further_record(disk, make):
    path = disk / "x.log"
    file = make(path)
    told = []
    file.on_notice = lambda: told.append(events(file))
    fill(disk)
    for number in range(200):
        file.write(LINE % number)

    (disk / "ballast").unlink()

    eventually(lambda: told)
    assert numbers(path) == ([*range(200)], 0)


def test_what_waits_is_written_at_the_end(disk, make):
    path = disk / "x.log"
    file = make(path)
    fill(disk)
    for number in range(200):
        file.write(LINE % number)
    (disk / "ballast").unlink()

    file.close()

    assert numbers(path) == ([*range(200)], 0)


def test_two_writers_of_a_full_disk_keep_their_own_order(disk, make):
    path = disk / "x.log"
    one, other = make(path), make(path)
    fill(disk)

    for number in range(1000):
        one.write(LINE % number)
        other.write(LINE % (number + 10_000))
    (disk / "ballast").unlink()
    eventually(lambda: not one.waiting and not other.waiting)

    found, _ = numbers(path)
    assert [n for n in found if n < 10_000] == [*range(1000)]
    assert [n for n in found if n >= 10_000] == [*range(10_000, 11_000)]


def test_read_only_disk_is_waited_for(disk, make):
    path = disk / "x.log"
    file = make(path)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    written = [file.write(LINE % number) for number in range(100)]

    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    eventually(lambda: not file.waiting)

    assert written == [False] * 100
    assert numbers(path) == ([*range(100)], 0)


def test_calls_stay_short_while_the_disk_is_full(disk, make):
    file = make(disk / "x.log")
    fill(disk)

    began = time.monotonic()
    for number in range(5000):
        file.write(LINE % number)

    # A second is what a single wait of the slow kind would take.
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("code", [errno.EIO, errno.EDQUOT, errno.ESTALE])
def test_any_other_error_is_waited_for_too(tmp_path, make, monkeypatch, code):
    path = tmp_path / "x.log"
    file = make(path)
    file.write(LINE % 0)
    with monkeypatch.context() as patches:

        def fail(*_):
            raise OSError(code, os.strerror(code))

        patches.setattr(os, "write", fail)
        written = [file.write(LINE % number) for number in range(1, 100)]
    eventually(lambda: not file.waiting)

    assert written == [False] * 99
    assert numbers(path) == ([*range(100)], 0)
    assert [(n.event, n.why) for n in file.notices] == [
        ("file_failed", os.strerror(code))
    ]


def test_directory_that_cannot_be_made_again_is_waited_for(tmp_path, make):
    place = tmp_path / "logs"
    place.mkdir()
    file = make(place / "x.log")
    file.write(LINE % 0)
    shutil.rmtree(place)
    place.write_text("in the way")

    file.write(LINE % 1)
    file.write(LINE % 2)
    place.unlink()
    eventually(lambda: not file.waiting)

    assert numbers(place / "x.log") == ([1, 2], 0)


def test_changed_owner_does_not_stop_the_writer(tmp_path, make):
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root")
    path = tmp_path / "x.log"
    file = make(path)
    file.write(LINE % 0)
    os.chown(path, 65534, 65534)

    assert file.write(LINE % 1)

    assert numbers(path) == ([0, 1], 0)


def test_copytruncate_by_others_is_survived(tmp_path, make):
    path = tmp_path / "x.log"
    file = make(path)
    for number in range(10):
        file.write(LINE % number)
    shutil.copy(path, tmp_path / "copy")
    os.truncate(path, 0)

    file.write(LINE % 10)

    # No hole of zeros where the old text was.
    assert path.read_bytes() == LINE % 10


def test_rename_and_create_by_others_is_followed(tmp_path, make):
    path = tmp_path / "x.log"
    file = make(path)
    file.write(LINE % 0)
    path.rename(tmp_path / "x.log-20261124")
    path.touch()

    def followed():
        file.write(LINE % 1)
        return path.stat().st_size

    eventually(followed)


@pytest.fixture
def service(disk, journald):
    """A service that logs to that disk, and a journal that takes all of it."""
    entries = []

    def log(count, *, pad=0):
        logger = get_component_logger("dashboard")
        setup = current()
        assert setup is not None
        journal = setup.handler.journal
        assert journal is not None

        def keeps_pace():
            entries.extend(journald.entries())
            # Far from what it drops if the sender is not given a processor.
            return journal.transport.waiting <= 100

        for _ in range(count):
            logger.info("x", pad="y" * pad)
            eventually(keeps_pace)

    setup_application_logging(
        disk,
        component="dashboard",
        journal=str(journald.path),
        console=False,
        budget=None,
    )
    return log, entries


def events_in(records):
    return [record.fields["event"] for record in records if record.fields.get("event")]


def test_service_on_a_disk_that_is_freed_in_time_has_both_copies_whole(
    disk, service, journald
):
    log, entries = service
    log(500)
    fill(disk)
    log(2000)
    (disk / "ballast").unlink()
    path = disk / "dashboard.log"
    size = path.stat().st_size
    # By itself: no record is logged meanwhile.
    eventually(lambda: path.stat().st_size > size)
    log(500)

    records = lines(path)
    assert [record.seq for record in records] == [*range(1, 3002)]
    entries += journald.entries(3001 - len(entries))
    assert [int(entry["SHOONYA_SEQ"]) for entry in entries] == [*range(1, 3002)]
    assert events_in(records) == ["file_failed"]


def test_service_on_a_disk_that_stays_full_counts_its_one_gap(disk, service, journald):
    log, entries = service
    log(10)
    fill(disk)
    # More than the 4 MB that may wait.
    log(600, pad=10_000)
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
    path = disk / "dashboard.log"
    # By itself; the telling comes behind the last record that waited.
    eventually(lambda: b" event=file_gap " in path.read_bytes())
    log(10)

    records = lines(path)
    numbers = [record.seq for record in records]
    (gap,) = [r for r in records if r.fields.get("event") == "file_gap"]
    last = numbers[-1]
    missing = sorted({*range(1, last + 1)} - {*numbers})
    assert numbers == sorted({*numbers})
    assert missing == [*range(missing[0], missing[0] + int(gap.fields["lost"]))]
    assert len(missing) > 150
    entries += journald.entries(last - len(entries))
    assert [int(entry["SHOONYA_SEQ"]) for entry in entries] == [*range(1, last + 1)]
    assert events_in(records) == ["file_failed", "file_gap"]


def whole(path):
    """Return the records of a file, without what the full disk cut off."""
    texts = path.read_text().split("\n")
    return [record for text in texts if (record := parse_line(text)) is not None]


def test_service_that_ends_on_a_full_disk_has_what_it_lost_told(
    disk, service, journald
):
    log, entries = service
    log(10)
    fill(disk)
    log(100, pad=1000)
    setup = current()
    assert setup is not None
    run = setup.handler.run.run_id
    # Ours, and that the disk is full: no journal has anything to catch up with.
    entries += journald.entries(111 - len(entries))
    shutdown_logging()
    entries += journald.entries()
    path = disk / "dashboard.log"
    written = len(whole(path))

    # In the journal at once.
    (told,) = [e for e in entries if e.get("SHOONYA_EVENT") == "file_gap"]
    last = int(told["SHOONYA_SEQ"])
    assert int(told["SHOONYA_LOST"]) == last - 1 - written > 50
    # In the file by the next start that finds room, once.
    (disk / "ballast").unlink()
    for _ in range(2):
        setup_application_logging(
            disk, component="dashboard", journal=False, console=False, budget=None
        )
        shutdown_logging()
    (gap,) = [r for r in whole(path) if r.fields.get("event") == "earlier_file_gap"]
    assert gap.fields["lost"] == told["SHOONYA_LOST"]
    assert not [*disk.glob(".*.lost")]

    # Without the journal, too, each number has its cause.
    (finding,) = verify(disk, ["dashboard"], with_journal=False).findings
    assert (finding.run, finding.cause) == (run, Cause.DISK)
    assert finding.ranges == ((written + 1, last - 1), (last, last))


def test_start_on_a_disk_that_is_still_full_keeps_the_word_for_the_next(
    disk, service, journald
):
    log, _ = service
    fill(disk)
    log(100, pad=1000)
    shutdown_logging()
    setup_application_logging(
        disk, component="dashboard", journal=False, console=False, budget=None
    )
    shutdown_logging()

    (disk / "ballast").unlink()
    setup_application_logging(
        disk, component="dashboard", journal=False, console=False, budget=None
    )

    told = [r.fields.get("event") for r in whole(disk / "dashboard.log")]
    # Of both runs: the second lost what it had to tell of the first.
    assert told.count("earlier_file_gap") == 2
    findings = verify(disk, ["dashboard"], with_journal=False).findings
    assert findings
    assert all(finding.is_explained for finding in findings), findings
