"""The last death of the one who tells is told by the failure handler."""

import pytest

from shoonya_platform.services import failure
from shoonya_platform.testing.receiver import Receiver


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "shoonya.toml").write_text(f'[paths]\ncredentials_dir = "{tmp_path}"\n')
    monkeypatch.setenv("SHOONYA_CONFIG", str(tmp_path / "shoonya.toml"))
    return tmp_path


def test_death_goes_to_each_address(home):
    with Receiver() as receiver:
        (home / "notify_urls").write_text(receiver.url)

        failure._notify("recovery_service: killed; given up")

    assert receiver.bodies == ["recovery_service: killed; given up"]


def test_without_addresses_or_without_the_wish_nobody_is_told(home):
    failure._notify("a death")
    with Receiver() as receiver:
        (home / "notify_urls").write_text(receiver.url)
        with (home / "shoonya.toml").open("a") as file:
            file.write('[notify]\nevents = ["order"]\n')

        failure._notify("a death")

    assert receiver.requests == 0


def test_address_that_is_none_is_said_and_costs_nothing_else(home, capsys):
    (home / "notify_urls").write_text("no-such-thing://words")

    failure._notify("a death")

    assert "line 1 of the secret 'notify_urls'" in capsys.readouterr().err
