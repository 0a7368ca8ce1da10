"""Old files compressed by a process of its own, whatever happens to it."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from shoonya_platform.logging import archives as module
from shoonya_platform.logging import (
    get_component_logger,
    open_log,
    setup_application_logging,
    shutdown_logging,
)
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.chain import Chain
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.making import fill
from shoonya_platform.testing.waiting import eventually
from tests.integration.logging.killing import killed_at

M = 1 << 20


def text_of(number):
    return "".join(f"{number} {line} some words of a line\n" for line in range(5000))


@pytest.fixture
def chain(tmp_path):
    for number in range(1, 5):
        (tmp_path / f"dashboard.log.{number}").write_text(text_of(number))
    return Chain(str(tmp_path / "dashboard.log"), 10)


def names(directory):
    return sorted(path.name for path in directory.glob("dashboard.log*"))


def unpacked(path):
    with open_log(path) as file:
        return file.read().decode()


def test_backups_from_the_second_on_are_compressed(tmp_path, chain):
    before = (tmp_path / "dashboard.log.2").stat()

    assert archive_all(str(tmp_path), M, 10, COMPONENTS) == 3

    expected = [f"dashboard.log.{n}{'.zst' if n > 1 else ''}" for n in range(1, 5)]
    assert names(tmp_path) == expected
    for number, name in enumerate(expected, 1):
        assert unpacked(tmp_path / name) == text_of(number)
    after = (tmp_path / "dashboard.log.2.zst").stat()
    assert after.st_mode & 0o777 == 0o440
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_size < before.st_size / 3
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.needs("zstdcat")
def test_field_tools_read_an_archive(tmp_path, chain):
    archive_all(str(tmp_path), M, 10, COMPONENTS)

    shown = subprocess.run(
        ["zstdcat", tmp_path / "dashboard.log.3.zst"], capture_output=True, check=True
    )

    assert shown.stdout.decode() == text_of(3)


def test_file_that_somebody_still_writes_is_left_alone(tmp_path):
    slow = LogFile(str(tmp_path / "dashboard.log"), max_bytes=10, backup_count=9)
    fast = LogFile(str(tmp_path / "dashboard.log"), max_bytes=10, backup_count=9)
    slow.write(b"0------\n")
    for number in range(1, 4):
        fast.write(b"%d------\n" % number)

    archive_all(str(tmp_path), M, 10, COMPONENTS)
    assert names(tmp_path)[-2:] == ["dashboard.log.2.zst", "dashboard.log.3"]

    # It lets go with its next record, which is in the live file.
    slow.write(b"4------\n")
    archive_all(str(tmp_path), M, 10, COMPONENTS)
    assert names(tmp_path)[-1] == "dashboard.log.4.zst"
    assert (tmp_path / "dashboard.log").read_bytes() == b"4------\n"
    slow.close()
    fast.close()


def test_file_that_is_shifted_while_it_is_compressed_gets_its_new_number(
    tmp_path, chain, monkeypatch
):
    (tmp_path / "dashboard.log").write_text("live\n")

    def rotate_first(*arguments):
        monkeypatch.setattr(f"{module.__name__}.fill", fill)
        with chain.locked():
            chain.rotate()
        fill(*arguments)

    monkeypatch.setattr(f"{module.__name__}.fill", rotate_first)
    archive_all(str(tmp_path), M, 10, COMPONENTS)

    assert names(tmp_path) == [
        "dashboard.log.1",
        *(f"dashboard.log.{n}.zst" for n in range(2, 6)),
    ]
    assert unpacked(tmp_path / "dashboard.log.5.zst") == text_of(4)


def test_rotation_behind_the_back_of_the_process_is_seen_to(
    tmp_path, chain, monkeypatch
):
    (tmp_path / "dashboard.log").write_text("live\n")
    (tmp_path / "trading_bot.log.2").write_text(text_of(2))
    filled = []

    def rotate_the_done(*arguments):
        filled.append(arguments)
        if len(filled) == 4:
            # The dashboard's three have been passed.
            with chain.locked():
                chain.rotate()
        fill(*arguments)

    monkeypatch.setattr(f"{module.__name__}.fill", rotate_the_done)
    arguments = ["", str(tmp_path), str(M), "10", "0", "dashboard", "trading_bot"]
    monkeypatch.setattr(sys, "argv", arguments)

    assert module.main() == 0

    assert names(tmp_path) == [
        "dashboard.log.1",
        *(f"dashboard.log.{n}.zst" for n in range(2, 6)),
    ]


def test_what_does_not_become_smaller_stays_plain(tmp_path):
    noise = random.Random(1).randbytes(300_000)
    (tmp_path / "dashboard.log.2").write_bytes(noise)

    assert archive_all(str(tmp_path), 100_000, 10, COMPONENTS) == 0

    assert (tmp_path / "dashboard.log.2").read_bytes() == noise
    assert not list(tmp_path.glob("*.zst*"))
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("number", range(1, 14))
def test_kill_at_any_step_leaves_the_file_once(tmp_path, number):
    (tmp_path / "dashboard.log.1").write_text(text_of(1))
    (tmp_path / "dashboard.log.2").write_text(text_of(2))
    with killed_at(number):
        archive_all(str(tmp_path), M, 10, COMPONENTS)

    Chain(str(tmp_path / "dashboard.log"), 10).heal()

    found = names(tmp_path)
    assert found in (
        ["dashboard.log.1", "dashboard.log.2"],
        ["dashboard.log.1", "dashboard.log.2.zst"],
    )
    assert unpacked(tmp_path / found[1]) == text_of(2)
    assert not list(tmp_path.glob(".*.tmp"))


def test_rotations_of_a_service_are_compressed_in_the_background(tmp_path):
    setup_application_logging(
        tmp_path,
        component="dashboard",
        max_bytes=20_000,
        journal=False,
        console=False,
    )
    log = get_component_logger("dashboard")
    for number in range(500):
        log.info("record %d of a service that logs", number)

    eventually(
        lambda: not list(tmp_path.glob("*.log.[2-9]")) and list(tmp_path.glob("*.zst"))
    )
    shutdown_logging()

    assert (tmp_path / "dashboard.log.1").exists()
    found = [
        line
        for path in tmp_path.glob("dashboard.log*")
        for line in unpacked(path).splitlines()
    ]
    assert len(found) == 500


def test_service_that_starts_compresses_what_was_left(tmp_path, chain):
    setup_application_logging(
        tmp_path, component="dashboard", journal=False, console=False
    )

    eventually(lambda: len(list(tmp_path.glob("*.zst"))) == 3)


def test_service_does_not_load_the_compressor(tmp_path):
    code = """
import sys
from shoonya_platform.logging import *
setup_application_logging(sys.argv[1], component="dashboard", journal=False)
assert "zstandard" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


def test_one_process_at_a_time_compresses_a_directory(tmp_path, chain):
    lock = os.open(tmp_path / ".archive.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    setup_application_logging(
        tmp_path, component="dashboard", journal=False, console=False
    )
    time.sleep(0.5)
    assert not list(tmp_path.glob("*.zst"))
    os.close(lock)


def test_rotation_that_finds_an_archiver_about_to_end_is_compressed(tmp_path, chain):
    lock = tmp_path / ".archive.lock"
    code = f"""
import fcntl, pathlib
from shoonya_platform.logging import archives

def compress_all(*arguments, of=archives.archive_all):
    done = of(*arguments)
    if not done and not archived.exists():
        late.write_text("rotated\\n")
        with lock.open() as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("taken")
    return done

late = pathlib.Path({str(tmp_path / "web.log.2")!r})
archived = late.with_suffix(".2.zst")
lock = pathlib.Path({str(lock)!r})
archives.archive_all = compress_all
archives.main()
"""
    numbers = [str(20 * M), "10", "0"]
    with lock.open("w") as held:
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path, *numbers, "dashboard", "web"],
            stdin=held,
            capture_output=True,
            text=True,
            check=True,
        )

    assert done.stdout == "taken\n"
    assert unpacked(tmp_path / "web.log.2.zst") == "rotated\n"
    assert not (tmp_path / "web.log.2").exists()


def test_archiver_killed_at_random_moments_loses_nothing(tmp_path):
    seeded = random.Random(3)
    text = text_of(1) * 20
    for number in range(1, 6):
        (tmp_path / f"dashboard.log.{number}").write_text(text)
    numbers = [str(20 * M), "10", "0"]
    command = [sys.executable, "-m", "shoonya_platform.logging", tmp_path, *numbers]
    for _ in range(8):
        with (tmp_path / ".archive.lock").open("w") as lock:
            archiver = subprocess.Popen([*command, "dashboard"], stdin=lock)
        time.sleep(seeded.uniform(0.05, 0.25))
        archiver.send_signal(signal.SIGKILL)
        archiver.wait()
        Chain(str(tmp_path / "dashboard.log"), 10).heal()

        found = names(tmp_path)
        assert len(found) == 5
        assert not list(tmp_path.glob(".*.tmp"))

    assert all(unpacked(tmp_path / name) == text for name in found)
