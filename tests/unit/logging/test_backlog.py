"""What waits for the disk: in order, and without holes of its own making."""

from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging.backlog import Backlog

sizes = st.lists(st.integers(1, 60), max_size=30)


@given(sizes)
def test_what_is_kept_while_the_disk_stays_full_has_no_hole(lengths):
    backlog = Backlog(max_bytes=100)

    kept = [backlog.add(b"x" * length) for length in lengths]

    # A small record that would fit behind a large one that did not waits for no hole.
    assert kept == sorted(kept, reverse=True)
    assert backlog.refused == kept.count(False)


def test_place_that_the_disk_made_is_used_again():
    backlog = Backlog(max_bytes=100)
    assert backlog.add(b"x" * 60)
    assert not backlog.add(b"x" * 60)
    assert not backlog.add(b"small")

    backlog.take()

    assert backlog.add(b"x" * 60)
    assert backlog.take_refused() == 2


def test_record_that_is_put_back_makes_no_place():
    backlog = Backlog(max_bytes=100)
    backlog.add(b"x" * 60)
    backlog.add(b"x" * 60)

    backlog.put_back(backlog.take())

    assert not backlog.add(b"small")
    assert backlog.take() == b"x" * 60
