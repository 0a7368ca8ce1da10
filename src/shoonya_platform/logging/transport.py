"""
The way to journald that never waits: a datagram socket, a bounded ring, a count.

The stock way holds the interpreter's lock in a blocking send; when journald
hangs, every thread of the process stands still.  Here a datagram is sent or, if
the kernel would have to wait, kept in a ring and sent before the next one.  What
the ring has no room for is dropped, the oldest first, and counted.

The format is https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import array
import collections
import contextlib
import errno
import fcntl
import os
import select
import socket
import threading
import time

JOURNAL_SOCKET = "/run/systemd/journal/socket"

_RING_RECORDS = 1000
_RING_BYTES = 1 << 20
# The queue's length is the kernel's business, its bytes ours: with the usual
# 208 kB a burst of 100 records fills it.
_SEND_BUFFER_BYTES = 8 << 20
# From here on a datagram may not fit into the socket's buffer on any kernel.
_LARGE_BYTES = 160 << 10
# What one call may spend on old records, so that the way back is not a stall.
_DRAIN_RECORDS = 64
_DRAIN_SECONDS = 0.001
_RECONNECT_SECONDS = 0.05
_MISSING_SECONDS = 1.0

_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_GONE = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ENOTCONN,
        errno.EDESTADDRREQ,
        errno.EPIPE,
        errno.ENOENT,
        errno.EBADF,
    }
)
_LATER = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS})
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


def encoded_field(name: str, value: str) -> bytes:
    """
    Return one field in journald's native form.

    Args:
        name: Upper case, digits and underscores.

        value: Any text.  With a line break in it the long form is used.
    """
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" not in data:
        return b"%s=%s\n" % (name.encode(), data)
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


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
        self.path = path
        self._ring_records = ring_records
        self._ring_bytes = ring_bytes
        self._seen = False
        self._socket: socket.socket | None = None
        self._forget()

    def reinitialize(self) -> None:
        """Begin anew in the child after a fork: what waits is the parent's."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()
        self._forget()

    def _forget(self) -> None:
        # Reentrant: a signal handler may log while we are in here.
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._ring: collections.deque[bytes] = collections.deque()
        self._waiting_bytes = 0
        self._next_connect_at = 0.0
        #: Records dropped and not yet reported.
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many records are kept for later."""
        return len(self._ring)

    def send(self, payload: bytes) -> None:
        """
        Hand one entry to journald, now or later.

        Args:
            payload: The entry's fields in the native form.
        """
        with self._lock:
            if self._pid != os.getpid():
                self.reinitialize()
            if self._ring:
                self._keep(payload)
                self._drain(_DRAIN_RECORDS, time.monotonic() + _DRAIN_SECONDS)
            elif not self._sent(payload):
                self._keep(payload)

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
            with self._lock:
                self._drain(len(self._ring), deadline)
                left = len(self._ring)
                sock = self._socket
            remaining = deadline - time.monotonic()
            if not left or remaining <= 0:
                return left
            if sock is None:
                # journald may be restarting.
                time.sleep(min(remaining, _RECONNECT_SECONDS))
                continue
            # Another thread may close it meanwhile.
            with contextlib.suppress(OSError, ValueError):
                poll = select.poll()
                poll.register(sock, select.POLLOUT)
                poll.poll(remaining * 1000)

    def abandon(self) -> int:
        """Give up what waits; return how many records were never sent."""
        with self._lock:
            lost = len(self._ring) + self.dropped
            self._ring.clear()
            self._waiting_bytes = 0
            self.dropped = 0
            return lost

    def close(self) -> None:
        """Let go of the socket; a later send opens another one."""
        with self._lock:
            sock, self._socket = self._socket, None
            if sock is not None:
                sock.close()

    def take_dropped(self) -> int:
        """Return the number of drops not yet reported, if it is time to do so."""
        with self._lock:
            if self._ring:
                return 0
            dropped, self.dropped = self.dropped, 0
            return dropped

    def _keep(self, payload: bytes) -> None:
        if not self._seen:
            return
        # It will be stamped with the time of its arrival: say when it was.
        payload += b"SHOONYA_LOGGED_AT_USEC=%d\n" % (time.time_ns() // 1000)
        ring = self._ring
        ring.append(payload)
        self._waiting_bytes += len(payload)
        while len(ring) > self._ring_records or self._waiting_bytes > self._ring_bytes:
            self._waiting_bytes -= len(ring.popleft())
            self.dropped += 1

    def _drain(self, records: int, deadline: float) -> None:
        ring = self._ring
        for _ in range(records):
            if not ring:
                return
            # Taken out first: a signal handler that logs comes here too, and
            # must neither send the same record nor take away the next.
            payload = ring.popleft()
            if not self._sent(payload):
                ring.appendleft(payload)
                return
            self._waiting_bytes -= len(payload)
            if time.monotonic() >= deadline:
                return

    def _sent(self, payload: bytes) -> bool:
        """Try once; say whether *payload* is done with."""
        for _ in range(2):
            sock = self._socket or self._connected()
            if sock is None:
                return False
            try:
                if len(payload) < _LARGE_BYTES:
                    try:
                        sock.send(payload, _FLAGS)
                        return True
                    except OSError as e:
                        if e.errno != errno.EMSGSIZE:
                            raise
                return self._sent_as_file(sock, payload)
            except OSError as e:
                if e.errno not in _GONE:
                    return False
                # journald was started anew: once more on a new socket.
                self.close()
        return False

    def _sent_as_file(self, sock: socket.socket, payload: bytes) -> bool:
        try:
            _send_as_file(sock, payload)
        except OSError as e:
            if e.errno in _GONE or e.errno in _LATER:
                raise
            # No descriptor, no memory: it must not block those behind it.
            self.dropped += 1
        return True

    def _connected(self) -> socket.socket | None:
        now = time.monotonic()
        if now < self._next_connect_at:
            return None
        sock = None
        try:
            sock = socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
            )
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            # Connected, so that a record does not cost a look-up of the path.
            sock.connect(self.path)
        except OSError as e:
            if sock is not None:
                sock.close()
            if e.errno not in _ABSENT:
                self._seen = True
            pause = _RECONNECT_SECONDS if self._seen else _MISSING_SECONDS
            self._next_connect_at = now + pause
            return None
        self._seen = True
        self._socket = sock
        return sock


def _send_as_file(sock: socket.socket, payload: bytes) -> None:
    """Send an entry as a sealed file in memory: it may be of any size."""
    fd = os.memfd_create("shoonya-log-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(payload)
        while view:
            view = view[os.write(fd, view) :]
        # journald takes the file only if nobody can change it any more.
        fcntl.fcntl(
            fd,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_SHRINK
            | fcntl.F_SEAL_GROW
            | fcntl.F_SEAL_WRITE
            | fcntl.F_SEAL_SEAL,
        )
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
        sock.sendmsg([], [rights], _FLAGS)
    finally:
        os.close(fd)
