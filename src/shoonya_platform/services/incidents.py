"""
The services' deaths that somebody is to be told of, each of them once.

Whoever sees the end first (`ExecStopPost=`, on every version of systemd) lays a note
into `new/`; a path unit starts the handler, which tells and keeps the story.  The name
is that of the run, so that the same death seen a second time (`OnFailure=`, which
fires at other times on other versions) is known already.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

#: Older stories are removed.
KEPT = 200

_NAME = re.compile(r"(?P<service>[a-z_]+)-(?P<invocation>[0-9a-f]{32})")


class Incidents:
    """
    The notes and stories below the services' state directory.

    Args:
        state_dir: Made by the units.
    """

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "incidents"
        self._new = self.folder / "new"

    def add(self, service: str, invocation_id: str) -> bool:
        """
        Note a death, unless it is known; return whether it was new.

        Raises:
            OSError: It cannot be noted.
        """
        name = f"{service}-{invocation_id}"
        if _NAME.fullmatch(name) is None or self._is_told(name):
            return False
        self._new.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (self._new / name).touch(exist_ok=False)
            return True
        return False

    def take(self) -> Iterator[tuple[str, str]]:
        """
        Yield service and invocation of each untold death, and take its note away.

        A note is away before the telling begins: one that cannot be told must not
        start the handler for ever.
        """
        with contextlib.suppress(FileNotFoundError):
            for note in sorted(self._new.iterdir(), key=lambda path: path.name):
                match = _NAME.fullmatch(note.name)
                note.unlink(missing_ok=True)
                if match is not None and not self._is_told(note.name):
                    yield match["service"], match["invocation"]

    def keep(self, service: str, invocation_id: str, story: str) -> Path:
        """
        Write a story down, and remove the oldest ones.

        Raises:
            OSError: It cannot be written.
        """
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{service}-{invocation_id}.txt"
        path.write_text(story, encoding="utf-8")
        stories = sorted(
            self.folder.glob("*.txt"), key=lambda each: each.stat().st_mtime
        )
        for old in stories[:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def _is_told(self, name: str) -> bool:
        return (self.folder / f"{name}.txt").exists()
