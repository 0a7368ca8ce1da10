"""Takes away what an installation made, and with a purge what the services made."""

from __future__ import annotations

import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoonya_platform.ctl import _manifest, _systemd, _units
from shoonya_platform.ctl._layout import Layout
from shoonya_platform.errors import ShoonyaError

USER = "shoonya"

BACKUPS = Path("/var/backups/shoonya")

#: The command, which scripts/install puts there.
COMMAND = Path("/usr/local/bin/shoonyactl")
#: What shells and man know of it, likewise.
COMFORTS = (
    "usr/local/share/man/man1/shoonyactl*.1",
    "usr/local/share/bash-completion/completions/shoonyactl",
    "usr/local/share/zsh/site-functions/_shoonyactl",
    "usr/local/share/fish/vendor_completions.d/shoonyactl.fish",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed, or with `--dry-run` would be, and what stays."""

    layout: Layout
    dry_run: bool
    files: tuple[Path, ...]  #: ours
    left: tuple[Path, ...]  #: the operator's own
    purged: dict[Path, str]
    kept: dict[Path, str]

    @property
    def is_anything(self) -> bool:
        return bool(self.files or self.purged)

    def as_dict(self) -> dict[str, Any]:
        return {
            "root": self.layout.root,
            "user": self.layout.user,
            "dry_run": self.dry_run,
            "removed": [*self.files, *self.purged],
            "left": self.left,
            "kept": self.kept,
        }


def belongings(layout: Layout) -> dict[Path, str]:
    """Return what the services and their operator have made, and what it is."""
    places = {
        layout.state: "orders, positions and the paper broker's book",
        layout.logs: "the log files",
        layout.config.parent: "configuration and credentials",
        layout.home: "the program",
    }
    return {layout.below(place): what for place, what in places.items()}


def look(layout: Layout, *, dry_run: bool, is_purge: bool) -> Removal:
    """Find what there is to remove, without touching it."""
    earlier = _manifest.read(layout)
    ours = _units.installed_files(layout, earlier.files if earlier else ())
    unit_dir = layout.below(layout.unit_dir)
    overrides = [
        path
        for path in (*unit_dir.glob("shoonya@*.d/*"), *unit_dir.glob("shoonya.*.d/*"))
        if path not in ours
    ]
    there = {path: what for path, what in belongings(layout).items() if path.exists()}
    purged: dict[Path, str] = {}
    if is_purge:
        purged = {**dict.fromkeys(sorted(overrides), "your own drop-in"), **there}
        command = layout.below(COMMAND)
        if not layout.user and _leads_to(command, layout):
            purged[command] = "the command"
            for pattern in COMFORTS:
                for path in sorted(layout.root.glob(pattern)):
                    purged[path] = "its manual and completion"
    kept = {} if is_purge else there
    backups = layout.below(BACKUPS)
    if not layout.user and backups.exists():
        # What one has for the day on which all else is gone.
        kept = {**kept, backups: "backups"}
    manifest = _manifest.path_of(layout)
    return Removal(
        layout=layout,
        dry_run=dry_run,
        files=(*ours, *([manifest] if manifest.exists() else [])),
        left=() if is_purge else tuple(sorted(overrides)),
        purged=purged,
        kept=kept,
    )


def remove(found: Removal) -> None:
    """
    Stop and disable the services, and remove what was found.

    The manifest goes last: a removal that was killed is done to its end by another.

    Raises:
        ShoonyaError: systemd refused, or a file could not be removed.
    """
    layout = found.layout
    units = (*_units.INSTANCES, _units.TARGET)
    if (layout.below(layout.unit_dir) / "shoonya@.service") in found.files:
        if layout.is_here:
            _systemd.run((*layout.systemctl, "stop", *units, _units.FAILURE_PATH))
        _systemd.run((*layout.systemctl, "disable", *units))
    manifest = _manifest.path_of(layout)
    _units.apply(
        _units.Change(kind=_units.Kind.REMOVED, path=path, before=None, after=None)
        for path in found.files
        if path != manifest
    )
    _units.sweep(layout)
    if layout.is_here:
        # Else one that had failed is remembered after it is gone.
        _systemd.run((*layout.systemctl, "reset-failed", "shoonya*"))
        if not layout.user:
            _systemd.run(("journalctl", "--update-catalog"))
        _systemd.run((*layout.systemctl, "daemon-reload"))
    try:
        if layout.is_here and layout.runtime.is_dir():
            shutil.rmtree(layout.runtime)
        _purge(found)
        manifest.unlink(missing_ok=True)
    except OSError as e:
        raise ShoonyaError(f"cannot remove {e.filename}: {e.strerror}") from e


def _purge(found: Removal) -> None:
    for path in found.purged:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
            if path.parent.name.endswith(".d") and not any(path.parent.iterdir()):
                path.parent.rmdir()
    if found.purged and found.layout.is_here and not found.layout.user:
        try:
            pwd.getpwnam(USER)
        except KeyError:
            return
        _systemd.run(("userdel", USER))


def _leads_to(command: Path, layout: Layout) -> bool:
    return command.is_symlink() and command.readlink().is_relative_to(layout.home)
