import collections
import itertools
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging import transport as transport_module
from shoonya_platform.logging.datagrams import encoded_field
from shoonya_platform.logging.transport import JournalTransport
from shoonya_platform.testing.waiting import eventually
from tests.unit.logging.support import FakeJournald, entry_of, open_descriptors

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


def threads_of_this_process():
    return {task.name for task in Path("/proc/self/task").iterdir()}


def fill(transport, journald):
    """Send until the kernel takes no more; return how many there were."""
    for count in range(100_000):
        transport.send(entry(count))
        if transport.flush(0.05):
            return count + 1
    raise AssertionError("the kernel takes all")


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

    assert numbers(journald.entries(5)) == [0, 1, 2, 3, 4]


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
    assert transport._socket._socket is not None
    transport._socket._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    transport.send(encoded_field("BIG", "x" * 100_000))

    assert len(journald.entries(2)[1]["BIG"]) == 100_000


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

    late = journald.entries(count + 1 - len(first))
    assert numbers(first + late) == [*range(count + 1)]
    assert transport.waiting == 0


def test_delayed_entry_tells_when_it_was_made(make, journald):
    transport = make()
    before = time.time()
    count = fill(transport, journald)
    after = time.time()
    eventually(lambda: time.time() - after > 0.2)

    late = journald.entries(count)[-1]

    assert before <= int(late["SHOONYA_LOGGED_AT_USEC"]) / 1e6 <= after


def test_ring_keeps_the_newest_and_counts_the_others(make, journald):
    transport = make(ring_records=10)
    count = fill(transport, journald)
    for number in range(count, count + 50):
        transport.send(entry(number))
    assert transport.take_dropped() == 0, "not before the journal is back"

    taken = journald.entries(count - 1 + 10)

    assert numbers(taken) == [*range(count - 1), *range(count + 40, count + 50)]
    assert transport.flush(1) == 0
    assert transport.take_dropped() == 41
    assert transport.take_dropped() == 0


def test_ring_is_bounded_in_bytes_too(make, journald):
    transport = make(ring_bytes=1000)
    fill(transport, journald)

    for _ in range(100):
        transport.send(b"A=" + b"x" * 300 + b"\n")

    # What the sender tries just now comes on top.
    assert 1 <= transport.waiting <= 6
    assert eventually(lambda: transport.dropped + transport.waiting == 101)


def test_what_waits_is_sent_without_another_entry(make, journald):
    transport = make()
    count = fill(transport, journald)

    assert numbers(journald.entries(count)) == [*range(count)]


def test_burst_larger_than_one_system_call_takes_arrives_in_order(make, journald):
    transport = make()

    for number in range(1500):
        transport.send(entry(number))

    assert numbers(journald.entries(1500)) == [*range(1500)]


def test_entries_of_many_threads_arrive_once_and_each_threads_in_order(make, journald):
    transport = make(ring_records=10_000)

    def send(first):
        for number in range(first, first + 300):
            transport.send(entry(number))

    threads = [threading.Thread(target=send, args=(n * 300,)) for n in range(4)]
    for thread in threads:
        thread.start()
    found = numbers(journald.entries(1200))
    for thread in threads:
        thread.join()

    assert sorted(found) == [*range(1200)]
    for n in range(4):
        own = [number for number in found if number // 300 == n]
        assert own == sorted(own)


def test_large_entry_in_a_burst_keeps_its_place(make, journald):
    transport = make()
    transport.send(entry(0))
    transport.send(entry(1))
    transport.send(entry(2) + encoded_field("BIG", "x" * 200_000))
    transport.send(entry(3))

    assert numbers(journald.entries(4)) == [0, 1, 2, 3]
    assert journald.sealed == [True]


def test_sender_ends_when_nothing_comes(make, journald, monkeypatch):
    monkeypatch.setattr(transport_module, "_IDLE_SECONDS", 0.01)
    before = threads_of_this_process()
    transport = make()
    for _ in range(2):
        transport.send(entry(0))
        transport.send(entry(1))
        assert len(journald.entries(2)) == 2

        # Those of earlier tests may end meanwhile.
        assert eventually(lambda: threads_of_this_process() <= before)


def test_signal_handler_that_logs_breaks_nothing(make, journald):
    transport = make(ring_records=100_000)
    from_handler = itertools.count(1_000_000)

    def handle(signum, frame):
        number = next(from_handler)
        if number == 1_000_100:
            # On a slow machine handlers would leave no time for anything else.
            signal.setitimer(signal.ITIMER_REAL, 0)
        transport.send(entry(number))

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        for number in range(1000):
            transport.send(entry(number))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    handled = next(from_handler) - 1_000_000
    found = numbers(journald.entries(1000 + handled))

    assert handled
    assert [number for number in found if number < 1_000_000] == [*range(1000)]
    assert len(found) == len(set(found)) == 1000 + handled
    assert transport.waiting == 0


def test_signal_handler_that_logs_during_the_first_connection_loses_nothing(
    make, journald, monkeypatch
):
    transport = make()
    real = transport._socket._connected

    def interrupted():
        monkeypatch.undo()
        transport.send(entry(1))
        return real()

    monkeypatch.setattr(transport._socket, "_connected", interrupted)
    transport.send(entry(2))

    assert numbers(journald.entries(2)) == [1, 2]


def test_signal_handler_that_logs_while_a_batch_is_taken_loses_nothing(make, journald):
    transport = make(ring_records=6)

    class Interrupted(collections.deque[tuple[bytes, int]]):
        numbers = iter(range(1000, 1003))

        def popleft(self):
            taken = super().popleft()
            for number in self.numbers:
                transport.send(entry(number))
            return taken

    transport._ring = Interrupted()
    for number in range(8):
        transport.send(entry(number))

    assert sorted(numbers(journald.entries(11))) == [*range(8), *range(1000, 1003)]
    assert transport.waiting == transport.dropped == 0


def test_sender_that_waits_for_journald_ends_with_the_transport(
    make, journald, monkeypatch
):
    # Looking again by the clock would come too late.
    monkeypatch.setattr(transport_module, "_RETRY_SECONDS", 60.0)
    transport = make(ring_records=100)
    waiting = []
    real = transport._socket.wait

    def wait(seconds):
        if seconds > 1:
            waiting.append(threading.get_native_id())
        return real(seconds)

    monkeypatch.setattr(transport._socket, "wait", wait)
    fill(transport, journald)
    eventually(lambda: waiting)
    task = Path(f"/proc/self/task/{waiting[0]}/syscall")
    poll = ("7 ", "73 ")  # its number here and on ARM
    eventually(lambda: task.read_text().startswith(poll))

    transport.close()

    eventually(lambda: not transport._has_sender)


def test_child_of_a_process_that_is_sending_can_send(make, journald):
    transport = make(ring_records=1_000_000, ring_bytes=1 << 30)
    stop = threading.Event()

    def send():
        while not stop.is_set():
            transport.send(entry(0))

    def read():
        while not stop.is_set():
            journald.datagrams()

    threads = [threading.Thread(target=send), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            pid = os.fork()
            if not pid:
                try:
                    transport.send(entry(1))
                    transport.send(entry(2))
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


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

    assert numbers(journald.entries(1)) == [1]


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
    # A quick sender sends what is left while this reads.
    found = journald.entries()

    pid = os.fork()
    if not pid:
        try:
            transport.send(entry(1_000_000))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    found += journald.entries(count + 1 - len(found))
    assert sorted(numbers(found)) == [*range(count), 1_000_000]
    assert transport.flush(1) == 0
    assert journald.entries() == []
