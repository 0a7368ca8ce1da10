"""
What a service was doing when it ended, for whoever looks afterwards.

A file in the service's runtime directory: which run it is and its last sentence, and
behind that, written by the interpreter in its last moment, where each thread stood
when the watchdog or a fault ended the process.  It lies in memory and outlives the
process, however that dies.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The first line has this length, so that it can be written over in place.
HEADER_BYTES = 1024

#: More of the threads is of no use to anybody.
STACK_CHARS = 16_000

_FRAME = re.compile(
    r'  File ".*?/shoonya_platform/(?P<file>[\w/]+\.py)", '
    r"line (?P<line>\d+) in (?P<name>\S+)"
)
#: What a part of the program does, by the first folder of its path that is here.
_DEEDS = {
    "brokers": "speaking with the broker",
    "store": "using the order store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What the file says after the end."""

    run_id: str
    pid: int
    status: str  #: the service's own last sentence
    stack: str  #: where its threads stood; empty unless it was aborted

    @property
    def deed(self) -> str:
        """Return what it was doing, in words; empty if that is not known."""
        return deed(self.stack)


class BlackBox:
    """
    One run's file.

    Args:
        folder: The service's own runtime directory.

        run_id: Of this run, as in its log.

    Raises:
        OSError: The file cannot be made.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._run_id = run_id
        fresh = _path(folder).with_suffix(".new")
        self._file = fresh.open("w+b", buffering=0)
        self.note("")
        self._file.seek(HEADER_BYTES)
        # Nobody ever reads an earlier run's words under this run's name.
        fresh.replace(_path(folder))
        # The watchdog's signal is SIGABRT: then, too, each thread's place is written.
        faulthandler.enable(self._file.fileno())

    def note(self, status: str) -> None:
        """Keep the sentence; costs one write to memory, and never fails."""
        said = {"run_id": self._run_id, "pid": os.getpid(), "status": status}
        while len(line := json.dumps(said).encode()) >= HEADER_BYTES:
            said["status"] = status = status[: len(status) // 2]
        with contextlib.suppress(OSError):
            os.pwrite(self._file.fileno(), line.ljust(HEADER_BYTES - 1) + b"\n", 0)

    def close(self) -> None:
        faulthandler.disable()
        self._file.close()


def read(folder: Path) -> LastWords | None:
    """Return what a service's last run left in its runtime directory, or None."""
    try:
        content = _path(folder).read_bytes()
        said = json.loads(content[:HEADER_BYTES])
        return LastWords(
            run_id=str(said["run_id"]),
            pid=int(said["pid"]),
            status=str(said["status"]),
            stack=content[HEADER_BYTES:].decode(errors="replace")[:STACK_CHARS],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(folder: Path) -> None:
    """Take the file away, before a run that may not live to make its own."""
    with contextlib.suppress(OSError):
        _path(folder).unlink()


def deed(stack: str) -> str:
    """
    Say what the program was doing, from where its threads stood.

    Broker and store tell more than a loop that waits, whichever thread is in them;
    other threads than the main one have nothing to tell: they wait all their life.
    """
    told = ""
    for is_main, frames in _threads(stack):
        file, line, name = frames[0]
        part = file.partition("/")[0]
        where = f"{file}:{line}"
        if part in _DEEDS and file != "store/doorbell.py":
            # The outermost call into that part is what was asked of it.
            for each in frames:
                if each[0].partition("/")[0] != part:
                    break
                name = each[2]
            return f"{_DEEDS[part]}: {name} ({where})"
        if is_main:
            waits = file == "store/doorbell.py"
            told = f"waiting for work ({where})" if waits else f"in {name} ({where})"
    return told


def _threads(stack: str) -> Iterator[tuple[bool, list[tuple[str, int, str]]]]:
    """Yield each thread's frames in our own code, innermost first."""
    pieces = re.split(r"^(?:Current thread|Thread) ", stack, flags=re.MULTILINE)[1:]
    for number, text in enumerate(pieces, start=1):
        frames = [(m["file"], int(m["line"]), m["name"]) for m in _FRAME.finditer(text)]
        if frames:
            # The newest thread stands first, the main one last; the "current" one is
            # just whichever the signal came to.
            yield number == len(pieces), frames


def _path(folder: Path) -> Path:
    return folder / "blackbox"
