"""
The unit files as they should stand, and what installing them changes.

Everything up to `apply` only looks: a plan is a list of `Change`, which can be
shown as a difference or carried out.
"""

import contextlib
import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import _rendering
from shoonya_platform.ctl._layout import (
    CATALOG,
    SYSUSERS,
    TMPFILES,
    Layout,
    of_machine,
)
from shoonya_platform.errors import ShoonyaError

TARGET = "shoonya.target"
FAILURE_PATH = "shoonya-failure.path"
INSTANCES = tuple(f"shoonya@{name}.service" for name in COMPONENTS)

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
    folder: Path | None = None,
    *,
    python: str = DEFAULT_PYTHON,
    version: int = _rendering.OLDEST_SYSTEMD,
    layout: Layout | None = None,
) -> list[UnitFile]:
    """
    Return every file to install, as it should stand.

    Args:
        folder: Where they are shipped; None means `shipped_dir()`.

        python: The interpreter of the virtual environment the services run in.

        version: Of the systemd that is to read them.
    """
    folder = shipped_dir() if folder is None else folder
    layout = layout or of_machine()
    places = {
        "shoonya.sysusers": SYSUSERS,
        "shoonya.tmpfiles": TMPFILES,
        "shoonya.catalog": CATALOG,
    }
    unit_dir = str(layout.unit_dir).lstrip("/")
    files = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if layout.user and not _rendering.is_for_users(name):
            continue
        text = _rendering.render(
            path.read_text(encoding="utf-8"),
            version=version,
            layout=layout,
            python=python,
        )
        files.append(
            UnitFile(
                path=places.get(name, f"{unit_dir}/{name}"), text=f"{MARK}\n{text}"
            )
        )
    return files


def plan(
    wanted: Iterable[UnitFile], layout: Layout, recorded: Iterable[str] = ()
) -> list[Change]:
    """
    Compare what should stand with what stands there.

    Files of ours that are wanted no longer are to be removed.

    Args:
        recorded: Files that an earlier installation wrote, wherever it did.
    """
    changes = []
    for file in wanted:
        path = layout.below(file.path)
        before = _read(path)
        if before is None:
            kind = Kind.CREATED
        else:
            kind = Kind.UNCHANGED if before == file.text else Kind.UPDATED
        changes.append(Change(kind=kind, path=path, before=before, after=file.text))
    kept = {change.path for change in changes}
    changes += [
        Change(kind=Kind.REMOVED, path=path, before=_read(path), after=None)
        for path in installed_files(layout, recorded)
        if path not in kept
    ]
    return changes


def installed_files(layout: Layout, recorded: Iterable[str] = ()) -> list[Path]:
    """Return the files that carry our mark."""
    unit_dir = layout.below(layout.unit_dir)
    candidates = {
        *unit_dir.glob("shoonya*"),
        *unit_dir.glob("shoonya*.d/*"),
        *(layout.below(path) for path in recorded),
    }
    if not layout.user:
        candidates |= {layout.below(path) for path in (SYSUSERS, TMPFILES, CATALOG)}
    return sorted(
        path
        for path in candidates
        if path.is_file()
        and not path.is_symlink()
        and (_read(path) or "").startswith(MARK)
    )


def apply(changes: Iterable[Change]) -> None:
    """
    Carry out a plan: first all is written beside its place, then put there at once.

    Raises:
        ShoonyaError: A file could not be written; nothing was changed, or with a
            disk that fails in between, what an installation that is done again mends.
    """
    changes = list(changes)
    staged = []
    try:
        for change in changes:
            if change.kind in (Kind.CREATED, Kind.UPDATED) and change.after is not None:
                staged.append((_staged(change.path), change.path))
                _write(*staged[-1], change.after)
        for temporary, path in staged:
            temporary.replace(path)
        for change in changes:
            if change.kind is Kind.REMOVED:
                change.path.unlink(missing_ok=True)
                _remove_if_empty(change.path.parent)
    except OSError as e:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise ShoonyaError(
            f"cannot write {e.filename}: {e.strerror}",
            hint="run as root, or give another --root",
        ) from e


def sweep(layout: Layout) -> None:
    """Remove what one that was killed had only begun to write, or not quite removed."""
    unit_dir = layout.below(layout.unit_dir)
    for path in (*unit_dir.glob(".shoonya*.new"), *unit_dir.glob("shoonya*.d/.*.new")):
        path.unlink(missing_ok=True)
    for folder in unit_dir.glob("shoonya@*.service.d"):
        _remove_if_empty(folder)


def started_with_the_target(layout: Layout) -> list[str]:
    """Return the services that are enabled, in start order."""
    wants = layout.below(layout.unit_dir) / f"{TARGET}.wants"
    return [
        name
        for name, unit in zip(COMPONENTS, INSTANCES, strict=True)
        if (wants / unit).is_symlink() and not is_masked(unit, layout)
    ]


def is_masked(unit: str, layout: Layout) -> bool:
    """Say whether the operator has masked a unit, so that it must not be enabled."""
    path = layout.below(layout.unit_dir) / unit
    return path.is_symlink() and path.readlink() == Path(os.devnull)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise ShoonyaError(
            f"cannot read {path}: {e.strerror}", hint="run as root"
        ) from e


def _staged(path: Path) -> Path:
    # The dot and the ending keep systemd from taking half a file for a unit.
    return path.with_name(f".{path.name}.new")


def _write(temporary: Path, path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        # Else a power cut after the renaming may leave an empty unit.
        os.fsync(file.fileno())
    temporary.chmod(0o644)


def _remove_if_empty(folder: Path) -> None:
    # A drop-in directory that holds something of the operator's stays.
    if folder.name.endswith(".d") and folder.name.startswith("shoonya"):
        with contextlib.suppress(OSError):
            folder.rmdir()
