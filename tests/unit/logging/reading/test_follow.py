"""Following across everything that happens to a file between two looks."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.logging.reading.filters import ALL
from shoonya_platform.logging.reading.follow import ComponentFollower, Follower
from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.streams import Item, read
from tests.unit.logging.reading.writing import COMPONENT, Writer, numbers, text_line


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{COMPONENT}.log"


@pytest.fixture
def following(tmp_path):
    """Follow the component's file, from its end."""
    opened = []

    def follow():
        opened.append(Follower(tmp_path, COMPONENT, from_end=True))
        return opened[-1]

    yield follow
    for follower in opened:
        follower.close()


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def test_only_whole_lines_are_given(path, following):
    append(path, "before\n")
    follower = following()

    append(path, "one\ntw")
    assert follower.new_lines() == [b"one"]
    append(path, "o\n")
    assert follower.new_lines() == [b"two"]
    assert follower.new_lines() == []


def test_last_lines_of_the_old_file_come_before_the_new_one(path, following):
    append(path, "before\n")
    follower = following()

    with path.open("a") as old:
        path.rename(f"{path}.1")
        old.write("last of the old\n")
    append(path, "first of the new\n")

    assert follower.new_lines() == [b"last of the old", b"first of the new"]


def test_line_that_reaches_the_old_file_late_is_not_lost(path, following):
    append(path, "before\n")
    follower = following()

    with path.open("a") as old:
        path.rename(f"{path}.1")
        append(path, "first of the new\n")
        assert follower.new_lines() == [b"first of the new"]
        old.write("late\n")

    assert follower.new_lines() == [b"late"]


def test_between_the_renaming_and_the_new_file_there_is_nothing(path, following):
    append(path, "before\n")
    follower = following()
    path.rename(f"{path}.1")

    assert follower.new_lines() == []
    append(path, "after\n")

    assert follower.new_lines() == [b"after"]


def test_file_that_comes_later_is_taken_up_and_older_backups_are_no_news(
    path, following
):
    append(path.with_name(f"{path.name}.1"), "old\n")
    follower = following()
    assert follower.new_lines() == []

    append(path, "first\n")

    assert follower.new_lines() == [b"first"]


def test_file_emptied_by_a_stranger_is_read_from_its_beginning(path, following):
    append(path, "before, and rather long\n")
    follower = following()

    path.write_text("after\n")

    assert follower.new_lines() == [b"after"]


def test_file_removed_and_made_anew_is_followed(path, following):
    append(path, "before\n")
    follower = following()

    append(path, "last\n")
    path.unlink()
    append(path, "new\n")

    assert follower.new_lines() == [b"last", b"new"]


def test_several_rotations_and_a_compression_between_two_looks(tmp_path, following):
    writer = Writer(tmp_path)
    writer.write("a\n")
    follower = following()
    for number in range(6):
        writer.write(f"{number}\n")
        writer.rotate()
    writer.archive()
    writer.write("last\n")

    assert [path.name for path in tmp_path.glob("*.zst")]
    assert follower.new_lines() == [*(b"%d" % n for n in range(6)), b"last"]
    writer.close()


def test_clock_that_was_set_back_hides_nothing(tmp_path, following):
    writer = Writer(tmp_path)
    writer.write("a\n")
    follower = following()
    for number in range(3):
        writer.write(f"{number}\n")
        writer.rotate()
    writer.archive()
    for path in tmp_path.glob(f"{COMPONENT}.log.[12]*"):
        os.utime(path, (1, 1))
    writer.write("last\n")

    assert follower.new_lines() == [b"0", b"1", b"2", b"last"]
    writer.close()


DEEDS = st.lists(
    st.sampled_from(["write", "write", "write", "rotate", "archive", "look"]),
    max_size=40,
)


@settings(max_examples=60)
@given(DEEDS, DEEDS)
def test_each_record_comes_once_and_in_order(tmp_path_factory, before, after):
    directory = tmp_path_factory.mktemp("logs")
    writer = Writer(directory)
    finder = GapFinder(COMPONENT)
    written = 0
    shown: list[Item] = []

    def do(deed):
        nonlocal written
        if deed == "write":
            written += 1
            writer.write(text_line(written))
        elif deed != "look":
            getattr(writer, deed)()

    for deed in before:
        do(deed)
    follower = ComponentFollower(directory, COMPONENT, finder)
    # As if it were written while the past is read.
    do("write")
    past = read(
        directory,
        {COMPONENT: finder},
        since="",
        wanted=ALL,
        last=None,
        tell=pytest.fail,
    )
    shown += past
    for deed in after:
        do(deed)
        if deed == "look":
            shown += follower.new_items()
    for _ in range(3):
        shown += follower.new_items()
    follower.close()
    writer.close()

    assert not [item for item in shown if isinstance(item, Gap)]
    assert numbers(shown) == list(range(1, written + 1))


def test_gap_is_shown_once_nothing_has_filled_it(tmp_path):
    writer = Writer(tmp_path)
    follower = ComponentFollower(tmp_path, COMPONENT, GapFinder(COMPONENT))
    writer.write(text_line(1), text_line(4), text_line(2))

    found = [item for _ in range(4) for item in follower.new_items()]

    assert [item.ranges if isinstance(item, Gap) else item.seq for item in found] == [
        1,
        [(3, 3)],
        4,
        2,
    ]
    follower.close()
    writer.close()
