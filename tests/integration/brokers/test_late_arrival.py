"""
What our kernel still holds of a request that was given up never arrives.

A listener that reads nothing fills its small window, as a dead route would: the rest
of the request waits in the sender's kernel.  Then the listener reads on.
"""

import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpcore
import pytest

from shoonya_platform.brokers.shoonya_http import Transport
from shoonya_platform.brokers.shoonya_limits import CircuitBreaker, RateLimiter
from shoonya_platform.brokers.shoonya_sockets import prompt_options
from shoonya_platform.clock import SystemClock
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown

#: Far more than the window takes, and less than our kernel buffers.
SIZE = 100_000
END = b'the last of it"}'


class Deaf:
    """A server that accepts, and reads only once it is asked to."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        # Before listening: connections inherit it, and with it a tiny window.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.socket.settimeout(10)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"

    def accept(self) -> socket.socket:
        connection, _ = self.socket.accept()
        connection.settimeout(10)
        return connection


def read_all(connection: socket.socket) -> tuple[bytes, bool]:
    """Return what arrives until the end, and whether that is a reset."""
    content = b""
    with connection:
        while True:
            try:
                got = connection.recv(65536)
            except ConnectionResetError:
                return content, True
            if not got:
                return content, False
            content += got


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.socket.close()


def transport_to(url: str, folder, timeout_seconds: float = 0.3) -> Transport:
    clock = SystemClock()
    return Transport(
        url,
        bearer=True,
        timeout_seconds=timeout_seconds,
        limiter=RateLimiter(
            folder / "calls", clock, orders_per_second=100, requests_per_minute=100
        ),
        breaker=CircuitBreaker(clock),
        clock=clock,
    )


FIELDS = {"x": "x" * SIZE, "z": "the last of it"}


def test_plain_close_delivers_afterwards_what_was_given_up(deaf):
    """The control: without ours, the listener sees the whole request."""
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), 0.3)
    body = b"x" * SIZE + END
    with httpcore.ConnectionPool() as pool, pytest.raises(httpcore.ReadTimeout):
        pool.request("POST", deaf.url, content=body, extensions={"timeout": timeouts})

    content, was_reset = read_all(deaf.accept())

    assert content.endswith(END)
    assert not was_reset


def test_request_that_was_given_up_does_not_arrive_afterwards(deaf, tmp_path):
    transport = transport_to(deaf.url, tmp_path)

    with pytest.raises(OutcomeUnknown):
        transport.post("PlaceOrder", FIELDS, token="t")

    content, was_reset = read_all(deaf.accept())
    assert len(content) < SIZE // 2
    assert was_reset
    transport.close()


SENDER = """
import sys
from pathlib import Path
from tests.integration.brokers.test_late_arrival import FIELDS, transport_to
transport = transport_to(sys.argv[1], Path(sys.argv[2]), 30.0)
transport.post("PlaceOrder", FIELDS, token="t")
"""


def test_request_of_a_process_that_is_killed_does_not_arrive_afterwards(deaf, tmp_path):
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER, deaf.url, str(tmp_path)],
        stderr=subprocess.DEVNULL,
    )
    connection = deaf.accept()
    # The first bytes are here, and the rest stays where it is.
    connection.recv(1, socket.MSG_PEEK)

    sender.kill()
    sender.wait()

    content, was_reset = read_all(connection)
    assert len(content) < SIZE // 2
    assert was_reset


@pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux's kernel alone has it"
)
def test_kernel_gives_up_by_itself_what_is_not_taken_in_time(deaf):
    """As it has to while the process is stopped, and cannot give up."""
    with socket.create_connection(deaf.socket.getsockname()) as sender:
        for option in prompt_options(0.2):
            sender.setsockopt(*option)
        connection = deaf.accept()
        sender.sendall(b"x" * SIZE)
        poll = select.poll()
        poll.register(sender, 0)  # an error is always reported

        assert poll.poll(30_000), "the kernel has not given up"

        content, was_reset = read_all(connection)
    assert len(content) < SIZE // 2
    assert was_reset


def test_connections_that_carry_orders_have_the_options(deaf, tmp_path):
    with socket.create_connection(deaf.socket.getsockname()) as made:
        for option in prompt_options(5.0):
            made.setsockopt(*option)

        linger = made.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        assert linger == b"\x01\x00\x00\x00\x00\x00\x00\x00"
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            waits = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert waits == 6000


def answer_with(listener: socket.socket, pieces: Iterator[bytes]) -> None:
    """Answer the first request piece by piece, until the client has gone."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        try:
            for piece in pieces:
                connection.sendall(piece)
        except OSError:
            return


def trickle() -> Iterator[bytes]:
    """Yield a head that never ends, faster than any read times out."""
    yield b"HTTP/1.1 200 OK\r\n"
    pause = threading.Event()
    for n in range(1000):
        pause.wait(0.05)
        yield b"x-%d: y\r\n" % n


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000], id="digits"
        ),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}"], id="short"),
        pytest.param(
            [
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n"
                b"\r\n\x1f\x8b\x08\x00"
            ],
            id="cut-gzip",
        ),
        pytest.param([b"\x16\x03\x01\x00\x00" * 50], id="no-http"),
        pytest.param([b"HTTP/1.1 200 OK\r\n\xff\xfe: \xff\r\n\r\n"], id="odd-header"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n" * 100], id="continue"),
        pytest.param(
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"FFFFFFFFFFFFFFFF\r\n"
            ],
            id="chunk",
        ),
        pytest.param(trickle, id="a-head-that-trickles"),
        pytest.param([], id="nothing"),
    ],
)
def test_whatever_comes_back_the_outcome_is_unknown_and_in_time(tmp_path, pieces):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = pieces() if callable(pieces) else iter(pieces)
        server = threading.Thread(target=answer_with, args=(listener, made))
        server.start()
        transport = transport_to(
            f"http://127.0.0.1:{listener.getsockname()[1]}/", tmp_path, 1.0
        )

        with pytest.raises(OutcomeUnknown):
            transport.post("PlaceOrder", {"a": "b"}, token="t")

        transport.close()
        server.join(10)
        assert not server.is_alive()


def test_nothing_that_was_never_sent_is_an_unknown_outcome(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = transport_to(f"http://127.0.0.1:{port}/", tmp_path)

    with pytest.raises(BrokerUnavailable):
        transport.post("PlaceOrder", {"a": "b"}, token="t")
