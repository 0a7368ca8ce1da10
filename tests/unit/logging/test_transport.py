import os
import socket
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.logging.transport import JournalTransport, encoded_field
from tests.unit.logging.support import (
    FakeJournald,
    entry_of,
    eventually,
    open_descriptors,
)

text = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture
def make(journald):
    made = []

    def make_one(path=journald.path, **limits):
        made.append(JournalTransport(str(path), **limits))
        return made[-1]

    yield make_one
    for transport in made:
        transport.close()


def entry(number):
    return b"NUMBER=%d\n" % number


def numbers(entries):
    return [int(entry["NUMBER"]) for entry in entries]


def fill(transport, journald):
    """Send until the kernel takes no more; return how many there were."""
    count = 0
    while not transport.waiting:
        transport.send(entry(count))
        count += 1
        assert count < 100_000
    return count


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), text))
def test_fields_are_decoded_to_what_they_were(fields):
    payload = b"".join(encoded_field(*field) for field in fields.items())

    assert entry_of(payload) == fields


def test_text_that_is_no_unicode_is_sent_all_the_same():
    assert entry_of(encoded_field("A", "x\ud800")) == {"A": "x\\ud800"}


def test_entries_arrive_in_order(make, journald):
    transport = make()

    for number in range(5):
        transport.send(entry(number))

    assert numbers(journald.entries()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("size", [170_000, 1_000_000, 5_000_000])
def test_large_entry_is_sent_as_a_sealed_file(make, journald, size):
    before = open_descriptors()
    transport = make()

    transport.send(encoded_field("BIG", "x" * size))

    assert [len(entry["BIG"]) for entry in journald.entries()] == [size]
    assert journald.sealed == [True]
    assert open_descriptors() == before + 1


def test_entry_too_large_for_the_socket_is_sent_as_a_file(make, journald):
    transport = make()
    transport.send(entry(0))
    assert transport._socket is not None
    transport._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    transport.send(encoded_field("BIG", "x" * 100_000))

    assert len(journald.entries()[1]["BIG"]) == 100_000


def test_call_does_not_wait_for_a_journal_that_reads_nothing(make, journald):
    transport = make()
    fill(transport, journald)

    longest = 0.0
    for number in range(2000):
        began = time.monotonic()
        transport.send(entry(number))
        longest = max(longest, time.monotonic() - began)

    # Far above what a call takes, far below any wait for journald.
    assert longest < 0.5


def test_what_did_not_fit_is_sent_before_the_next_entry(make, journald):
    transport = make()
    count = fill(transport, journald)
    first = journald.entries()

    transport.send(entry(count))

    assert numbers(first + journald.entries()) == [*range(count + 1)]
    assert transport.waiting == 0


def test_delayed_entry_tells_when_it_was_made(make, journald):
    transport = make()
    before = time.time()
    fill(transport, journald)
    after = time.time()
    journald.entries()

    transport.flush(1)

    (late,) = journald.entries()
    assert before <= int(late["SHOONYA_LOGGED_AT_USEC"]) / 1e6 <= after


def test_ring_keeps_the_newest_and_counts_the_others(make, journald):
    transport = make(ring_records=10)
    count = fill(transport, journald)
    for number in range(count, count + 50):
        transport.send(entry(number))
    assert transport.take_dropped() == 0, "not before the journal is back"

    journald.entries()
    transport.flush(1)

    assert numbers(journald.entries()) == [*range(count + 40, count + 50)]
    assert transport.take_dropped() == 41
    assert transport.take_dropped() == 0


def test_ring_is_bounded_in_bytes_too(make, journald):
    transport = make(ring_bytes=1000)
    fill(transport, journald)

    for _ in range(100):
        transport.send(b"A=" + b"x" * 300 + b"\n")

    assert 1 <= transport.waiting <= 3
    assert transport.dropped + transport.waiting == 101


def test_way_back_is_not_one_long_call(make, journald):
    transport = make(ring_records=1000)
    count = fill(transport, journald)
    for number in range(count, count + 900):
        transport.send(entry(number))
    journald.entries()

    transport.send(entry(count + 900))

    assert transport.waiting > 800


def test_restart_of_the_journal_loses_nothing_that_waited(make, journald):
    transport = make()
    transport.send(entry(0))
    assert numbers(journald.entries()) == [0]
    journald.stop()
    for number in range(1, 4):
        transport.send(entry(number))
    assert transport.waiting == 3

    journald.start()
    got = []

    def all_there():
        transport.flush(0.1)
        got.extend(numbers(journald.entries()))
        return len(got) >= 3

    eventually(all_there)
    assert got == [1, 2, 3]


def test_socket_made_anew_is_found_by_the_next_entry(make, journald):
    transport = make()
    transport.send(entry(0))
    journald.entries()
    journald.stop()
    journald.start()

    transport.send(entry(1))

    assert numbers(journald.entries()) == [1]


def test_where_there_is_no_journal_nothing_happens(make, tmp_path):
    transport = make(tmp_path / "missing")

    for number in range(100):
        transport.send(entry(number))

    assert (transport.waiting, transport.dropped) == (0, 0)
    assert transport.flush(0) == 0


def test_journal_that_comes_later_is_used(make, tmp_path):
    transport = make(tmp_path / "later")
    transport.send(entry(0))
    late = FakeJournald(tmp_path / "later")
    try:

        def arrived():
            transport.send(entry(1))
            return late.entries()

        assert numbers(eventually(arrived)) == [1]
    finally:
        late.stop()


def test_flush_ends_in_time_when_nobody_reads(make, journald):
    transport = make()
    fill(transport, journald)

    began = time.monotonic()
    left = transport.flush(0.1)

    assert left == 1
    assert 0.09 < time.monotonic() - began < 5


def test_child_sends_none_of_what_the_parent_still_has(make, journald):
    transport = make()
    count = fill(transport, journald)
    journald.entries()

    pid = os.fork()
    if not pid:
        try:
            transport.send(entry(1_000_000))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    from_child = numbers(journald.entries())
    transport.flush(1)

    assert from_child == [1_000_000]
    assert numbers(journald.entries()) == [count - 1]
