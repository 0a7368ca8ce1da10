"""A session at the broker is needed while an exchange is open."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shoonya_platform.assessment.session import judge_session
from shoonya_platform.config.settings import Broker, Paths, Settings, Shoonya
from shoonya_platform.services.session_file import (
    KnownSession,
    find_session,
    path_of,
)

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)  # 10:00 in India


def session(**changed):
    known = KnownSession(
        began_at=NOW - timedelta(hours=1),
        ends_at=NOW + timedelta(hours=12),
        is_refused=False,
    )
    return replace(known, **changed)


@pytest.mark.parametrize(
    ("known", "is_alive"),
    [
        pytest.param(session(), True, id="today"),
        pytest.param(session(ends_at=None), True, id="without-an-end"),
        pytest.param(None, False, id="none"),
        pytest.param(session(is_refused=True), False, id="refused"),
        pytest.param(session(ends_at=NOW), False, id="over"),
        pytest.param(session(began_at=NOW - timedelta(days=1)), False, id="yesterday"),
        pytest.param(session(began_at=None), False, id="unknown"),
    ],
)
def test_session_is_an_error_only_while_the_market_is_open(known, is_alive):
    in_hours = judge_session(known, NOW, is_open=True)
    at_night = judge_session(known, NOW, is_open=False)

    assert in_hours.is_alive == at_night.is_alive == is_alive
    assert in_hours.is_error == (not is_alive)
    assert not at_night.is_error


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "shoonya").mkdir()
    return Settings(
        paths=Paths(state_dir=tmp_path),
        broker=Broker(name="shoonya"),
        shoonya=Shoonya(user_id="FA12345"),
    )


def write(settings, **changed):
    record = {
        "token": "s3cret-token",
        "user_id": "FA12345",
        "logins": [NOW.timestamp()],
        "ends_at": None,
    }
    path_of(settings).write_text(json.dumps(record | changed))


def test_session_file_gives_its_times_and_not_its_token(settings):
    write(settings)

    found = find_session(settings)

    assert found == KnownSession(began_at=NOW, ends_at=None, is_refused=False)
    assert "s3cret" not in repr(found)


def test_refused_token_is_known_by_its_digest(settings):
    write(settings, dead_digest=hashlib.sha256(b"s3cret-token").hexdigest())

    found = find_session(settings)

    assert found is not None
    assert found.is_refused


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"token": None}, id="logged-out"),
        pytest.param({"user_id": "FB1"}, id="another-user"),
        pytest.param({"logins": ["soon"]}, id="damaged"),
        pytest.param({"logins": [1e30]}, id="no-time"),
    ],
)
def test_file_without_a_usable_session_has_none(settings, changed):
    write(settings, **changed)

    assert find_session(settings) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_damaged_file_has_no_session(settings, text):
    path_of(settings).write_text(text)

    assert find_session(settings) is None
