"""
Where the unit files lie, what installing them changes, and whether they verify.

Everything up to `apply` only looks: a plan is a list of `Change`, which can be
shown as a difference or carried out.
"""

import difflib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.errors import ShoonyaError

TARGET = "shoonya.target"
FAILURE_PATH = "shoonya-failure.path"
INSTANCES = tuple(f"shoonya@{name}.service" for name in COMPONENTS)

UNIT_DIR = "etc/systemd/system"
SYSUSERS = "etc/sysusers.d/shoonya.conf"
TMPFILES = "etc/tmpfiles.d/shoonya.conf"
CATALOG = "usr/local/lib/systemd/catalog/shoonya.catalog"

DEFAULT_PYTHON = "/opt/shoonya/venv/bin/python"

#: First line of every file we install.  By it we know ours again, to remove what
#: is no longer shipped, and leave alone what the operator put beside it.
MARK = "# Written by 'shoonyactl install-units'; for changes use 'systemctl edit'."


class Kind(StrEnum):
    """What happens to one file."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFile:
    """One file as it should stand, its path relative to the root."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to the file at *path*; text None means that it is not there."""

    kind: Kind
    path: Path
    before: str | None
    after: str | None

    @property
    def diff(self) -> str:
        """The difference as `diff -u` prints it; empty when nothing changes."""
        return "".join(
            difflib.unified_diff(
                (self.before or "").splitlines(keepends=True),
                (self.after or "").splitlines(keepends=True),
                "/dev/null" if self.before is None else str(self.path),
                "/dev/null" if self.after is None else str(self.path),
            )
        )


def shipped_dir() -> Path:
    """Return the folder of the unit files: in the package, or in the checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "units", package.parents[1] / "units"):
        if (folder / "shoonya@.service").is_file():
            return folder
    raise ShoonyaError(
        f"the unit files are missing from {package / 'units'}",
        hint="install the package again",
    )


def shipped_files(
    folder: Path | None = None, *, python: str = DEFAULT_PYTHON
) -> list[UnitFile]:
    """
    Return every file to install, as it should stand.

    Args:
        folder: Where they are shipped; None means `shipped_dir()`.

        python: The interpreter of the virtual environment the services run in.
    """
    folder = shipped_dir() if folder is None else folder
    places = {
        "shoonya.sysusers": SYSUSERS,
        "shoonya.tmpfiles": TMPFILES,
        "shoonya.catalog": CATALOG,
    }
    files = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        text = path.read_text(encoding="utf-8").replace(DEFAULT_PYTHON, python)
        files.append(
            UnitFile(
                path=places.get(name, f"{UNIT_DIR}/{name}"), text=f"{MARK}\n{text}"
            )
        )
    return files


def plan(wanted: Iterable[UnitFile], root: Path) -> list[Change]:
    """
    Compare what should stand below *root* with what stands there.

    Files of ours that are wanted no longer are to be removed.
    """
    changes = []
    for file in wanted:
        path = root / file.path
        before = _read(path)
        if before is None:
            kind = Kind.CREATED
        else:
            kind = Kind.UNCHANGED if before == file.text else Kind.UPDATED
        changes.append(Change(kind=kind, path=path, before=before, after=file.text))
    kept = {change.path for change in changes}
    changes += [
        Change(kind=Kind.REMOVED, path=path, before=_read(path), after=None)
        for path in installed_files(root)
        if path not in kept
    ]
    return changes


def installed_files(root: Path) -> list[Path]:
    """Return the files below *root* that carry our mark."""
    unit_dir = root / UNIT_DIR
    candidates = [
        *unit_dir.glob("shoonya*"),
        *unit_dir.glob("shoonya*.d/*"),
        root / SYSUSERS,
        root / TMPFILES,
        root / CATALOG,
    ]
    return sorted(
        path
        for path in candidates
        if path.is_file()
        and not path.is_symlink()
        and (_read(path) or "").startswith(MARK)
    )


def apply(changes: Iterable[Change]) -> None:
    """
    Carry out a plan, each file at once or not at all.

    Raises:
        ShoonyaError: A file could not be written; the ones before it are.
    """
    for change in changes:
        try:
            if change.kind is Kind.REMOVED:
                change.path.unlink(missing_ok=True)
                _remove_if_empty(change.path.parent)
            elif change.after is not None and change.kind is not Kind.UNCHANGED:
                _write(change.path, change.after)
        except OSError as e:
            raise ShoonyaError(
                f"cannot write {change.path}: {e.strerror}",
                hint="run as root, or give another --root",
            ) from e


def can_verify() -> bool:
    return shutil.which("systemd-analyze") is not None


def verify(files: Sequence[UnitFile]) -> str:
    """
    Let systemd read the units before they are installed.

    `systemd-analyze verify` exits 0 for a key it does not know and merely says so:
    only silence counts.  It looks for the interpreter too, which may not be there
    yet, so a program that exists stands in for it.

    Returns:
        What systemd objects to; empty when all is well.
    """
    with tempfile.TemporaryDirectory(prefix="shoonya-units-") as name:
        folder = Path(name)
        for file in files:
            if not file.path.startswith(f"{UNIT_DIR}/"):
                continue
            path = folder / file.path.removeprefix(f"{UNIT_DIR}/")
            path.parent.mkdir(exist_ok=True)
            lines = [
                re.sub(r"^(Exec\w+=).*", r"\1/bin/true", line)
                for line in file.text.splitlines()
            ]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            if path.name == "shoonya@.service":
                # Given a template, verify tries an instance that has no drop-ins.
                for instance in INSTANCES:
                    shutil.copyfile(path, folder / instance)
        units = sorted(str(p) for p in folder.iterdir() if _is_startable(p))
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *units],
            env={
                **os.environ,
                # Ours, and the distribution's; not what is installed already.
                "SYSTEMD_UNIT_PATH": f"{folder}:/usr/local/lib/systemd/system"
                ":/usr/lib/systemd/system:/lib/systemd/system",
                "SYSTEMD_LOG_TARGET": "console",
                "SYSTEMD_COLORS": "0",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = (done.stderr + done.stdout).replace(f"{folder}/", "").strip()
    if done.returncode != 0 and not said:
        return f"systemd-analyze verify ended with {done.returncode}"
    return said


def is_masked(unit: str, root: Path) -> bool:
    """Say whether the operator has masked a unit, so that it must not be enabled."""
    path = root / UNIT_DIR / unit
    return path.is_symlink() and path.readlink() == Path(os.devnull)


def _is_startable(path: Path) -> bool:
    return path.is_file() and "@." not in path.name


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise ShoonyaError(
            f"cannot read {path}: {e.strerror}", hint="run as root"
        ) from e


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The dot and the ending keep systemd from taking half a file for a unit.
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o644)
    temporary.replace(path)


def _remove_if_empty(folder: Path) -> None:
    # A drop-in directory that holds something of the operator's stays.
    if folder.name.endswith(".d") and folder.name.startswith("shoonya"):
        try:
            folder.rmdir()
        except OSError:
            return
