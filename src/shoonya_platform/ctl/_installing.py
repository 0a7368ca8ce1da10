"""
Installs the units: looks first, then does it so that it may be killed at any moment.

The manifest is written as not complete before the first file is touched, and as
complete after the last command.  Everything between can be done twice.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shoonya_platform import __version__
from shoonya_platform.ctl import (
    _manifest,
    _refusals,
    _rendering,
    _systemd,
    _units,
    _verifying,
)
from shoonya_platform.ctl._layout import SYSUSERS, TMPFILES, Layout
from shoonya_platform.ctl._manifest import Manifest
from shoonya_platform.errors import ShoonyaError


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is to be done, or was."""

    layout: Layout
    dry_run: bool
    changes: tuple[_units.Change, ...]
    verified: bool
    commands: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]  #: for people
    systemd: int
    begun: Manifest
    enabled: tuple[str, ...]  #: all that were ever, once it is done
    files: tuple[str, ...]  #: all of ours, once it is done

    def as_dict(self) -> dict[str, Any]:
        return {
            "root": self.layout.root,
            "user": self.layout.user,
            "dry_run": self.dry_run,
            "systemd": self.systemd,
            "verified": self.verified,
            "files": [
                {"path": change.path, "change": change.kind, "diff": change.diff}
                for change in self.changes
            ],
            "commands": self.commands,
            "notes": self.notes,
        }


def prepare(
    layout: Layout, *, python: str, enable: bool, dry_run: bool
) -> Installation:
    """
    Find out what there is to do; change nothing.

    Args:
        python: The interpreter the services run with.

        enable: Start at boot what was never enabled before.

        dry_run: It will not be done, so it may be asked without the right to.

    Raises:
        ShoonyaError: It cannot be done here, or systemd objects to the units.
    """
    version = _systemd.version() if layout.is_here else _rendering.OLDEST_SYSTEMD
    if not dry_run:
        _refusals.check_rights(layout, "install-units")
        _refusals.check_systemd(layout, version)
        _refusals.check_python(layout, Path(python))
    version = max(version or 0, _rendering.OLDEST_SYSTEMD)
    files = _units.shipped_files(python=python, version=version, layout=layout)
    verified = _verifying.can_verify()
    if verified and (objections := _verifying.verify(files, layout)):
        raise ShoonyaError(f"systemd objects to the units:\n{objections}")
    earlier = _manifest.read(layout)
    known = earlier.files if earlier else ()
    changes = tuple(_units.plan(files, layout, known))
    is_changed = any(change.kind is not _units.Kind.UNCHANGED for change in changes)
    is_complete = earlier is not None and earlier.complete
    enabled = earlier.enabled if earlier else ()
    to_enable = tuple(
        unit
        for unit in (*_units.INSTANCES, _units.TARGET)
        if enable and unit not in enabled and not _units.is_masked(unit, layout)
    )
    is_to_prepare = (
        is_changed
        or not is_complete
        or _lacks_directories(layout)
        or (
            layout.is_here and _systemd.needs_reload(layout.systemctl, _units.INSTANCES)
        )
    )
    return Installation(
        layout=layout,
        dry_run=dry_run,
        changes=changes,
        verified=verified,
        commands=(
            *(preparing(layout) if is_to_prepare else ()),
            *(((*layout.systemctl, "enable", *to_enable),) if to_enable else ()),
        ),
        notes=tuple(_notes(layout)),
        systemd=version,
        begun=Manifest(
            version=__version__,
            systemd=version,
            complete=False,
            files=tuple(sorted({*known, *(file.path for file in files)})),
            enabled=enabled,
        ),
        enabled=(*enabled, *to_enable),
        files=tuple(file.path for file in files),
    )


def commit(done: Installation) -> None:
    """
    Do it.

    Raises:
        ShoonyaError: A file could not be written, or a program of systemd's failed.
            Doing it again goes on from there.
    """
    layout = done.layout
    is_changed = any(c.kind is not _units.Kind.UNCHANGED for c in done.changes)
    if not is_changed and not done.commands:
        return
    try:
        _manifest.write(layout, done.begun)
        _units.apply(done.changes)
        _units.sweep(layout)
        for command in done.commands:
            _systemd.run(command)
        _manifest.write(
            layout,
            replace(done.begun, complete=True, files=done.files, enabled=done.enabled),
        )
    except OSError as e:
        raise ShoonyaError(
            f"cannot write {e.filename}: {e.strerror}",
            hint="run as root, or give another --root",
        ) from e


def preparing(layout: Layout) -> tuple[tuple[str, ...], ...]:
    """Return what systemd must be told once files have changed."""
    if not layout.is_here:
        # Its own boot makes the user and the directories.
        return ()
    reload = (*layout.systemctl, "daemon-reload")
    if layout.user:
        return (reload,)
    return (
        ("systemd-sysusers", f"/{SYSUSERS}"),
        ("systemd-tmpfiles", "--create", f"/{TMPFILES}"),
        ("journalctl", "--update-catalog"),
        reload,
    )


def _lacks_directories(layout: Layout) -> bool:
    places = (layout.state, layout.logs, layout.credentials, layout.runtime)
    return (
        layout.is_here
        and not layout.user
        and not all(place.is_dir() for place in places)
    )


def _notes(layout: Layout) -> list[str]:
    if not layout.user:
        return []
    shipped = _units.shipped_dir() / "shoonya@.service"
    keys = ", ".join(f"{k}=" for k in _rendering.left_out(shipped.read_text("utf-8")))
    notes = [
        "a user's own systemd can keep the services apart from each other less well; "
        f"left out: {keys}"
    ]
    name = pwd.getpwuid(os.getuid()).pw_name
    if not Path("/var/lib/systemd/linger", name).exists():
        notes.append(
            "they start when you log in and end when you log out, until: "
            f"sudo loginctl enable-linger {name}"
        )
    return notes
