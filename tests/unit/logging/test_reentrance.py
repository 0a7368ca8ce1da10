"""A signal handler that logs at any line of a call that logs."""

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from shoonya_platform.logging import (
    files,
    get_component_logger,
    setup_application_logging,
)
from shoonya_platform.logging.files import LogFile
from tests.unit.logging.support import backups, lines

OURS = {
    str(Path(files.__file__).with_name(name))
    for name in ("backlog.py", "files.py", "livefile.py", "room.py")
}


class Interruption:
    """Calls *deed* before the *number*-th line of ours that is run from now on."""

    def __init__(self, number, deed):
        self.left = number
        self._deed = deed

    def __enter__(self):
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _trace(self, frame, event, argument):
        if frame.f_code.co_filename not in OURS:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                self._deed()
        return self._trace


def run(path, monkeypatch, number, failures, deeds):
    """Interrupt *deeds* while the disk refuses *failures* writes; return the rest."""
    file = LogFile(str(path), max_bytes=30, backup_count=50)
    # Each record tries again, and no thread does it for us.
    monkeypatch.setattr(files, "_RETRY_SECONDS", 0)
    file._recovering = True
    file.write(b"first\n")
    left = [failures]
    real = os.write

    def write(fd, text):
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, text)

    with monkeypatch.context() as patches:
        patches.setattr(os, "write", write)
        with Interruption(number, lambda: file.write(b"handler\n")) as interruption:
            for deed in deeds:
                deed(file)
    file.write(b"last\n")
    file.close()
    assert file.waiting == 0
    assert {notice.event for notice in file.notices} <= {"file_failed"}, file.notices
    return interruption.left


@pytest.mark.parametrize("failures", [0, 1, 2, 3, 4])
def test_no_record_is_lost_doubled_or_left_waiting(tmp_path, monkeypatch, failures):
    texts = [b"%d-----\n" % number for number in range(4)]
    deeds = [lambda file, text=text: file.write(text) for text in texts]
    number = 0
    while True:
        number += 1
        place = tmp_path / str(number)
        place.mkdir()
        path = place / "x.log"
        if run(path, monkeypatch, number, failures, deeds) > 0:
            break
        text = b"".join(file.read_bytes() for file in backups(path) if file.exists())
        found = text.splitlines(True)
        expected = [b"first\n", *texts, b"handler\n", b"last\n"]
        assert sorted(found) == sorted(expected), number
        ordered = [line for line in found if line in texts]
        assert ordered == texts, number
    assert number > 50


def test_handlers_that_interrupt_each_other_without_end_lose_nothing(
    tmp_path, monkeypatch
):
    setup_application_logging(
        tmp_path, component="dashboard", journal=False, console=False
    )
    log = get_component_logger("dashboard")
    left = [400]
    real = os.write

    def write(fd, text):
        if left[0]:
            # As on a machine so busy that the next signal comes before this is done.
            left[0] -= 1
            signal.raise_signal(signal.SIGUSR1)
        return real(fd, text)

    def handle(number, frame):
        log.info("handler %d", left[0])
        if left[0]:
            left[0] -= 1
            signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with monkeypatch.context() as patches:
            patches.setattr(os, "write", write)
            log.info("x")
    finally:
        signal.signal(signal.SIGUSR1, before)

    records = lines(tmp_path / "dashboard.log")
    assert sorted(record.seq for record in records) == [*range(1, 402)]
    assert len({record.message for record in records}) == len(records)
