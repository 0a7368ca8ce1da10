"""A ring is heard if somebody is there, and is never in anyone's way."""

import contextlib
import select
from pathlib import Path

import pytest

from shoonya_platform.store.doorbell import Doorbell

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def opened(tmp_path):
    with contextlib.ExitStack() as stack:

        def open_it(service=None):
            bell = Doorbell(tmp_path / "run", service)
            stack.callback(bell.close)
            return bell

        yield open_it


def test_ring_is_heard_by_the_one_that_is_meant(opened):
    guard, watcher = opened("execution_guard"), opened("order_watcher")

    opened().ring("execution_guard")

    assert guard.wait(0)
    assert not watcher.wait(0)


def test_several_are_rung_and_one_that_is_away_stops_none_of_them(opened):
    guard, watcher = opened("execution_guard"), opened("order_watcher")

    opened().ring("execution_guard", "command_service", "order_watcher")

    assert (guard.wait(0), watcher.wait(0)) == (True, True)


def test_rings_that_came_together_are_one(opened):
    guard, ringer = opened("execution_guard"), opened()
    for _ in range(3):
        ringer.ring("execution_guard")

    assert guard.wait(0)
    assert not guard.wait(0)


def test_bell_that_nobody_empties_holds_up_no_ringer(opened):
    guard, ringer = opened("execution_guard"), opened()

    # More than a socket holds (net.unix.max_dgram_qlen, 10 to 512).
    for _ in range(2000):
        ringer.ring("execution_guard")

    assert guard.wait(0)


def test_service_that_was_killed_gets_its_bell_back(opened):
    # Its name is still in the directory, as nothing removed it.
    opened("execution_guard")

    second = opened("execution_guard")
    opened().ring("execution_guard")

    assert second.wait(0)


def test_event_loop_sees_a_ring(opened):
    guard = opened("execution_guard")
    assert select.select([guard], [], [], 0)[0] == []

    opened().ring("execution_guard")

    assert select.select([guard], [], [], 0)[0] == [guard]


def test_one_that_only_rings_cannot_be_waited_for(opened):
    ringer = opened()

    with pytest.raises(ValueError, match="no bell"):
        ringer.wait(0)
    with pytest.raises(ValueError, match="no bell"):
        ringer.fileno()


def test_directory_may_be_deeper_than_a_sockets_name_is_long(tmp_path):
    deep = tmp_path.joinpath(*["a-directory-of-thirty-characters"] * 6)
    guard = Doorbell(deep, "execution_guard")
    ringer = Doorbell(deep)

    ringer.ring("execution_guard")

    assert guard.wait(0)
    guard.close()
    ringer.close()


def test_nothing_stays_open(tmp_path):
    before = len(list(OPEN_FILES.iterdir()))

    bell = Doorbell(tmp_path, "execution_guard")
    bell.ring("execution_guard", "command_service")
    bell.close()

    assert len(list(OPEN_FILES.iterdir())) == before
