"""
The machine as the checks see it, through one port that a test can make up.

A check asks only this: so each can be held against a world that has its fault.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from shoonya_platform.config.settings import Settings
from shoonya_platform.ctl import _layout, _units
from shoonya_platform.ctl.asking import user_name
from shoonya_platform.services.findings import Level
from shoonya_platform.services.units import (
    BOOTED,
    ServiceView,
    Supervisor,
    read_services,
)

COMMAND_SECONDS = 20.0

SERVICE_USER = "shoonya"


class Unseen(Exception):
    """This user may not look there; the message says where."""


def ok(sentence: str) -> tuple[Level, str, str]:
    return Level.OK, sentence, ""


def is_there(path: Path) -> bool:
    """
    Say whether a path exists.

    Raises:
        PermissionError: This user may not see that.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


#: What a check returns: level, sentence, and the command that mends it.
Verdict = tuple[Level, str, str]

#: Runs a command and returns its standard output; None if it is missing or failed.
Run = Callable[[Sequence[str]], str | None]


def run(command: Sequence[str]) -> str | None:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=COMMAND_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody, by name and number."""

    name: str
    uid: int
    groups: frozenset[str] = frozenset()
    gids: frozenset[int] = frozenset()

    @classmethod
    def named(cls, name: str) -> User | None:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        gids = frozenset(os.getgrouplist(name, entry.pw_gid))
        names = {each.gr_name for each in grp.getgrall() if each.gr_gid in gids}
        return cls(name=name, uid=entry.pw_uid, groups=frozenset(names), gids=gids)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a check may ask of the machine."""

    settings: Settings
    config_path: Path | None
    views: Sequence[ServiceView]
    user: User  #: who asks; behind sudo, the one who said it
    service_user: User | None  #: who the services run as
    is_root: bool
    has_systemd: bool
    is_installed: bool  #: our units are on this machine
    root: Path = Path("/")
    now: datetime = field(default_factory=lambda: datetime.now().astimezone())
    run: Run = run
    free_bytes: Callable[[Path], tuple[int, int]] = field(
        default=lambda path: (
            shutil.disk_usage(path).total,
            shutil.disk_usage(path).free,
        )
    )
    #: Of the program that the services run with.
    python: str = _units.DEFAULT_PYTHON

    @property
    def utc_offset(self) -> timedelta:
        return self.now.utcoffset() or timedelta()

    @property
    def with_units(self) -> bool:
        """Whether systemd runs the services here, and not `shoonyactl up`."""
        managed = any(view.supervisor is Supervisor.MANAGER for view in self.views)
        return self.has_systemd and self.is_installed and not managed

    def at(self, path: str | Path) -> Path:
        """Return an absolute path as it is found below this world's root."""
        return self.root / str(path).lstrip("/")

    def read(self, path: str | Path) -> str | None:
        """
        Return a file's text, None if there is none.

        Raises:
            PermissionError: This user may not read it.
        """
        try:
            return self.at(path).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return a unit's properties as systemd has them."""
        said = self.run(
            ["systemctl", "show", f"--property={','.join(properties)}", unit]
        )
        lines = (said or "").splitlines()
        return {line.split("=", 1)[0]: line.split("=", 1)[-1] for line in lines}


def this_machine(settings: Settings, config_path: Path | None) -> World:
    """Return the real world."""
    root = Path("/")
    asked_by = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    me = user_name(os.geteuid())
    service_user = User.named(SERVICE_USER)
    template = root / _layout.UNIT_DIR / "shoonya@.service"
    installed = _installed_python(template)
    state_dir = settings.paths.state_dir
    if installed is None and state_dir.exists():
        # `shoonyactl up` runs them as whoever owns the state.
        service_user = User.named(user_name(state_dir.stat().st_uid))
    return World(
        settings=settings,
        config_path=config_path,
        views=read_services(settings.paths.runtime_dir),
        user=User.named(asked_by or me) or User(name=me, uid=os.geteuid()),
        service_user=service_user,
        is_root=os.geteuid() == 0,
        has_systemd=BOOTED.exists(),
        is_installed=installed is not None,
        python=installed or sys.executable,
    )


def _installed_python(template: Path) -> str | None:
    try:
        text = template.read_text(encoding="utf-8")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("ExecStart="):
            return line.removeprefix("ExecStart=").split()[0]
    return None
