"""Changing a log level from outside: over the socket, and back again by itself."""

import logging
import os
import pwd
import signal
import socket
from pathlib import Path

import pytest

from shoonya_platform.errors import NotRunning, ShoonyaError
from shoonya_platform.logging import get_component_logger
from shoonya_platform.services.control import ask, control_path
from shoonya_platform.services.loglevel import ControlThread, LogLevel
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.waiting import eventually

NAME = "risk_manager"
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def logger():
    found = get_component_logger(NAME)
    before = found.logger.level
    found.logger.setLevel("WARNING")
    yield found
    found.logger.setLevel(before)


@pytest.fixture
def level(logger):
    return LogLevel("WARNING", logger, FakeClock())


@pytest.fixture
def folder(tmp_path, level):
    control = ControlThread(tmp_path / NAME, level)
    yield tmp_path / NAME
    control.close()


def test_without_a_level_it_is_told(folder):
    assert ask(folder, {"verb": "log-level"}) == {
        "level": "WARNING",
        "configured": "WARNING",
        "until": None,
        "by": "",
    }


@pytest.mark.parametrize(
    ("new", "number"),
    [pytest.param("DEBUG", logging.DEBUG), pytest.param("CRITICAL", logging.CRITICAL)],
)
def test_level_is_changed_and_the_log_tells_who_did(
    folder, logger, caplog, new, number
):
    answer = ask(folder, {"verb": "log-level", "level": new, "user": "alice"})

    assert (answer["level"], logger.logger.level) == (new, number)
    assert answer["by"] == f"alice as {ME}, pid {os.getpid()}"
    (record,) = [r for r in caplog.records if "event" in vars(r)]
    assert vars(record)["event"] == "log_level_changed"
    assert answer["by"] in record.getMessage()


def test_reset_returns_to_the_configuration(folder, logger):
    ask(folder, {"verb": "log-level", "level": "DEBUG"})

    answer = ask(folder, {"verb": "log-level", "reset": True})

    assert (answer["level"], answer["by"]) == ("WARNING", "")
    assert logger.logger.level == logging.WARNING


def test_level_is_as_configured_when_its_time_is_over(folder, logger):
    # A clock that stands still asks for no less than the whole time.
    answer = ask(folder, {"verb": "log-level", "level": "DEBUG", "seconds": 0.05})

    assert answer["until"] is not None
    eventually(lambda: logger.logger.level == logging.WARNING)
    assert ask(folder, {"verb": "log-level"})["until"] is None


def test_second_change_forgets_the_time_of_the_first(level, logger):
    level.set("DEBUG", 600, "me")
    level.set("INFO", None, "me")

    assert level.seconds_left is None
    assert level.view()["until"] is None


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"verb": "explode"}, id="verb"),
        pytest.param({"verb": "log-level", "level": "LOUD"}, id="level"),
        pytest.param(
            {"verb": "log-level", "level": "INFO", "seconds": float("nan")}, id="nan"
        ),
        pytest.param(
            {"verb": "log-level", "level": "INFO", "seconds": -1}, id="negative"
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(folder, logger, request_):
    with pytest.raises(ShoonyaError, match=r".") as refused:
        ask(folder, request_)

    assert not isinstance(refused.value, NotRunning)
    assert logger.logger.level == logging.WARNING


@pytest.mark.parametrize("rubbish", [b"", b"no json\n", b"[]\n", b'{"verb": 1}\n'])
def test_broken_request_hurts_nobody(folder, rubbish):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(control_path(folder)))
        peer.sendall(rubbish)

    assert ask(folder, {"verb": "log-level"})["level"] == "WARNING"


def test_socket_is_for_its_owner_alone_and_goes_with_the_service(tmp_path, level):
    folder = tmp_path / NAME
    control = ControlThread(folder, level)
    assert control_path(folder).stat().st_mode & 0o777 == 0o600

    control.close()

    assert not control_path(folder).exists()
    with pytest.raises(NotRunning):
        ask(folder, {"verb": "log-level"})


def test_socket_left_by_a_killed_run_is_replaced(tmp_path, level):
    folder = tmp_path / NAME
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(control_path(folder)))

    control = ControlThread(folder, level)

    assert ask(folder, {"verb": "log-level"})["level"] == "WARNING"
    control.close()


def test_signals_are_left_to_the_thread_that_works(folder):
    # Of all threads of this process only that one has it blocked.
    masks = [
        int(status.read_text().partition("SigBlk:")[2].split()[0], 16)
        for status in Path("/proc/self/task").glob("*/status")
    ]

    assert sum(mask >> (signal.SIGTERM - 1) & 1 for mask in masks) == 1
