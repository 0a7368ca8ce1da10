"""The listening socket that systemd keeps from one run to the next."""

import array
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.services.kept import KeptSockets, name_of
from shoonya_platform.services.notify import Notifier


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(2)
        yield listener


@pytest.fixture
def notifier(supervisor: socket.socket) -> Iterator[Notifier]:
    opened = Notifier({"NOTIFY_SOCKET": supervisor.getsockname()})
    yield opened
    opened.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def refuse(sentence: str) -> None:
    raise AssertionError(sentence)


def test_new_socket_is_handed_to_systemd(notifier, supervisor):
    port = free_port()

    listener = KeptSockets(notifier, {}).listen("127.0.0.1", port, refuse)

    said, rights, _, _ = supervisor.recvmsg(1000, socket.CMSG_LEN(4))
    listener.close()
    assert said.decode().split() == ["FDSTORE=1", f"FDNAME=127.0.0.1_{port}"]
    (descriptor,) = array.array("i", rights[0][2])
    with socket.socket(fileno=descriptor) as kept, socket.socket() as peer:
        assert kept.getsockname() == ("127.0.0.1", port)
        # Nobody has it open but the keeper: who connects waits.
        peer.connect(("127.0.0.1", port))


def test_taken_address_is_an_error(notifier):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(OSError, match="in use"):
            KeptSockets(notifier, {}).listen(
                "127.0.0.1", taken.getsockname()[1], refuse
            )


HANDED = """
import os, socket, sys
os.dup2(int(sys.argv[2]), 3)
from shoonya_platform.services.kept import KeptSockets
from shoonya_platform.services.notify import Notifier
os.environ["LISTEN_PID"] = str(os.getpid())
told = []
kept = KeptSockets(Notifier())
listener = kept.listen("127.0.0.1", int(sys.argv[1]), told.append)
print(listener.fileno() == 3, listener.getsockname()[1], len(told))
assert not [name for name in os.environ if name.startswith("LISTEN_")]
assert os.get_inheritable(listener.fileno()) is False
"""


def handed(
    kept: socket.socket, name: str, port: int, notify: str = ""
) -> tuple[str, str, str]:
    """Run a process that gets a socket as systemd hands it over."""
    done = subprocess.run(
        [sys.executable, "-c", HANDED, str(port), str(kept.fileno())],
        env={
            **os.environ,
            "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": name,
            "NOTIFY_SOCKET": notify,
        },
        pass_fds=[kept.fileno()],
        capture_output=True,
        text=True,
        check=True,
    )
    is_same, bound, told = done.stdout.split()
    return is_same, bound, told


@pytest.mark.parametrize("is_ours", [True, False], ids=["kept", "of-a-socket-unit"])
def test_socket_of_the_configured_address_is_taken(is_ours):
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        kept.listen()
        port = kept.getsockname()[1]
        name = name_of("127.0.0.1", port) if is_ours else "webhook.socket"

        assert handed(kept, name, port) == ("True", str(port), "0")


def test_socket_of_another_address_is_let_go_and_that_is_said(supervisor):
    port = free_port()
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        kept.listen()
        name = name_of(*kept.getsockname())

        _, bound, told = handed(kept, name, port, supervisor.getsockname())

    assert (bound, told) == (str(port), "1")
    assert supervisor.recv(1000).decode().split() == [
        "FDSTOREREMOVE=1",
        f"FDNAME={name}",
    ]
    assert supervisor.recv(1000).startswith(b"FDSTORE=1")


def test_name_holds_nothing_that_systemd_refuses():
    assert name_of("::1", 5000) == "__1_5000"


def test_sockets_meant_for_another_process_are_not_touched(notifier):
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}

    kept = KeptSockets(notifier, environ)

    assert kept._sockets == {}
    assert environ == {}
