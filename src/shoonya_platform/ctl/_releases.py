"""
The versions of the program on this machine, side by side, and the one in use.

    /opt/shoonya/releases/ID    a virtual environment; whole once it has `.complete`
    /opt/shoonya/venv           a link to the one in use; the units go through it
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from shoonya_platform.errors import ShoonyaError


class Releases:
    """
    Args:
        home: The folder of both.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "releases"
        self.link = home / "venv"

    def current(self) -> str:
        """
        Return the id of the one in use.

        Raises:
            ShoonyaError: The program was not installed so.
        """
        if self.link.is_symlink():
            target = self.link.parent / self.link.readlink()
            if target.parent == self.folder and self.is_ready(target.name):
                return target.name
        raise ShoonyaError(
            f"'{self.link}' is no link to a version in '{self.folder}'",
            hint="install it so once, in a checkout: sudo scripts/install",
        )

    def path(self, release: str) -> Path:
        return self.folder / release

    def program(self, release: str, name: str) -> str:
        """Return the path of one of its programs: python, shoonyactl."""
        return str(self.path(release) / "bin" / name)

    def is_ready(self, release: str) -> bool:
        return (self.path(release) / ".complete").exists()

    def ids(self) -> list[str]:
        """Return those that are whole."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if self.is_ready(p.name))

    def version(self, release: str) -> str:
        """Return what it calls itself; "unknown" if it does not say."""
        script = "from shoonya_platform import __version__; print(__version__)"
        done = subprocess.run(
            [self.program(release, "python"), "-I", "-c", script],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or "unknown"

    def switch(self, release: str) -> None:
        """Have the link lead there, at once."""
        fresh = self.link.with_name("venv.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.path(release))
        fresh.replace(self.link)
        # Else a power cut may bring the old one back while the record says new.
        folder = os.open(self.link.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)

    def prune(self, *keep: str) -> None:
        """Remove all others, and what was only begun."""
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path)
