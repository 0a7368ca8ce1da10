"""
The way to journald that never waits: a bounded ring, a count, a sender.

The stock way holds the interpreter's lock in a blocking send; when journald
hangs, every thread of the process stands still.  Here an entry that comes after a
quiet moment is sent by the caller, if the kernel takes it without waiting.  What
comes closer together gathers in the ring for some milliseconds, and a thread that
lives only as long as there is something to do sends it with one system call.
What the ring has no room for is dropped, the oldest first, and counted.
"""

from __future__ import annotations

import _thread
import collections
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable

from shoonya_platform.logging.datagrams import (
    BATCH_RECORDS,
    JOURNAL_SOCKET,
    JournalSocket,
)

_RING_RECORDS = 4000
_RING_BYTES = 4 << 20
# How long a burst gathers: long enough that the thread wakes seldom, so short that
# nobody who reads along sees it, and that a SIGKILL takes little away.
_GATHER_SECONDS = 0.02
# journald stamps an entry with the time of its arrival; from here on we say when
# it was made.
_LATE_NS = 100_000_000
# While journald takes nothing: how soon to try again if the kernel says nothing.
_RETRY_SECONDS = 0.05
# The kernel does say when a living journald takes more.  Each wake of the sender is
# a chance that it gets the interpreter's lock and then waits for a processor with it.
_LONGEST_RETRY_SECONDS = 10.0
# So that a slow journald gets more than one entry at a time.
_PAUSE_SECONDS = 0.001
# How often it looks again when nothing has come: to be woken costs the caller more.
_IDLE_LOOKS = 5
# Without anything to do the sender ends.
_IDLE_SECONDS = 1.0


class JournalTransport:
    """
    Sends datagrams to journald without ever waiting or raising.

    Where there is no journal socket nothing happens.  If there was one once,
    records are kept while it is away, as journald may be restarting.

    Args:
        path: journald's socket.

        ring_records: How many records are kept at most.

        ring_bytes: How much memory they may take.
    """

    def __init__(
        self,
        path: str = JOURNAL_SOCKET,
        *,
        ring_records: int = _RING_RECORDS,
        ring_bytes: int = _RING_BYTES,
    ) -> None:
        self._ring_records = ring_records
        self._ring_bytes = ring_bytes
        self._socket = JournalSocket(path)
        #: Called by the sender when all is sent and there are drops to report.
        self.on_drops: Callable[[], None] | None = None
        # Bursts gather only where an exit is sure to be noticed: a forked child
        # may end without any of our code being asked.
        self._gathers = True
        self._forget()
        _register(self)

    def reinitialize(self) -> None:
        """Begin anew in the child after a fork: what waits is the parent's."""
        self._socket.leave()
        self._gathers = False
        self._forget()

    def _forget(self) -> None:
        # Reentrant: a signal handler may log while we are in here.  Held only for
        # moments, and over no system call but the caller's own send.
        self._lock = threading.RLock()
        # Each with the time it was handed in, in nanoseconds since the epoch.
        self._ring: collections.deque[tuple[bytes, int]] = collections.deque()
        self._waiting_bytes = 0
        # What somebody is sending right now; nobody else may send meanwhile.
        self._in_flight = 0
        # Whether something was kept since the sender last looked.
        self._fresh = False
        # Whether journald did not take all of what it was last offered.
        self._refused = False
        self._gather_until = self._next_knock_at = 0.0
        self._has_sender = self._sender_sleeps = self._closed = False
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        #: Records dropped and not yet reported.
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many records are kept for later."""
        return len(self._ring) + self._in_flight

    def send(self, payload: bytes) -> None:
        """
        Hand one entry to journald, now or later.

        Args:
            payload: The entry's fields in the native form.
        """
        with self._lock:
            if not self._ring and not self._in_flight:
                now = time.monotonic()
                # A signal handler that logs may have come before the first connection:
                # what gathers before there ever was a journal is kept by nobody.
                if now >= self._gather_until or not self._socket.seen:
                    if self._gathers:
                        self._gather_until = now + _GATHER_SECONDS
                    # Not asked of self._refused: a signal handler that logs may
                    # have set it in between.
                    sent = self._socket.send(payload)
                    self._refused = not sent
                    if sent:
                        return
            if not self._socket.seen:
                return
            self._keep(payload)
            if (
                2 * len(self._ring) <= self._ring_records
                and 2 * self._waiting_bytes <= self._ring_bytes
            ):
                return
            self._trim()
            if self._refused:
                # Not each call: as often as the sender, should that get no turn.
                now = time.monotonic()
                if now < self._next_knock_at:
                    return
                self._next_knock_at = now + _PAUSE_SECONDS
                # An entry that is refused would wake the sender, for nothing.
                if not self._socket.wait(0):
                    return
        # It would overflow before the sender wakes.
        self._send_batch()

    def flush(self, timeout_seconds: float) -> int:
        """
        Wait for journald to take what is kept.

        Args:
            timeout_seconds: The longest wait.

        Returns:
            How many records are left.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            progress = self._send_batch()
            remaining = deadline - time.monotonic()
            if not self.waiting or remaining <= 0:
                return self.waiting
            if progress is None:
                # The sender is at it.
                time.sleep(min(remaining, 0.001))
            elif not progress:
                self._socket.wait(min(remaining, _RETRY_SECONDS))

    def abandon(self) -> int:
        """Give up what waits; return how many records were never sent."""
        deadline = time.monotonic() + _RETRY_SECONDS
        while self._in_flight and time.monotonic() < deadline:
            # What the sender is not given a chance to put back is not counted.
            time.sleep(0.001)
        with self._lock:
            lost = len(self._ring) + self.dropped
            self._ring.clear()
            self._waiting_bytes = 0
            self.dropped = 0
            return lost

    def close(self) -> None:
        """Let go of socket and sender; a later send has others."""
        with self._lock:
            self._closed = True
            if not self._in_flight:
                self._socket.close()
            self._rouse_sender()

    def take_dropped(self) -> int:
        """Return the number of drops not yet reported, if it is time to do so."""
        with self._lock:
            if self._refused or len(self._ring) >= BATCH_RECORDS:
                return 0
            dropped, self.dropped = self.dropped, 0
            return dropped

    def _keep(self, payload: bytes) -> None:
        self._ring.append((payload, time.time_ns()))
        self._waiting_bytes += len(payload)
        self._fresh = True
        self._closed = False
        if not self._has_sender:
            self._has_sender = True
            try:
                # Not threading's: it waits for the thread to start, and takes a
                # lock that a signal handler may find taken by whom it interrupted.
                _thread.start_new_thread(self._run_sender, (self._wake,))
            except RuntimeError:
                # No threads any more: the next record or flush() has to do it.
                self._has_sender = self._gathers = False
        elif self._sender_sleeps:
            self._rouse_sender()

    def _rouse_sender(self) -> None:
        if self._sender_sleeps:
            self._sender_sleeps = False
            # A signal handler that logs may have been here in between.
            with contextlib.suppress(RuntimeError):
                self._wake.release()

    def _trim(self) -> None:
        ring = self._ring
        while len(ring) > self._ring_records or self._waiting_bytes > self._ring_bytes:
            if not ring:
                self._waiting_bytes = 0
                return
            self._waiting_bytes -= len(ring.popleft()[0])
            self.dropped += 1

    def _send_batch(self) -> int | None:
        """Send what one call takes; return how many, None if another is at it."""
        with self._lock:
            ring = self._ring
            if self._in_flight:
                return None
            if not ring:
                return 0
            # One alone finds out whether journald is back.
            most = 1 if self._refused else BATCH_RECORDS
            # First, so that a signal handler that logs takes nothing from under us.
            self._in_flight = most
            batch: list[tuple[bytes, int]] = []
            while ring and len(batch) < most:
                batch.append(ring.popleft())
            self._in_flight = len(batch)
        done = 0
        try:
            done = self._socket.send_many(_payloads(batch))
        finally:
            with self._lock:
                ring.extendleft(reversed(batch[done:]))
                self._waiting_bytes -= sum(len(payload) for payload, _ in batch[:done])
                self._in_flight = 0
                self._refused = done < len(batch)
                self._gather_until = time.monotonic() + _GATHER_SECONDS
                self.dropped += self._socket.refused
                self._socket.refused = 0
                if ring:
                    self._trim()
                else:
                    self._waiting_bytes = 0
        return done

    def _run_sender(self, wake: _thread.LockType) -> None:
        try:
            self._send_what_comes(wake)
        except BaseException:
            # The next record starts another one.
            with self._lock:
                self._has_sender = self._sender_sleeps = False
            raise

    def _send_what_comes(self, wake: _thread.LockType) -> None:
        """Run in a thread of its own until nothing has come for a while."""
        patience = _RETRY_SECONDS
        idle = 0
        while True:
            time.sleep(_PAUSE_SECONDS if self._refused else _GATHER_SECONDS)
            idle = 0 if self._fresh else idle + 1
            self._fresh = False
            while len(self._ring) >= BATCH_RECORDS and self._send_batch():
                pass
            if self._send_batch():
                patience = _RETRY_SECONDS
            elif self._ring and not self._closed:
                self._socket.wait(patience)
                patience = min(4 * patience, _LONGEST_RETRY_SECONDS)
            if self._ring and not self._closed:
                continue
            report = self.on_drops
            if self.dropped and report is not None and not self._closed:
                with contextlib.suppress(Exception):
                    report()
            if idle < _IDLE_LOOKS and not self._closed:
                continue
            with self._lock:
                if not self._closed:
                    if self._ring:
                        continue
                    self._sender_sleeps = True
            if self._sender_sleeps and wake.acquire(timeout=_IDLE_SECONDS):
                continue
            with self._lock:
                if self._sender_sleeps or self._closed:
                    self._has_sender = self._sender_sleeps = False
                    if self._closed:
                        # close() could not while we were sending.
                        self._socket.close()
                    return
                # Woken at the last moment: the signal is on its way.


def _payloads(batch: list[tuple[bytes, int]]) -> list[bytes]:
    late = time.time_ns() - _LATE_NS
    return [
        payload
        if made_at > late
        else payload + b"SHOONYA_LOGGED_AT_USEC=%d\n" % (made_at // 1000)
        for payload, made_at in batch
    ]


_live: weakref.WeakSet[JournalTransport] = weakref.WeakSet()
_hooked = False


def _register(transport: JournalTransport) -> None:
    global _hooked
    _live.add(transport)
    if not _hooked:
        _hooked = True
        os.register_at_fork(after_in_child=_reinitialize_after_fork)


def _reinitialize_after_fork() -> None:
    for transport in list(_live):
        transport.reinitialize()
