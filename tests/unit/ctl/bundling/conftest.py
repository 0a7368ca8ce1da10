"""A machine to make a bundle of, and what is in one; only the journal is made up."""

import os
import re
import tarfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from shoonya_platform.ctl import doctor
from shoonya_platform.ctl.bundling import machine
from tests.unit.ctl.bundling.planting import HARD, SIMPLE

COMPONENT = "risk_manager"
EVER = ("--since", "2026-01-01")
ACCOUNT = "FA12345"

_JOURNALCTL = """#!/bin/sh
case "$*" in
*--output=json*) echo '{"__REALTIME_TIMESTAMP": "1764000000000000"}' ;;
*risk_manager*) cat "$(dirname "$0")/entries" ;;
esac
"""


@dataclass
class Machine:
    """The places that a bundle looks at."""

    home: Path

    def log(self, *lines: str, component: str = COMPONENT) -> None:
        path = self.home / "logs" / f"{component}.log"
        with path.open("a") as file:
            file.writelines(lines)
        # As new as its records are.
        written = datetime(2026, 11, 25, 12).astimezone().timestamp()
        os.utime(path, (written, written))

    def journal(self, text: str) -> None:
        folder = self.home / "bin"
        folder.mkdir()
        (folder / "journalctl").write_text(_JOURNALCTL)
        (folder / "journalctl").chmod(0o755)
        lines = re.sub(r"\n(?!20)", "\n    ", text)
        entry = f"2026-11-25T09:00:00+0000 host python[7]: {lines}\n"
        (folder / "entries").write_text(entry)
        os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"

    def configure(self, text: str) -> None:
        with (self.home / "shoonya.toml").open("a") as file:
            file.write(text)

    def drop_in(self, text: str, name: str = "override.conf") -> None:
        folder = self.home / "units" / "shoonya@.service.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def secret(self, name: str, value: str) -> None:
        (self.home / "credentials" / name).write_text(f"{value}\n")


@pytest.fixture
def place(home, monkeypatch):
    """A machine with two secrets, and nothing of the one that the tests run on."""
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(machine, "UNIT_FOLDERS", (home / "units",))
    monkeypatch.setattr(doctor, "examine", lambda _: [])
    found = Machine(home)
    found.secret("webhook_secret", HARD)
    found.secret("broker_password", SIMPLE)
    return found


@pytest.fixture
def bundle(ctl, place):
    """Make a bundle; return what is in it, by name, and the JSON that was printed."""

    def make(*arguments: str):
        done = ctl("bundle", *EVER, "--json", *arguments)
        assert done.code == 0, done.err
        return unpacked(Path(done.document["path"])), done.document

    return make


def unpacked(path: Path) -> dict[str, str]:
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            found[member.name.partition("/")[2]] = content.read().decode()
    return found
