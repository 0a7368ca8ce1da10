"""
What a backup holds: a gzipped tar of the databases and the configuration.

The databases are copied by SQLite, page by page, while the services use them: one
moment's state each.  No secret is in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from shoonya_platform import __version__
from shoonya_platform.config.settings import Settings
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.store import sqlite_upkeep
from shoonya_platform.store.accounts import is_store_name, stores_in

FOLDER = Path("/var/backups/shoonya")

MANIFEST = "manifest.json"
PAPER, CONFIG = "paper.db", "shoonya.toml"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the archive says of itself."""

    format: int
    made_at: str  #: ISO 8601, UTC
    version: str  #: of the platform that made it
    sha256: Mapping[str, str]  #: of each file, by its name in the archive


def sources(settings: Settings, config_path: Path | None) -> dict[str, Path]:
    """Return what there is to keep, by its name in the archive."""
    places: dict[str, Path | None] = {
        path.name: path for path in stores_in(settings.paths.state_dir)
    }
    places |= {PAPER: settings.paper_path, CONFIG: config_path}
    return {name: path for name, path in places.items() if path and path.exists()}


def write(folder: Path, sources: Mapping[str, Path], now: datetime) -> Path:
    """
    Make a backup in *folder*, whole or not at all; return its path.

    Raises:
        StoreError: A database cannot be read.
        ShoonyaError: The disk is full, or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"shoonya-{now:%Y%m%d-%H%M%S}.tar.gz"
    unfinished = target.with_name(f".{target.name}.new")
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".copy-") as name:
            contents = {
                each: _copy(path, Path(name) / each) for each, path in sources.items()
            }
            manifest = Manifest(
                format=_FORMAT,
                made_at=now.isoformat(),
                version=__version__,
                sha256={each: _sha256(path) for each, path in contents.items()},
            )
            with (
                os.fdopen(os.open(unfinished, _NEW, 0o600), "wb") as file,
                tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive,
            ):
                said = json.dumps(asdict(manifest), indent=2).encode()
                entry = tarfile.TarInfo(MANIFEST)
                entry.size, entry.mode = len(said), 0o600
                archive.addfile(entry, io.BytesIO(said))
                for each, path in contents.items():
                    archive.add(path, each)
            _flush(unfinished)
        unfinished.replace(target)
        _flush(folder)
    except OSError as e:
        raise ShoonyaError(f"cannot write to '{folder}': {e.strerror or e}") from e
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest *keep* backups; return those that went."""
    # Their names sort as their times do.
    old = sorted(folder.glob("shoonya-*.tar.gz"))[: -keep or None]
    for path in old:
        path.unlink(missing_ok=True)
    return old


def unpack(path: Path, folder: Path) -> tuple[Manifest, dict[str, Path]]:
    """
    Unpack a backup, and see that all of it is whole.

    Returns:
        The manifest, and the files in *folder* by their names in the archive.

    Raises:
        ShoonyaError: It is no backup of ours, or damaged; the sentence says how.
    """
    try:
        files = dict[str, Path]()
        with tarfile.open(path) as archive:
            said = archive.extractfile(MANIFEST)
            manifest = Manifest(**json.loads(said.read() if said else b""))
            # Of an archive that somebody else may have made: only names that we
            # know, each as a plain file.
            for name in sorted(filter(_is_known, manifest.sha256)):
                content = archive.extractfile(name)
                if content is None:
                    raise ShoonyaError(f"'{path}' is no backup: '{name}' is no file")
                files[name] = folder / name
                with files[name].open("wb") as file:
                    while chunk := content.read(1 << 20):
                        file.write(chunk)
    except FileNotFoundError as e:
        raise ShoonyaError(
            f"there is no backup '{path}'", hint=f"see those there are: ls {FOLDER}"
        ) from e
    except (tarfile.TarError, EOFError) as e:
        raise ShoonyaError(
            f"'{path}' is not a backup: it is not a complete tar archive",
            hint=f"see those there are: ls {FOLDER}",
        ) from e
    except (KeyError, ValueError, TypeError) as e:
        raise ShoonyaError(
            f"'{path}' is not a backup: it has no manifest, or lacks what that lists",
            hint=f"see those there are: ls {FOLDER}",
        ) from e
    except OSError as e:
        raise ShoonyaError(f"'{path}' cannot be read: {e.strerror or e}") from e
    if manifest.format != _FORMAT or not stores(files):
        raise ShoonyaError(
            f"'{path}' was made by version {manifest.version}, which this one cannot "
            "read",
            hint="restore it with that version",
        )
    for name, unpacked in files.items():
        if _sha256(unpacked) != manifest.sha256[name]:
            raise ShoonyaError(f"'{path}' is damaged: '{name}' is not what was kept")
        if name != CONFIG:
            _check(path, name, unpacked)
    return manifest, files


def stores(names: Iterable[str]) -> list[str]:
    """Return the names of those that are order stores."""
    return sorted(filter(is_store_name, names))


def _is_known(name: str) -> bool:
    return name in (PAPER, CONFIG) or is_store_name(name)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _copy(source: Path, target: Path) -> Path:
    if source.suffix == ".db":
        sqlite_upkeep.copy(source, target)
    else:
        target.write_bytes(source.read_bytes())
    return target


def _check(path: Path, name: str, file: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(file)) as copy:
            said = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as e:
        said = str(e)
    if said != "ok":
        raise ShoonyaError(f"'{path}' is of no use: '{name}' was damaged then: {said}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
