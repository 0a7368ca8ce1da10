"""The directory of the log files: usable at set-up, listed and summed up later."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import re
from collections.abc import Iterable
from pathlib import Path

from shoonya_platform.logging.chain import DIRECTORY_MODE
from shoonya_platform.logging.errors import LogDirectoryError

_NOT_SUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
# A full disk is no reason not to start: the journal still has every line.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def usable_directory(log_dir: str | os.PathLike[str], files: Iterable[str]) -> str:
    """
    Return the absolute path of *log_dir*, made if it did not exist.

    Args:
        log_dir: Where the log files are or will be.

        files: Names that must be writable if they exist already.

    Raises:
        LogDirectoryError: Records could not be written there.
    """
    path = os.path.abspath(log_dir)
    try:
        os.makedirs(path, DIRECTORY_MODE, exist_ok=True)
    except FileExistsError as e:
        raise LogDirectoryError(
            f"log directory '{path}' is not a directory",
            hint="choose another log_dir, or move that file away",
        ) from e
    except OSError as e:
        raise LogDirectoryError(
            f"log directory '{path}' cannot be created: {_why(e)}",
            hint=f"create it for {_user()}, or choose another log_dir",
        ) from e
    try:
        _try_to_write(path)
    except OSError as e:
        raise LogDirectoryError(
            f"log directory '{path}' cannot be written: {_why(e)}",
            hint=f"make it writable for {_user()}, or choose another log_dir",
        ) from e
    for name in files:
        file = os.path.join(path, name)
        if os.path.isdir(file):
            raise LogDirectoryError(
                f"log file '{file}' is a directory", hint="move it away"
            )
        if os.path.exists(file) and not os.access(file, os.W_OK, effective_ids=True):
            raise LogDirectoryError(
                f"log file '{file}' cannot be written: permission denied",
                hint=f"give it to {_user()}: was it made by another user?",
            )
    return path


def summary(path: Path) -> dict[str, object]:
    """
    Describe one live file and its backups.

    Returns:
        `path` and `exists`; for an existing file also `size_mb`, `size_bytes`,
        `lines`, `backups` (how many) and `total_bytes` (with the backups).
    """
    found: dict[str, object] = {"path": str(path), "exists": path.exists()}
    if not found["exists"]:
        return found
    backups = _backups(path)
    size = path.stat().st_size
    found["size_mb"] = round(size / (1024 * 1024), 2)
    found["size_bytes"] = size
    found["lines"] = _line_count(path)
    found["backups"] = len(backups)
    found["total_bytes"] = size + sum(backups)
    return found


def _try_to_write(path: str) -> None:
    # A file without a name: nothing is left behind, even by a kill.
    try:
        os.close(os.open(path, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as e:
        if e.errno in _FULL:
            return
        if e.errno not in _NOT_SUPPORTED:
            raise
        # The file system knows no such files: one with a name, then.
        probe = os.path.join(path, f".probe.{os.getpid()}")
        os.close(os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        os.unlink(probe)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _user() -> str:
    number = os.geteuid()
    try:
        return f"user '{pwd.getpwuid(number).pw_name}'"
    except KeyError:
        return f"user id {number}"


def _backups(path: Path) -> list[int]:
    """Return the sizes of all backups in bytes."""
    pattern = re.compile(re.escape(path.name) + r"\.[0-9]+(\.zst)?")
    sizes = []
    for candidate in path.parent.iterdir():
        if pattern.fullmatch(candidate.name):
            # It may be rotated away just now.
            with contextlib.suppress(FileNotFoundError):
                sizes.append(candidate.stat().st_size)
    return sizes


def _line_count(path: Path) -> int:
    lines = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
    return lines
