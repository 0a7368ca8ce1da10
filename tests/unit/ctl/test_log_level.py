"""shoonyactl log-level, against the thread that answers in a service."""

import logging

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging import get_component_logger
from shoonya_platform.services.loglevel import ControlThread, LogLevel
from shoonya_platform.testing.clock import FakeClock

NAME = "risk_manager"


@pytest.fixture
def logger(home):
    """The logger of a service that answers."""
    found = get_component_logger(NAME)
    before = found.logger.level
    found.logger.setLevel("INFO")
    control = ControlThread(home / "run" / NAME, LogLevel("INFO", found, FakeClock()))
    yield found
    control.close()
    found.logger.setLevel(before)


def test_levels_of_all_are_shown_and_who_does_not_answer(ctl, logger):
    rows = {row["service"]: row["level"] for row in ctl("log-level", "--json").document}

    assert rows == {**dict.fromkeys(COMPONENTS), NAME: "INFO"}
    assert ctl("log-level").out.count("does not answer") == len(COMPONENTS) - 1


def test_level_is_changed_for_a_time_and_reset(ctl, logger):
    result = ctl("log-level", NAME, "debug", "--for", "10m", "--json")

    (row,) = result.document
    assert (row["level"], row["configured"]) == ("DEBUG", "INFO")
    assert row["until"] == "2026-11-25T04:40:00+00:00"
    assert logger.logger.level == logging.DEBUG

    assert ctl("log-level", f"shoonya@{NAME}", "reset").code == 0
    assert logger.logger.level == logging.INFO


@pytest.mark.parametrize("asked", [[NAME, "reset"], [NAME, "ERROR"], [NAME], []])
def test_who_has_no_rights_to_the_socket_is_told_what_to_type(
    bound_ctl, home, logger, asked
):
    socket = home / "run" / NAME / "control"
    socket.chmod(0)

    done = bound_ctl("log-level", *asked)

    said = " ".join(["sudo shoonyactl log-level", *asked])
    assert done.code == 1
    assert done.err == (
        f"shoonyactl: {socket}: permission denied\nhint: say it as root: {said}\n"
    )


def test_service_that_does_not_answer_is_3(ctl):
    result = ctl("log-level", NAME, "DEBUG")

    assert result.code == 3
    assert f"shoonyactl why {NAME}" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([NAME, "LOUD"], id="level"),
        pytest.param([NAME, "DEBUG", "--for", "soon"], id="time"),
        pytest.param([NAME, "DEBUG", "--for", "0s"], id="no-time"),
        pytest.param([NAME, "reset", "--for", "10m"], id="reset-for"),
        pytest.param(["--for", "10m"], id="for-nobody"),
    ],
)
def test_wrong_usage_is_2(ctl, arguments):
    assert ctl("log-level", *arguments).code == 2


def test_unknown_service_is_4(ctl):
    assert ctl("log-level", "nobody", "DEBUG").code == 4
