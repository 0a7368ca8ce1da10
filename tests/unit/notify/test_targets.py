"""The addresses in the secret, one a line; what is none is named by its line."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from shoonya_platform.errors import ConfigError
from shoonya_platform.notify.targets import addresses, open_targets
from shoonya_platform.testing.receiver import Receiver


def test_remarks_and_empty_lines_are_passed_over():
    assert addresses("# mine\njson://a/\n\n  json://b/  \n") == [
        "json://a/",
        "json://b/",
    ]


def test_what_is_no_address_is_named_without_showing_it():
    with pytest.raises(ConfigError, match="line 2 of the secret") as caught:
        open_targets("json://127.0.0.1/\nno-such-thing://secret-words")

    assert "secret-words" not in str(caught.value)


def test_target_is_named_by_line_and_kind_alone():
    (target,) = open_targets("json://user:password@127.0.0.1/")

    assert target.name == "address 1 (json)"


def test_message_is_taken_or_not(receiver: Receiver):
    (target,) = open_targets(receiver.url)

    assert target.send("Shoonya", "a “message”\nof two lines")
    receiver.status = 500
    assert not target.send("Shoonya", "another")

    assert [each["title"] for each in receiver.received] == ["Shoonya"]
    assert receiver.bodies == ["a “message”\nof two lines"]


def test_message_leaves_nothing_of_apprise_in_this_process(receiver: Receiver):
    script = f"""
import sys
from shoonya_platform.notify.targets import open_targets
(target,) = open_targets({receiver.url!r})
assert target.send("Shoonya", "words")
assert "apprise" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)

    assert receiver.bodies == ["words"]


def test_sender_that_dies_has_sent_nothing(receiver: Receiver, monkeypatch):
    (target,) = open_targets(receiver.url)
    monkeypatch.setattr(sys, "executable", "/bin/false")

    assert not target.send("Shoonya", "words")


def test_sender_that_hangs_is_ended():
    script = "from shoonya_platform.notify import sender as s; s.MOST_SECONDS = 2; "
    # Takes connections and never answers.
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"json://127.0.0.1:{deaf.getsockname()[1]}/?rto=50"
        message = {"title": "Shoonya", "body": "words"}
        done = subprocess.run(
            [sys.executable, "-c", script + "s.main()"],
            input=json.dumps({"urls": [url], "message": message}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stdout) == (-signal.SIGALRM, "")
