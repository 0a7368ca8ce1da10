"""A chain of backups, and what is left of it when its process is killed."""

import os

import pytest

from shoonya_platform.logging import deleting
from shoonya_platform.logging.chain import Chain, RotationBusyError
from shoonya_platform.logging.deleting import unlink
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.support import open_descriptors

CALLS = ("rename", "unlink", "chmod", "open")


class Killed(BaseException):
    """What a SIGKILL is to the code: nothing after it happens."""


@pytest.fixture
def kill_at(monkeypatch):
    """Let the process die just before its n-th system call."""

    def kill_at(number):
        left = [number]

        def dying(call):
            def die_or_call(*args, **kwargs):
                left[0] -= 1
                if left[0] == 0:
                    raise Killed
                return call(*args, **kwargs)

            return die_or_call

        for name in CALLS:
            monkeypatch.setattr(os, name, dying(getattr(os, name)))

    return kill_at


def make(path, archives=()):
    path.write_text("live\n")
    for number in range(1, 5):
        suffix = ".zst" if number in archives else ""
        path.with_name(f"{path.name}.{number}{suffix}").write_text(f"{number}\n")
    return Chain(str(path), 4)


def numbered(chain):
    return [backup.number for backup in chain.backups()]


@pytest.mark.parametrize("number", range(1, 16))
@pytest.mark.parametrize("archives", [(), (2, 3, 4)], ids=["plain", "archived"])
def test_rotation_killed_anywhere_loses_only_the_oldest(
    tmp_path, monkeypatch, kill_at, number, archives
):
    path = tmp_path / "x.log"
    chain = make(path, archives)
    with monkeypatch.context() as patches:
        kill_at(number)
        try:
            with chain.locked():
                chain.rotate()
        except Killed:
            pass
        patches.undo()
        monkeypatch.undo()

    Chain(str(path), 4).heal()

    left = [tmp_path / backup.path for backup in chain.backups()]
    contents = [file.read_text() for file in left]
    if path.exists():
        contents.insert(0, path.read_text())
    assert contents[:4] == ["live\n", "1\n", "2\n", "3\n"]
    assert numbered(chain) == [*range(1, len(left) + 1)]
    assert all(file.stat().st_mode & 0o777 == 0o440 for file in left if not archives)


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_gap_is_closed_by_the_next_start(tmp_path, missing):
    chain = make(tmp_path / "x.log")
    (tmp_path / f"x.log.{missing}").unlink()

    chain.heal()

    assert numbered(chain) == [1, 2, 3]


def test_backup_beyond_a_gap_is_no_orphan(tmp_path):
    chain = make(tmp_path / "x.log")
    (tmp_path / "x.log.7").write_text("7\n")

    chain.heal()

    assert numbered(chain) == [1, 2, 3, 4]


def test_what_a_killed_archiver_left_is_removed(tmp_path):
    chain = make(tmp_path / "x.log")
    left = (chain.unfinished_path, chain.left_over_path)
    for path in left:
        (tmp_path / path).write_text("half of it")

    chain.heal()

    assert not any(map(os.path.exists, left))


def test_lock_that_is_held_is_not_waited_for(tmp_path):
    chain = Chain(str(tmp_path / "x.log"), 4)
    other = Chain(str(tmp_path / "x.log"), 4)

    with chain.locked(), pytest.raises(RotationBusyError), other.locked():
        pass

    with other.locked():
        pass


def test_large_backup_is_gone_at_once_and_leaves_no_descriptor(tmp_path):
    large = tmp_path / "x.log.1"
    with large.open("wb") as file:
        file.truncate(8 << 20)
    before = open_descriptors()

    unlink(str(large))

    assert not large.exists()
    eventually(lambda: open_descriptors() == before)
    with pytest.raises(FileNotFoundError):
        unlink(str(large))


def test_large_directory_in_the_way_is_refused_and_leaves_no_descriptor(
    tmp_path, monkeypatch
):
    (tmp_path / "x.log.1").mkdir()
    monkeypatch.setattr(deleting, "_LARGE_BYTES", 0)
    before = open_descriptors()

    with pytest.raises(OSError, match="directory"):
        unlink(str(tmp_path / "x.log.1"))

    assert open_descriptors() == before
