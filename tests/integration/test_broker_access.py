"""The dashboard's login at the broker: a real process, and the simulated broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.clock import SystemClock
from shoonya_platform.config.loader import Config, load
from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.services.broker_access import broker_access
from shoonya_platform.services.session_file import find_session
from shoonya_platform.testing.noren.server import NorenSimulator


@pytest.fixture
def simulator() -> Iterator[NorenSimulator]:
    with NorenSimulator("oauth", clock=SystemClock()) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, simulator: NorenSimulator) -> Config:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "state").mkdir()
    path = tmp_path / "shoonya.toml"
    path.write_text(
        f'[paths]\nstate_dir = "{tmp_path}/state"\n'
        f'credentials_dir = "{tmp_path}/credentials"\n'
        + settings_text(simulator.platform_settings())
    )
    for name, value in simulator.platform_secrets().items():
        (tmp_path / "credentials" / name).write_text(value)
    return load(path, {})


def test_code_begins_a_session_that_the_verdict_finds(config, simulator):
    access = broker_access(config, SystemClock())
    assert access is not None
    assert access.verdict().is_error

    result = access.log_in(f"http://127.0.0.1/?code={simulator.access.authorize()}")

    assert (result.problem, result.hint) == ("", "")
    assert result.ends_at is not None
    assert access.verdict().is_alive
    assert find_session(config.settings) is not None


def test_token_that_cannot_be_kept_beside_the_secrets_still_begins_a_session(
    config, simulator, tmp_path
):
    access = broker_access(config, SystemClock())
    assert access is not None
    # A directory in its place: root may write everywhere else.
    (tmp_path / "credentials" / "broker_access_token").mkdir()

    result = access.log_in(simulator.access.authorize())

    assert result.problem == ""
    assert access.verdict().is_alive


def test_refused_code_is_not_blamed_on_the_sandbox(config):
    access = broker_access(config, SystemClock())
    assert access is not None

    result = access.log_in("made-up")

    assert "refused the code" in result.problem
    assert result.hint == ""


def test_missing_secret_and_unreachable_broker_name_the_drop_in(
    config, simulator, tmp_path
):
    access = broker_access(config, SystemClock())
    assert access is not None
    simulator.go_down()
    assert "docs/noren.md" in access.log_in("code").hint

    (tmp_path / "credentials" / "broker_api_secret").unlink()
    missing = access.log_in("code")

    assert "broker_api_secret" in missing.problem
    assert "docs/noren.md" in missing.hint


def test_line_without_a_code_is_refused_without_a_request(config, simulator):
    access = broker_access(config, SystemClock())
    assert access is not None

    assert "no code" in access.log_in("two words").problem
    assert "GenAcsTok" not in simulator.app.asked


def test_paper_and_quickauth_have_no_login_with_a_browser(config, tmp_path):
    text = (tmp_path / "shoonya.toml").read_text()
    paper, quick = tmp_path / "paper.toml", tmp_path / "quick.toml"
    paper.write_text(text.replace('name = "shoonya"', 'name = "paper"'))
    quick.write_text(text.replace('"oauth"', '"quickauth"'))

    assert broker_access(load(paper, {}), SystemClock()) is None
    assert broker_access(load(quick, {}), SystemClock()) is None
