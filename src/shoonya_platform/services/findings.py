"""
What `shoonyactl doctor` found last: a leaf, written by the one, shown by the other.

The dashboard's sandbox keeps it from looking at the machine itself.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

#: Findings older than that say little about the machine as it is.
FRESH = timedelta(days=1)


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"  #: to know, or not seen; nothing has to be done
    WARNING = "warning"  #: works, and will hurt one day
    ERROR = "error"  #: does not work


#: The worst first.
LEVELS = (Level.ERROR, Level.WARNING, Level.NOTE, Level.OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    sentence: str
    command: str = ""  #: mends it; empty if there is nothing to do, or no command can
    runbook: str = ""  #: where to read more; empty if all is well


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What the doctor found, when, and who asked."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    by: str  #: a user of this machine
    findings: tuple[Finding, ...]

    def is_stale(self, now: datetime) -> bool:
        return now - self.at > FRESH

    def of(self, *levels: Level) -> list[Finding]:
        """Return the findings of these levels, the worst first."""
        return [
            each
            for level in LEVELS
            if level in levels
            for each in self.findings
            if each.level is level
        ]


def path_of(state_dir: Path) -> Path:
    return state_dir / "doctor.json"


def keep(
    state_dir: Path, findings: Sequence[Finding], *, now: datetime, by: str
) -> None:
    """
    Write the findings as a whole or not at all, for the directory's owner to read.

    Raises:
        OSError: They cannot be kept.
    """
    checkup = Checkup(at=now, by=by, findings=tuple(findings))
    owner = state_dir.stat()
    # A name nobody can foresee: root writes where the service user may put links.
    descriptor, name = tempfile.mkstemp(prefix=".doctor.", dir=state_dir)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(checkup))
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fchmod(file.fileno(), 0o640)
        Path(name).replace(path_of(state_dir))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def last(state_dir: Path) -> Checkup | None:
    """Return what was kept last; None if that is nothing, or nothing one can read."""
    try:
        return msgspec.json.decode(path_of(state_dir).read_bytes(), type=Checkup)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
