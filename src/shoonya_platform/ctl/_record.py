"""How far an upgrade came, on the disk before each thing it does."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from shoonya_platform.ctl import _manifest
from shoonya_platform.errors import ShoonyaError


class Phase(StrEnum):
    """Where an upgrade stands."""

    FORWARD = "forward"  #: on its way to the new version
    BACK = "back"  #: on its way to the old one
    DONE = "done"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One upgrade."""

    phase: Phase
    old: str  #: a release's id
    new: str
    services: tuple[str, ...]  #: those that are to run, in start order
    touched: tuple[str, ...] = ()  #: those that may run the new version
    backup: str = ""  #: the store as it was; empty if there was none
    reason: str = ""  #: why it goes back

    @property
    def is_under_way(self) -> bool:
        return self.phase in (Phase.FORWARD, Phase.BACK)


def path_of(home: Path) -> Path:
    return home / "upgrade.json"


def read(home: Path) -> Record | None:
    """
    Return the last upgrade's record; None if there was none.

    Raises:
        ShoonyaError: It is there and cannot be read.
    """
    path = path_of(home)
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            phase=Phase(entry["phase"]),
            old=entry["old"],
            new=entry["new"],
            services=tuple(entry["services"]),
            touched=tuple(entry["touched"]),
            backup=entry["backup"],
            reason=entry["reason"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise ShoonyaError(
            f"the record of the last upgrade, '{path}', cannot be read: {e}",
            hint=f"see which version runs (readlink {home}/venv), then remove it",
        ) from e


def write(home: Path, record: Record) -> None:
    """
    Raises:
        OSError: It cannot be written.
    """
    _manifest.save(path_of(home), asdict(record))
