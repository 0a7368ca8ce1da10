"""TOTP, and what is kept of a session."""

import base64
import os
from pathlib import Path

import pytest

from shoonya_platform.brokers.shoonya_session import totp, write_private
from shoonya_platform.errors import ConfigError

#: The secret of RFC 6238's appendix B.
SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfc(seconds, code):
    assert totp(SECRET, seconds) == code


def test_secret_may_be_written_as_the_broker_shows_it():
    spaced = " ".join(SECRET[i : i + 4] for i in range(0, len(SECRET), 4)).lower()

    assert totp(spaced, 59) == totp(SECRET, 59)
    assert totp("JBSWY3DPEHPK3PXPJB", 59).isdigit()


def test_secret_that_is_not_base32_is_told_without_showing_it():
    with pytest.raises(ConfigError) as error:
        totp("not!base32", 59)

    assert "not!base32" not in str(error.value)


def test_private_file_is_replaced_whole_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["token"]


def test_private_file_is_on_the_disk_before_it_replaces_the_old_one(
    tmp_path, monkeypatch
):
    path = tmp_path / "token"
    path.write_text("old")
    at_sync = []

    def fsync(file):
        at_sync.append((os.fstat(file).st_size, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(path, "new token")

    # Otherwise a power cut may leave an empty file in place of both.
    assert at_sync == [(len("new token"), "old")]


def test_private_file_is_not_left_open(tmp_path):
    opened = sorted(Path("/proc/self/fd").iterdir())

    write_private(tmp_path / "token", "new")

    assert sorted(Path("/proc/self/fd").iterdir()) == opened
