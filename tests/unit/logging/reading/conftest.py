"""A journalctl that gives what a test has put into it."""

import json
import stat

import pytest

from tests.unit.logging.reading.journals import usec

JOURNALCTL = """#!/usr/bin/env python3
import sys
matches = [word for word in sys.argv[1:] if not word.startswith("-")]
with open("{entries}") as file:
    for number, line in enumerate(file):
        if number or not matches:
            print(line, end="")
"""


@pytest.fixture
def journal(tmp_path_factory, monkeypatch):
    """Have journalctl give these entries; its journal begins at that second."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "journalctl"
    program.write_text(JOURNALCTL.format(entries=folder / "entries"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def put(*entries, begins=0):
        first = {"__REALTIME_TIMESTAMP": str(usec(begins))}
        (folder / "entries").write_text(
            "".join(f"{json.dumps(entry)}\n" for entry in [first, *entries])
        )

    return put
