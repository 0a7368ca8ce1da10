"""The clock of a replay: one for all processes, and never in the way of real money."""

from datetime import timedelta

import pytest

from shoonya_platform.clock import ReplayClock, set_replay_clock
from shoonya_platform.config.loader import load
from shoonya_platform.errors import ConfigError
from shoonya_platform.testing.clock import BEGIN


def test_clock_stands_where_it_is_put(tmp_path):
    path = tmp_path / "clock"
    set_replay_clock(path, BEGIN)
    clock = ReplayClock(path)
    assert clock.now() == BEGIN

    later = BEGIN + timedelta(hours=5, microseconds=7)
    set_replay_clock(path, later)

    assert clock.now() == later
    assert clock.monotonic() <= clock.monotonic()


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "shoonya.toml"
    path.write_text(f'[paths]\nstate_dir = "{tmp_path}"\n')
    return path


def environ(path, **more):
    return {"SHOONYA_REPLAY_CLOCK": str(path), **more}


def test_clock_of_a_replay_is_taken_on_paper(config, tmp_path):
    path = tmp_path / "clock"

    assert load(config, environ(path)).replay_clock == path
    assert load(config, {}).replay_clock is None


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(
            {
                "SHOONYA_BROKER_NAME": "shoonya",
                "SHOONYA_SHOONYA_USER_ID": "FA1",
                "SHOONYA_GUARD_MARKET_HOURS": "exchange",
            },
            id="real-money",
        ),
        pytest.param({"SHOONYA_BOOT": "a-boot"}, id="under-systemd"),
        pytest.param({"SHOONYA_PATHS_STATE_DIR": "/var/lib/shoonya"}, id="elsewhere"),
    ],
)
def test_clock_of_a_replay_is_refused_elsewhere(config, tmp_path, more):
    with pytest.raises(ConfigError, match="SHOONYA_REPLAY_CLOCK"):
        load(config, environ(tmp_path / "clock", **more))
