"""Where the units and what belongs to them lie: on a machine, or with one user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

UNIT_DIR = "etc/systemd/system"
SYSUSERS = "etc/sysusers.d/shoonya.conf"
TMPFILES = "etc/tmpfiles.d/shoonya.conf"
CATALOG = "usr/local/lib/systemd/catalog/shoonya.catalog"

#: What the shipped units name; a user's own get other places.
CONFIG = "/etc/shoonya/shoonya.toml"
STATE = "/var/lib/shoonya"
HOME = "/opt/shoonya"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """
    All places of one installation, as they are called on that machine.

    Args:
        root: Where that machine's disk is mounted here; `/` for this machine.
    """

    root: Path
    user: bool = False  #: one user's own manager, without root
    unit_dir: Path = Path("/", UNIT_DIR)
    config: Path = Path(CONFIG)
    credentials: Path = Path("/etc/shoonya/credentials")
    state: Path = Path(STATE)
    logs: Path = Path(HOME, "logs")
    runtime: Path = Path("/run/shoonya")
    home: Path = Path(HOME)  #: the program, and what is noted of its installation

    @property
    def is_here(self) -> bool:
        return self.root == Path("/")

    @property
    def systemctl(self) -> tuple[str, ...]:
        if not self.is_here:
            return ("systemctl", f"--root={self.root}")
        return ("systemctl", "--user") if self.user else ("systemctl",)

    @property
    def sudo(self) -> str:
        """What stands before a command in a hint."""
        return "" if self.user else "sudo "

    def below(self, path: Path | str) -> Path:
        """Return where a place of that machine's is found from here."""
        return self.root / str(path).lstrip("/")


def of_machine(root: Path = Path("/")) -> Layout:
    return Layout(root=root)


def of_user(environ: Mapping[str, str] | None = None) -> Layout:
    """Return the places of the user who asks, as XDG has them."""
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME") or Path.home())

    def place(variable: str, default: str) -> Path:
        # XDG: what is no absolute path is to be ignored.
        given = environ.get(variable, "")
        return Path(given) if given.startswith("/") else home / default

    config, state = place("XDG_CONFIG_HOME", ".config"), "XDG_STATE_HOME"
    state_dir = place(state, ".local/state") / "shoonya"
    return Layout(
        root=Path("/"),
        user=True,
        unit_dir=config / "systemd" / "user",
        config=config / "shoonya" / "shoonya.toml",
        credentials=config / "shoonya" / "credentials",
        state=state_dir,
        logs=state_dir / "logs",
        # Not $XDG_RUNTIME_DIR: it is not set where one came by `sudo -u`.
        runtime=Path(f"/run/user/{os.getuid()}/shoonya"),
        home=place("XDG_DATA_HOME", ".local/share") / "shoonya",
    )
