"""What may be done with the files of all components: rotate, find, describe them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.directory import summary
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.in_force import current

#: Old files kept of each, where nobody says how many.
BACKUP_COUNT = 10


def rotate_logs(
    log_dir: str | os.PathLike[str] | None = None,
    components: Iterable[str] | None = None,
) -> dict[str, str]:
    """
    Begin a new file for each component that has written something.

    Safe while the services run, from another process too.

    Args:
        log_dir: Where the files are; None: where this process's set-up put them.

        components: Whose files; None: those of the set-up, ours without one.

    Returns:
        By component, for each file with something in it, `Rotated: <path of the
        backup>` or `Failed to rotate: <why>`.
    """
    result = {}
    for component, path in get_log_files(log_dir, components).items():
        if not path.exists():
            continue
        file = _file_in_use(component, path)
        try:
            backup = file.rotate()
        except OSError as e:
            result[component] = f"Failed to rotate: {e.strerror or e}"
        else:
            if backup is not None:
                result[component] = f"Rotated: {backup}"
    return result


def get_log_files(
    log_dir: str | os.PathLike[str] | None = None,
    components: Iterable[str] | None = None,
) -> dict[str, Path]:
    """
    Return the live file of each component, whether or not it exists yet.

    Args:
        log_dir: Where the files are; None: where this process's set-up put them.
            Without a set-up there are none.

        components: Whose files; None: those of the set-up, ours without one.
    """
    setup = current()
    if log_dir is None:
        if setup is None or setup.directory is None:
            return {}
        log_dir = setup.directory
    if components is None:
        components = COMPONENTS if setup is None else setup.components
    return {name: Path(log_dir) / f"{name}.log" for name in components}


def export_logs_summary(
    log_dir: str | os.PathLike[str] | None = None,
    components: Iterable[str] | None = None,
) -> dict[str, dict[str, object]]:
    """
    Describe each component's file: how large, how many lines and backups.

    Args:
        log_dir: Where the files are; None: where this process's set-up put them.

        components: Whose files; None: those of the set-up, ours without one.

    Returns:
        By component `path`, `exists`, and for existing files `size_mb`,
        `size_bytes`, `lines`, `backups` and `total_bytes` with the backups.
    """
    files = get_log_files(log_dir, components)
    return {name: summary(path) for name, path in files.items()}


def _file_in_use(component: str, path: Path) -> LogFile:
    """Return this process's own object for *path*, if it writes that file."""
    setup = current()
    if setup is not None:
        used = setup.handler.files().get(component)
        if used is not None and used.path == os.path.realpath(path):
            return used
    backup_count = setup.backup_count if setup is not None else BACKUP_COUNT
    return LogFile(str(path), max_bytes=0, backup_count=backup_count)
