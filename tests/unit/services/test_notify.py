"""What a service says to its supervisor arrives, or is no concern of the service's."""

import os
import socket
import time

import pytest

from shoonya_platform.services.notify import Notifier


@pytest.fixture
def supervisor(tmp_path):
    """Listen where a supervisor would."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(5)
    yield listener
    listener.close()


@pytest.fixture
def notifier():
    """Make notifiers, and close them."""
    made = []

    def make(variables):
        made.append(Notifier(variables))
        return made[-1]

    yield make
    for each in made:
        each.close()


def environ(supervisor, **more):
    return {"NOTIFY_SOCKET": supervisor.getsockname(), "HOME": "/", **more}


def test_states_arrive_together_a_line_each(supervisor, notifier):
    notifier(environ(supervisor)).send("STOPPING=1", "STATUS=ending – in order")

    assert supervisor.recv(4096).decode() == "STOPPING=1\nSTATUS=ending – in order"


def test_address_may_be_an_abstract_one(notifier):
    name = f"shoonya-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(5)

        notifier({"NOTIFY_SOCKET": f"@{name}"}).send("READY=1")

        assert listener.recv(4096) == b"READY=1"


def test_without_a_supervisor_nothing_is_said(notifier):
    quiet = notifier({})

    quiet.send("READY=1")

    assert quiet.watchdog_seconds == 0


def test_variables_are_taken_out_so_that_no_child_speaks_in_this_name(
    supervisor, notifier
):
    variables = environ(supervisor, WATCHDOG_USEC="1", WATCHDOG_PID="1")

    notifier(variables)

    assert variables == {"HOME": "/"}


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        pytest.param("30000000", None, 30.0, id="watched"),
        pytest.param("30000000", "own", 30.0, id="watched-by-name"),
        pytest.param("30000000", "1", 0.0, id="another-process-is"),
        pytest.param("0", None, 0.0, id="not-watched"),
        pytest.param("soon", None, 0.0, id="no-number"),
    ],
)
def test_watchdog_counts_only_for_the_process_it_is_meant_for(
    notifier, usec, pid, seconds
):
    variables = {"WATCHDOG_USEC": usec}
    if pid is not None:
        variables["WATCHDOG_PID"] = str(os.getpid()) if pid == "own" else pid

    assert notifier(variables).watchdog_seconds == seconds


def test_supervisor_that_is_gone_is_no_failure(tmp_path, notifier):
    notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).send("READY=1")


def test_supervisor_that_does_not_listen_is_not_waited_for(supervisor, notifier):
    told = notifier(environ(supervisor))
    began = time.monotonic()

    for _ in range(5000):
        told.send("WATCHDOG=1")

    assert time.monotonic() - began < 2
