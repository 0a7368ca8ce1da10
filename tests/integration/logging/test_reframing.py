"""Archives without a table get one, and none is worse off for it."""

import os
import subprocess

import pytest
import zstandard

from shoonya_platform.logging import open_log, reframing, setup_application_logging
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.budget import Budget
from shoonya_platform.logging.chain import Chain
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.frames import SKIPPABLE, read_table
from shoonya_platform.logging.making import fill
from shoonya_platform.logging.scan import BLOCK, Scan
from shoonya_platform.testing.waiting import eventually
from tests.integration.logging.killing import killed_at

M = 1 << 20
NAME = "dashboard.log"
HEADER = SKIPPABLE.to_bytes(4, "little")
TEXT = "".join(
    f"2026-02-08 14:{n // 60 % 60:02d}:{n % 60:02d}.000 | INFO     | DASHBOARD"
    f"            | words | order_id={n} alert_id=A{n} run=r seq={n}\n"
    for n in range(1, 3000)
).encode()


@pytest.fixture
def archive(tmp_path):
    """An archive of ours, with its table."""
    (tmp_path / f"{NAME}.1").write_text("one\n")
    (tmp_path / f"{NAME}.2").write_bytes(TEXT)
    assert archive_all(str(tmp_path), M, 10, COMPONENTS) == 1
    path = tmp_path / f"{NAME}.2.zst"
    path.chmod(0o640)
    return path


def has_table(path):
    with path.open("rb") as file:
        return read_table(file.fileno()) is not None


def unpacked(path):
    with open_log(path) as file:
        return file.read()


def damaged_table(content):
    return content[:-30] + bytes([content[-30] ^ 1]) + content[-29:]


def no_table(content):
    return content[: content.rindex(HEADER)]


def half_a_table(content):
    return content[:-100]


def wrong_length(content):
    at = content.rindex(HEADER) + 4
    return content[:at] + b"\xff\xff" + content[at + 2 : -1] + b"?"


def plain_zstd(content):
    return zstandard.compress(TEXT)


def joined(content):
    half = TEXT.index(b"\n", len(TEXT) // 2) + 1
    return zstandard.compress(TEXT[:half]) + zstandard.compress(TEXT[half:])


@pytest.mark.needs("zstdcat")
@pytest.mark.parametrize(
    "change",
    [damaged_table, no_table, half_a_table, wrong_length, plain_zstd, joined],
)
def test_table_is_made_anew(archive, change):
    archive.write_bytes(change(archive.read_bytes()))
    os.utime(archive, (1_700_000_000, 1_700_000_000))
    assert not has_table(archive)

    assert archive_all(str(archive.parent), M, 10, COMPONENTS) == 1

    assert has_table(archive)
    assert unpacked(archive) == TEXT
    assert archive.stat().st_mtime == 1_700_000_000
    assert archive.stat().st_mode & 0o777 == 0o440
    assert subprocess.check_output(["zstdcat", archive]) == TEXT
    # And then there is nothing more to do.
    inode = archive.stat().st_ino
    assert archive_all(str(archive.parent), M, 10, COMPONENTS) == 0
    assert archive.stat().st_ino == inode


def cut_off(content):
    return content[:5000]


def damaged_text(content):
    return content[:5000] + bytes([content[5000] ^ 1]) + no_table(content)[5001:]


def nothing(content):
    return b""


def no_archive(content):
    return TEXT


@pytest.mark.parametrize("change", [cut_off, damaged_text, nothing, no_archive])
def test_what_cannot_be_read_whole_stays_as_it_is(archive, change):
    content = change(archive.read_bytes())
    archive.write_bytes(content)

    assert archive_all(str(archive.parent), M, 10, COMPONENTS) == 0

    assert archive.read_bytes() == content
    assert not list(archive.parent.glob(".*.tmp"))


def test_others_are_mended_beside_one_that_cannot_be(archive):
    archive.rename(archive.with_name(f"{NAME}.3.zst"))
    archive.with_name(f"{NAME}.2.zst").write_bytes(b"no archive")
    archive.with_name(f"{NAME}.4.zst").write_bytes(zstandard.compress(TEXT))

    assert archive_all(str(archive.parent), M, 10, COMPONENTS) == 1

    assert has_table(archive.with_name(f"{NAME}.4.zst"))


def test_budget_is_kept(archive):
    archive.write_bytes(zstandard.ZstdCompressor(level=19).compress(TEXT))
    before = archive.stat().st_ino
    directory, own = str(archive.parent), str(archive.parent / NAME)
    budget = Budget(directory, 32 * M, M, COMPONENTS)
    scan = Scan(directory, COMPONENTS)
    left = 32 * M - scan.used_bytes - budget.reserved(scan, own)
    ballast = archive.with_name("ballast")

    ballast.touch()
    os.truncate(ballast, left - BLOCK)
    archive_all(directory, M, 10, COMPONENTS, 32 * M)
    assert archive.stat().st_ino == before

    os.truncate(ballast, left - 64 * BLOCK)
    archive_all(directory, M, 10, COMPONENTS, 32 * M)
    assert has_table(archive)
    assert budget.has_room(own, 0)


def test_archive_that_is_shifted_meanwhile_is_mended_in_its_new_place(
    archive, monkeypatch
):
    archive.write_bytes(no_table(archive.read_bytes()))
    (archive.parent / NAME).write_text("live\n")

    def rotate_first(*arguments):
        chain = Chain(str(archive.parent / NAME), 10)
        with chain.locked():
            chain.rotate()
        fill(*arguments)

    monkeypatch.setattr(f"{reframing.__name__}.fill", rotate_first)
    assert archive_all(str(archive.parent), M, 10, COMPONENTS) == 1

    assert has_table(archive.with_name(f"{NAME}.3.zst"))
    assert unpacked(archive.with_name(f"{NAME}.3.zst")) == TEXT
    assert (archive.parent / f"{NAME}.2").read_text() == "one\n"


def test_archive_that_falls_off_the_end_meanwhile_is_gone(archive, monkeypatch):
    archive.write_bytes(no_table(archive.read_bytes()))

    def delete_first(*arguments):
        archive.unlink()
        fill(*arguments)

    monkeypatch.setattr(f"{reframing.__name__}.fill", delete_first)
    assert archive_all(str(archive.parent), M, 10, COMPONENTS) == 0

    assert list(archive.parent.glob("*.zst")) == []


@pytest.mark.parametrize("number", range(1, 12))
def test_kill_at_any_step_leaves_the_archive_once(archive, number):
    archive.write_bytes(no_table(archive.read_bytes()))
    with killed_at(number):
        archive_all(str(archive.parent), M, 10, COMPONENTS)
    Chain(str(archive.parent / NAME), 10).heal()

    assert unpacked(archive) == TEXT
    found = sorted(path.name for path in archive.parent.glob("dashboard*"))
    assert found == [f"{NAME}.1", archive.name]
    assert not list(archive.parent.glob(".*.tmp"))


def test_service_that_starts_mends_what_it_finds(archive):
    archive.write_bytes(plain_zstd(b""))

    setup_application_logging(
        archive.parent, component="dashboard", journal=False, console=False
    )

    eventually(lambda: has_table(archive))
    assert unpacked(archive) == TEXT
