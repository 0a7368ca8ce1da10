import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from shoonya_platform.logging import livefile, room
from shoonya_platform.logging.chain import RotationBusyError
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.mending import begin_line
from tests.unit.logging.support import backups, open_descriptors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


@pytest.fixture
def make(path):
    with contextlib.ExitStack() as stack:

        def make(target=path, *, max_bytes=100, backup_count=3):
            file = LogFile(str(target), max_bytes=max_bytes, backup_count=backup_count)
            stack.callback(file.close)
            return file

        yield make


def events(file):
    return [notice.event for notice in file.notices]


def texts(path):
    return [file.read_text() for file in backups(path)]


def test_file_is_made_by_the_first_record(make, path):
    file = make()
    assert not path.exists()

    assert file.write(b"a\n")

    assert path.read_bytes() == b"a\n"


def test_live_file_never_grows_beyond_its_size(make, path):
    file = make(max_bytes=10)

    for number in range(4):
        file.write(b"%d---\n" % number)

    assert texts(path) == ["0---\n1---\n", "2---\n3---\n"]


def test_size_counts_bytes_and_not_characters(make, path):
    file = make(max_bytes=10)

    file.write("ééé\n".encode())
    file.write("ééé\n".encode())

    assert texts(path) == ["ééé\n", "ééé\n"]


def test_size_counts_what_was_there_before(make, path):
    path.write_bytes(b"12345678\n")

    make(max_bytes=10).write(b"a\n")

    assert texts(path) == ["12345678\n", "a\n"]


def test_record_larger_than_a_file_has_one_of_its_own(make, path):
    file = make(max_bytes=10)

    file.write(b"a\n")
    file.write(b"b" * 20 + b"\n")
    file.write(b"c\n")

    assert texts(path) == ["a\n", "b" * 20 + "\n", "c\n"]


def test_oldest_backup_goes_first(make, path):
    file = make(max_bytes=1, backup_count=2)

    for letter in b"abcde":
        file.write(bytes([letter, 10]))

    assert texts(path) == ["c\n", "d\n", "e\n"]


@pytest.mark.parametrize("limits", [(0, 3), (10, 0)])
def test_zero_means_no_rotation(make, path, limits):
    file = make(max_bytes=limits[0], backup_count=limits[1])

    for _ in range(20):
        file.write(b"abc\n")

    assert texts(path) == ["abc\n" * 20]


def test_every_file_is_readable_by_the_group_and_nobody_else(make, path):
    before = os.umask(0o077)
    try:
        file = make(max_bytes=1)
        for _ in range(3):
            file.write(b"a\n")
    finally:
        os.umask(before)

    modes = [file.stat().st_mode & 0o777 for file in backups(path)]
    # What is full is sealed: its last writers see that they must let go of it.
    assert modes == [0o440, 0o440, 0o640]


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_gap_left_by_a_killed_rotation_costs_no_backup(make, path, missing):
    for number in (1, 2, 3, 4):
        if number != missing:
            path.with_name(f"x.log.{number}").write_text(f"{number}\n")
    if missing == 1:
        # The very rename that moves the live file may be the one not done.
        path.write_text("live\n")

    file = make(max_bytes=1, backup_count=4)
    file.write(b"a\n")
    file.write(b"b\n")

    kept = "".join(texts(path))
    assert all(f"{n}\n" in kept for n in (1, 2, 3) if n != missing)


def test_backups_beyond_a_lowered_count_are_deleted(make, path):
    for number in range(1, 8):
        path.with_name(f"x.log.{number}").write_text(f"{number}\n")
    path.with_name("x.log.7.note").write_text("not ours")

    file = make(max_bytes=1, backup_count=2)
    file.write(b"a\n")
    file.write(b"b\n")

    assert sorted(p.name for p in path.parent.glob("x.log*")) == [
        "x.log",
        "x.log.1",
        "x.log.2",
        "x.log.7.note",
    ]


@pytest.mark.parametrize(
    "remove",
    [
        pytest.param(lambda path: path.unlink(), id="removed"),
        pytest.param(lambda path: path.rename(f"{path}.moved"), id="moved"),
        pytest.param(
            lambda path: (path.unlink(), path.write_text("new\n")), id="replaced"
        ),
    ],
)
def test_next_record_is_in_the_path_whatever_became_of_the_file(
    make, path, remove, monkeypatch
):
    monkeypatch.setattr(livefile, "_PATH_SECONDS", 0)
    file = make()
    file.write(b"a\n")
    remove(path)

    file.write(b"b\n")

    assert path.read_text().endswith("b\n")
    assert "a\n" not in path.read_text()


def test_removed_directory_is_made_again(make, path):
    target = path.parent / "logs" / "x.log"
    target.parent.mkdir()
    file = make(target)
    file.write(b"a\n")
    target.unlink()
    target.parent.rmdir()

    assert file.write(b"b\n")

    assert target.read_bytes() == b"b\n"


def test_other_writers_rotation_is_followed(make, path):
    one, other = make(max_bytes=4), make(max_bytes=4)
    one.write(b"a1\n")
    other.write(b"b1\n")  # rotates
    one.write(b"a2\n")  # rotates again, in what the other made
    other.write(b"b2\n")

    assert texts(path) == ["a1\n", "b1\n", "a2\n", "b2\n"]


@pytest.mark.parametrize("later", [0, 0.00015])
def test_look_at_the_file_is_good_for_a_moment_only(make, path, monkeypatch, later):
    now = [1.0]
    monkeypatch.setattr(livefile, "time", SimpleNamespace(monotonic=lambda: now[0]))
    one, other = make(), make()
    one.write(b"a1\n")
    one.write(b"a2\n")
    other.rotate()
    now[0] += later

    one.write(b"a3\n")
    now[0] += 0.00015
    one.write(b"a4\n")

    # What meets a rotation is in the wrong place and not lost, and that soon ends.
    assert texts(path) == (
        ["a1\na2\n", "a3\na4\n"] if later else ["a1\na2\na3\n", "a4\n"]
    )


def test_burst_fills_a_file_to_its_size_and_no_further(make, path, monkeypatch):
    # As if it took no time at all.
    monkeypatch.setattr(livefile, "time", SimpleNamespace(monotonic=lambda: 1.0))
    file = make(max_bytes=6, backup_count=9)

    for number in range(6):
        file.write(b"a%d\n" % number)

    assert texts(path) == ["a0\na1\n", "a2\na3\n", "a4\na5\n"]


@pytest.mark.parametrize("pause_seconds", [0, 1000])
def test_record_is_kept_when_rotation_fails(make, path, monkeypatch, pause_seconds):
    monkeypatch.setattr(room, "_ROTATION_PAUSE_SECONDS", pause_seconds)
    obstacle = path.with_name("x.log.1")
    (obstacle / "something").mkdir(parents=True)
    file = make(max_bytes=4, backup_count=1)

    for number in range(5):
        assert file.write(b"%d--\n" % number)

    assert path.read_text() == "0--\n1--\n2--\n3--\n4--\n"
    assert events(file) == ["rotation_failed"]

    (obstacle / "something").rmdir()
    obstacle.rmdir()
    file.write(b"5--\n")
    assert obstacle.exists() == (pause_seconds == 0)


def test_rotation_that_another_holds_up_is_not_waited_for(make, path):
    file = make(max_bytes=4)
    file.write(b"a1\n")
    holder = os.open(path.with_name(".x.log.lock"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        began = time.monotonic()
        file.write(b"a2\n")
        took = time.monotonic() - began
        with pytest.raises(RotationBusyError):
            file.rotate(patience_seconds=0)
    finally:
        os.close(holder)
    file.write(b"a3\n")

    assert took < 1
    assert texts(path) == ["a1\na2\n", "a3\n"]
    assert file.notices == []


def test_record_after_one_torn_by_a_kill_begins_a_line(make, path):
    path.write_bytes(b"whole\nto")

    make().write(b"next\n")

    assert path.read_bytes() == b"whole\nto\nnext\n"


@pytest.mark.parametrize("device", ["/dev/null", "fifo"])
def test_what_is_no_file_is_neither_waited_for_nor_rotated(make, tmp_path, device):
    target = tmp_path / "special.log"
    if device == "fifo":
        os.mkfifo(target)
    else:
        target.symlink_to(device)
    file = make(target, max_bytes=1)

    began = time.monotonic()
    written = [file.write(b"a\n") for _ in range(3)]

    assert time.monotonic() - began < 1
    # A FIFO that nobody reads takes nothing.
    assert written == [device == "/dev/null"] * 3
    file._backlog.give_up()
    assert os.path.lexists(target)
    assert not list(tmp_path.glob("special.log.*"))


def test_lock_that_another_program_holds_on_a_device_stops_no_writer(make, tmp_path):
    target = tmp_path / "nothing.log"
    target.symlink_to("/dev/null")
    with Path("/dev/null").open("rb") as device:
        fcntl.flock(device, fcntl.LOCK_EX)

        assert make(target).write(b"a\n")


def test_linked_file_is_rotated_where_it_is(make, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.log"
    link = tmp_path / "link.log"
    link.symlink_to(target)
    file = make(link, max_bytes=1)

    file.write(b"a\n")
    file.write(b"b\n")

    assert texts(target) == ["a\n", "b\n"]
    assert link.is_symlink()


def test_rotation_by_hand_begins_a_new_file(make, path):
    file = make()
    file.write(b"a\n")

    assert file.rotate() == f"{path}.1"

    file.write(b"b\n")
    assert texts(path) == ["a\n", "b\n"]


@pytest.mark.parametrize("content", [None, b""])
def test_rotation_by_hand_makes_no_empty_backup(make, path, content):
    if content is not None:
        path.write_bytes(content)

    assert make().rotate() is None

    assert len(backups(path)) == 1


def test_rotation_by_a_bystander_leaves_the_file_to_its_writer(make, path):
    writer, bystander = make(), make()
    writer.write(b"a\n")

    bystander.rotate()

    # Made by root, say, it would be out of the writer's reach.
    assert not path.exists()
    writer.write(b"b\n")
    assert texts(path) == ["a\n", "b\n"]


def test_threads_lose_no_record_at_rotations(make, path):
    file = make(max_bytes=500, backup_count=1000)

    def write(thread):
        for number in range(500):
            file.write(b"%d-%d\n" % (thread, number))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = "".join(texts(path)).splitlines()
    assert sorted(found) == sorted(f"{t}-{n}" for t in range(4) for n in range(500))
    assert all(file.stat().st_size <= 500 for file in backups(path))


def test_no_descriptor_is_left_open(make):
    before = open_descriptors()
    file = make(max_bytes=1)

    for _ in range(10):
        file.write(b"a\n")
    file.close()

    assert open_descriptors() == before


@pytest.fixture
def at_next_write(monkeypatch):
    """Let something happen between the look at the file and the write to it."""
    real = os.write

    def at_next_write(deed, count=None):
        def write(fd, text):
            monkeypatch.setattr(os, "write", real)
            if count is None:
                deed()
                return real(fd, text)
            written = real(fd, text[:count])
            deed()
            return written

        monkeypatch.setattr(os, "write", write)

    return at_next_write


def append(path, text):
    with path.open("ab") as file:
        file.write(text)


def test_record_behind_one_that_a_kill_cut_off_has_a_line_of_its_own(
    make, path, at_next_write
):
    file = make()
    file.write(b"a\n")
    at_next_write(lambda: append(path, b"torn"))

    file.write(b"b\n")
    file.write(b"c\n")

    assert path.read_bytes() == b"a\ntor\nb\nc\n"


def test_text_that_moved_meanwhile_is_not_touched(path):
    path.write_bytes(b"0123456789")
    with path.open("r+b") as file:
        begin_line(file.fileno(), b"456", 5)
        assert path.read_bytes() == b"0123456789"

        begin_line(file.fileno(), b"456", 4)
        assert path.read_bytes() == b"012\n456789"


def test_rest_of_a_record_that_another_came_before_is_written_as_a_whole(
    make, path, at_next_write
):
    file, other = make(), make()
    file.write(b"a\n")
    other.write(b"b\n")
    # A disk that was full for a moment.
    at_next_write(lambda: at_next_write(lambda: other.write(b"d\n")), count=4)

    assert file.write(b"cccccc\n")

    found = path.read_bytes().split(b"\n")
    assert found == [b"a", b"b", b"ccc", b"d", b"cc", b"cccccc", b""]


def test_signal_handler_that_logs_at_any_moment_of_a_write_tears_nothing(
    make, path, at_next_write
):
    file = make()
    file.write(b"a\n")
    for count in (None, 3):
        at_next_write(lambda: file.write(b"handler\n"), count=count)
        file.write(b"bb\n")

    assert path.read_bytes() == b"a\nhandler\nbb\nbb\nhandler\n"
