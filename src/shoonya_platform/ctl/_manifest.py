"""
What an installation wrote, kept beside the program.

It is written before the first file is touched, as not complete, and once more when all
is done: after an installation that was killed the next one does everything again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from shoonya_platform.ctl._layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One installation of units."""

    version: str  #: ours
    systemd: int  #: the version they were written for
    complete: bool
    files: tuple[str, ...] = ()  #: on that machine, without the leading slash
    #: Those that we have enabled once.  One that is disabled since was so by the
    #: operator, and stays so.
    enabled: tuple[str, ...] = ()


def path_of(layout: Layout) -> Path:
    return layout.below(layout.home) / "units.json"


def read(layout: Layout) -> Manifest | None:
    """Return what the last installation noted; None if that cannot be read."""
    try:
        entry = json.loads(path_of(layout).read_text(encoding="utf-8"))
        return Manifest(
            version=str(entry["version"]),
            systemd=int(entry["systemd"]),
            complete=entry["complete"] is True,
            files=tuple(map(str, entry["files"])),
            enabled=tuple(map(str, entry["enabled"])),
        )
    except (OSError, ValueError, TypeError, KeyError):
        # An older version of ours noted nothing; its files carry our mark.
        return None


def write(layout: Layout, manifest: Manifest) -> None:
    """
    Note it, durably.

    Raises:
        OSError: It cannot be written.
    """
    save(path_of(layout), asdict(manifest))


def save(path: Path, entry: dict[str, object]) -> None:
    """Write a document as a whole or not at all, and onto the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(entry, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
