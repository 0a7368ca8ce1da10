"""What is known of a run that was killed, from the file it left."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shoonya_platform.services import blackbox

RUN = """
import sys, time
from pathlib import Path
from shoonya_platform.services.blackbox import BlackBox
box = BlackBox(Path(sys.argv[1]), "beef")
box.note("3 orders passed")
print("noted", flush=True)
time.sleep(60)
"""


def killed_by(number: signal.Signals, folder: Path) -> blackbox.LastWords | None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"noted\n"
        process.send_signal(number)
    return blackbox.read(folder)


def test_last_sentence_outlives_a_kill(tmp_path):
    words = killed_by(signal.SIGKILL, tmp_path / "dashboard")

    assert words is not None
    assert (words.run_id, words.status) == ("beef", "3 orders passed")
    assert words.stack == ""


def test_watchdogs_signal_leaves_where_the_threads_stood(tmp_path):
    words = killed_by(signal.SIGABRT, tmp_path / "dashboard")

    assert words is not None
    assert words.status == "3 orders passed"
    assert 'File "<string>", line' in words.stack


def thread(*frames: str, name: str = "Thread 0x1") -> str:
    lines = "".join(f'  File "/venv/lib/shoonya_platform/{frame}\n' for frame in frames)
    return f"{name} (most recent call first):\n{lines}\n"


BROKER = thread(
    'brokers/paper_session.py", line 40 in _ask',
    'brokers/paper.py", line 12 in place',
    'execution/command_service.py", line 99 in _send',
)
BELL = thread(
    'store/doorbell.py", line 70 in wait',
    'services/runtime.py", line 150 in run',
)
ARCHIVER = thread('logging/archiver.py", line 82 in _work', name="Current thread 0x2")
SERVING = thread('services/http.py", line 70 in run', name="Current thread 0x2")
STORE = thread('store/sqlite.py", line 5 in commit', 'store/sqlite.py", line 9 in beat')


@pytest.mark.parametrize(
    ("stack", "deed"),
    [
        ("", ""),
        (BROKER, "speaking with the broker: place (brokers/paper_session.py:40)"),
        (ARCHIVER + thread(), ""),
        (ARCHIVER + BELL, "waiting for work (store/doorbell.py:70)"),
        (BELL, "waiting for work (store/doorbell.py:70)"),
        (SERVING, "in run (services/http.py:70)"),
        (STORE + SERVING, "using the order store: beat (store/sqlite.py:5)"),
        (thread().replace("shoonya", "other"), ""),
    ],
)
def test_deed_is_told_from_the_threads(stack, deed):
    assert blackbox.deed(f"Fatal Python error: Aborted\n\n{stack}") == deed


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x00" * 2000])
def test_damaged_file_says_nothing(tmp_path, content):
    (tmp_path / "blackbox").write_bytes(content)

    assert blackbox.read(tmp_path) is None


def test_words_of_nobody_are_none(tmp_path):
    assert blackbox.read(tmp_path) is None


def test_long_sentence_does_not_reach_into_the_threads(tmp_path):
    box = blackbox.BlackBox(tmp_path, "beef")
    try:
        box.note("₹" * 900)
        words = blackbox.read(tmp_path)
    finally:
        box.close()

    assert words is not None
    assert (words.run_id, words.status[:3], words.stack) == ("beef", "₹₹₹", "")
