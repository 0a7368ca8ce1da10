"""Strangers that move, delete or cut off a log file while two processes write it."""

import os
import shutil
import subprocess

import pytest

from tests.chaos.log_trials import disturbed, run

pytestmark = pytest.mark.chaos

RECORDS = 8000
ROTATIONS = """
%s {
    rotate 1000
    missingok
    nocompress
    %s
}
"""


@pytest.fixture
def logs(tmp_path):
    place = tmp_path / "logs"
    place.mkdir(mode=0o750)
    return place


@pytest.fixture
def logrotate(tmp_path, logs):
    """The real one, forced, with a way of its own to begin a new file."""

    def logrotate(way):
        configuration = tmp_path / "logrotate.conf"
        configuration.write_text(ROTATIONS % (logs / "order_watcher.log", way))
        program = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None
        command = (program, "--force", "--state", tmp_path / "state", configuration)
        return lambda: subprocess.run(command, check=True)

    return logrotate


@pytest.mark.parametrize("way", ["create 0640 root root", "nocreate"])
def test_logrotate_that_renames_loses_nothing(logs, logrotate, way):
    figures = run(disturbed(logs, 1, RECORDS, f"logrotate {way}", logrotate(way)))

    found = figures.verdict
    assert found.files > 5
    assert (found.lost, found.doubled, found.torn) == (0, 0, 0), figures.text()
    assert len(list(logs.glob("order_watcher.log.*"))) > 3


def test_logrotate_that_copies_leaves_neither_holes_nor_halves(logs, logrotate):
    figures = run(
        disturbed(logs, 1, RECORDS, "copytruncate", logrotate("copytruncate"))
    )

    # What came between the copy and the cut is gone: that is its way.
    found = figures.verdict
    assert found.files > 5
    assert found.lost < found.acknowledged / 2, figures.text()
    assert found.doubled == 0
    # The copy may end in the middle of a record, and the cut file has it or not.
    assert found.torn <= found.files
    assert not any(b"\0" in text for text in figures.sight.texts.values())


def test_file_that_is_deleted_again_and_again_is_made_again(logs):
    path = logs / "order_watcher.log"
    figures = run(
        disturbed(logs, 1, RECORDS, "rm", lambda: path.unlink(missing_ok=True))
    )

    assert_rescued(figures)


def test_directory_that_is_deleted_again_and_again_is_made_again(logs):
    figures = run(
        disturbed(
            logs, 1, RECORDS, "rm -r", lambda: shutil.rmtree(logs, ignore_errors=True)
        )
    )

    assert_rescued(figures)


def assert_rescued(figures):
    found = figures.verdict
    assert found.files > 5
    assert (found.lost, found.torn) == (0, 0), figures.text()
    # A record that met the deletion is in the deleted file, which only the witness
    # still has, and once more where it can be read: one a deletion and writer.
    assert found.doubled <= 2 * found.files


def test_file_that_its_writer_may_not_open_any_more_is_written_on(logs):
    path = logs / "order_watcher.log"

    def give_away():
        if path.exists():
            if os.geteuid() == 0:  # an ordinary user can give no file away
                os.chown(path, 65534, 65534)
            path.chmod(0o400)

    figures = run(disturbed(logs, 1, RECORDS, "chown and chmod", give_away))

    found = figures.verdict
    assert (found.lost, found.doubled, found.torn) == (0, 0, 0), figures.text()
