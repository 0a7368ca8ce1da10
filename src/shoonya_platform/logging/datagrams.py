"""
The socket to journald: sends one entry or many, never waits, never raises.

Many go with one sendmmsg(2), which Python does not offer: called through ctypes it
gives up the interpreter's lock once for all of them, not once for each.

The format is https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import select
import socket
import time
from collections.abc import Sequence

JOURNAL_SOCKET = "/run/systemd/journal/socket"
#: The longest list `send_many` takes.
BATCH_RECORDS = 512

# The queue's length is the kernel's business, its bytes ours: with the usual
# 208 kB a burst of 100 records fills it.
_SEND_BUFFER_BYTES = 8 << 20
# From here on a datagram may not fit into the socket's buffer on any kernel.
_LARGE_BYTES = 160 << 10
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


class JournalSocket:
    """
    A connection to journald that is made, and made again, when it is needed.

    One thread at a time may use it.

    Args:
        path: journald's socket.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        #: Whether there was ever a journal.
        self.seen = False
        #: Entries that no journald could be given: no descriptor, no memory.
        self.refused = 0
        self._socket: socket.socket | None = None
        self._next_connect_at = 0.0
        self._many: _Vector | None = None

    def send(self, payload: bytes) -> bool:
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

    def send_many(self, payloads: Sequence[bytes]) -> int:
        """Try *payloads* in order; return how many are done with."""
        done = 0
        while done < len(payloads):
            # By itself whatever may be too large, may be the first to find that
            # journald is new, or stands behind one that failed.
            if not self.send(payloads[done]):
                return done
            done += 1
            sock = self._socket
            small = list(
                itertools.takewhile(_fits, itertools.islice(payloads, done, None))
            )
            if sock is None or not small:
                continue
            if self._many is None:
                self._many = _Vector()
            with contextlib.suppress(OSError):
                done += self._many.send(sock.fileno(), small)
        return done

    def wait(self, seconds: float) -> bool:
        """Wait, *seconds* at most; say whether an attempt to send may succeed."""
        sock = self._socket
        if sock is None:
            # journald may be restarting.
            time.sleep(min(seconds, _MISSING_SECONDS))
            return True
        # Another thread may close it meanwhile.
        with contextlib.suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            return bool(poll.poll(seconds * 1000))
        return True

    def close(self) -> None:
        """Let go of the socket; a later send opens another one."""
        if self._socket is not None:
            # Whoever waits for it stops waiting.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self.leave()

    def leave(self) -> None:
        """Let go of the socket in a child, whose parent goes on using it."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _sent_as_file(self, sock: socket.socket, payload: bytes) -> bool:
        try:
            _send_as_file(sock, payload)
        except OSError as e:
            if e.errno in _GONE or e.errno in _LATER:
                raise
            # It must not block those behind it.
            self.refused += 1
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
                self.seen = True
            pause = _RECONNECT_SECONDS if self.seen else _MISSING_SECONDS
            self._next_connect_at = now + pause
            return None
        self.seen = True
        if self._socket is not None:
            # A signal handler that logs was faster.
            sock.close()
            return self._socket
        self._socket = sock
        return sock


def _fits(payload: bytes) -> bool:
    return len(payload) < _LARGE_BYTES


class _MessageHeader(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr`."""

    _fields_ = (("header", _MessageHeader), ("sent_bytes", ctypes.c_uint))


class _Vector:
    """The arguments of sendmmsg(2), laid out once; one thread at a time."""

    def __init__(self) -> None:
        self._call = ctypes.CDLL(None, use_errno=True).sendmmsg
        self._call.argtypes = (
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_uint,
            ctypes.c_int,
        )
        # `struct iovec`: address and length, both of a pointer's size.
        self._vectors = array.array("L", [0] * (2 * BATCH_RECORDS))
        at, _ = self._vectors.buffer_info()
        self._messages = (_Message * BATCH_RECORDS)()
        for number, message in enumerate(self._messages):
            message.header.vectors = at + 2 * self._vectors.itemsize * number
            message.header.vector_count = 1

    def send(self, fd: int, payloads: list[bytes]) -> int:
        """
        Send each as a datagram; return how many were.

        Raises:
            OSError: Not even the first was.
        """
        count = len(payloads)
        text = b"".join(payloads)
        first = ctypes.cast(ctypes.c_char_p(text), ctypes.c_void_p).value or 0
        sizes = [len(payload) for payload in payloads]
        starts = itertools.accumulate(sizes[:-1], initial=first)
        self._vectors[0 : 2 * count : 2] = array.array("L", starts)
        self._vectors[1 : 2 * count : 2] = array.array("L", sizes)
        sent: int = self._call(fd, ctypes.byref(self._messages), count, _FLAGS)
        if sent < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return sent


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
