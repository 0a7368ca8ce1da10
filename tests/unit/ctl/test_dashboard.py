"""shoonyactl dashboard: the password."""

import stat

import pytest

from shoonya_platform.dashboard.passwords import is_password


def test_hash_is_kept_where_the_dashboard_looks_and_for_nobody_else(ctl, home):
    result = ctl("dashboard", "password", "--stdin", stdin="correct horse\n")

    path = home / "credentials" / "dashboard_password_hash"
    assert result.code == 0
    assert "restart dashboard" in result.out
    assert is_password(path.read_text().strip(), "correct horse")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_new_password_replaces_the_old_one(ctl, home):
    ctl("dashboard", "password", "--stdin", stdin="correct horse\n")
    ctl("dashboard", "password", "--stdin", stdin="another horse\n")

    kept = (home / "credentials" / "dashboard_password_hash").read_text().strip()
    assert is_password(kept, "another horse")


def test_without_a_terminal_nobody_is_asked(ctl, home, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda descriptor: False)

    result = ctl("dashboard", "password", stdin="correct horse\ncorrect horse\n")

    assert result.code == 2
    assert "say --stdin" in result.err
    assert not list((home / "credentials").iterdir())


def test_terminal_is_asked_twice(ctl, home, monkeypatch):
    monkeypatch.setattr("os.isatty", lambda descriptor: True)

    result = ctl("dashboard", "password", stdin="correct horse\ncorrect horsf\n")

    assert result.code == 1
    assert not list((home / "credentials").iterdir())


@pytest.mark.parametrize("text", ["", "short"])
def test_short_password_is_refused_and_nothing_kept(ctl, home, text):
    result = ctl("dashboard", "password", "--stdin", stdin=f"{text}\n")

    assert result.code != 0
    assert "10 to 256" in result.err
    assert not list((home / "credentials").iterdir())
