"""What a machine is made of: unit files, versions, and how full the databases are."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path

from shoonya_platform import __version__
from shoonya_platform.config.settings import Settings
from shoonya_platform.ctl import _layout, _systemd
from shoonya_platform.ctl._systemd import run
from shoonya_platform.ctl.context import store_path
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.logging.redaction import REPLACEMENT
from shoonya_platform.store import sqlite_upkeep
from shoonya_platform.store.accounts import FIRST

#: Where systemd looks for units and drop-ins, those made at run time too.
UNIT_FOLDERS = (
    Path("/", _layout.UNIT_DIR),
    Path("/etc/systemd/system.control"),
    Path("/run/systemd/system"),
    Path("/run/systemd/system.control"),
)
_PATTERNS = ("shoonya*", "shoonya*.d/*")
# In doubt too much: a variable with such a name, whatever it is of.
_ASSIGNMENT = re.compile(
    r"\b(\w*(?:TOKEN|SECRET|PASS|KEY|PWD|URLS|HASH|TOTP)\w*=)"
    r"(\"[^\"]*\"?|'[^']*'?|[^\s\"']+)"
)
_CREDENTIAL = re.compile(
    r"^(\s*SetCredential(?:Encrypted)?=[^:\n]*:)(?:.*\\\n)*.*$", re.MULTILINE
)


def unit_files() -> tuple[dict[str, str], dict[str, str]]:
    """Return units and drop-ins by path, and why others could not be read."""
    texts: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for folder in (*UNIT_FOLDERS, _layout.of_user().unit_dir):
        try:
            paths = [path for pattern in _PATTERNS for path in folder.glob(pattern)]
            paths = sorted(path for path in paths if path.is_file())
        except OSError as e:
            unreadable[str(folder)] = (e.strerror or str(e)).lower()
            continue
        for path in paths:
            try:
                texts[str(path)] = path.read_text(encoding="utf-8", errors="replace")
            except OSError as e:
                unreadable[str(path)] = (e.strerror or str(e)).lower()
    return texts, unreadable


def without_assignments(unit: str) -> str:
    """Return a unit's text without the values that look secret by their names."""
    unit = _ASSIGNMENT.sub(rf"\1{REPLACEMENT}", unit)
    return _CREDENTIAL.sub(rf"\1{REPLACEMENT}", unit)


def versions() -> dict[str, object]:
    """Return what runs here."""
    try:
        release = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        release = ""
    try:
        systemd = run(("systemctl", "--version")).splitlines()[0]
    except (ShoonyaError, IndexError):
        systemd = ""
    return {
        "shoonya_platform": __version__,
        "python": sys.version,
        "executable": sys.executable,
        "systemd": systemd or _systemd.version(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "os": release,
        "sqlite": sqlite3.sqlite_version,
        "packages": dict(
            sorted(
                (found.metadata["Name"], found.version)
                for found in importlib.metadata.distributions()
            )
        ),
    }


def databases(settings: Settings) -> Mapping[str, object]:
    """
    Return schema, sizes and how many rows each table has; no row.

    Raises:
        StoreError: One cannot be read.
    """
    found: dict[str, object] = {}
    # Not by the file's name, which may have the user's id.
    paper = settings.paper_path
    for name, path in ((FIRST, store_path(settings)), (paper.name, paper)):
        if not path.exists():
            found[name] = "there is none"
            continue
        files = [path, path.with_name(f"{path.name}-wal")]
        sizes = {
            each.name.replace(path.name, name): each.stat().st_size
            for each in files
            if each.exists()
        }
        found[name] = {**sqlite_upkeep.facts(path), "bytes": sizes}
    return found
