"""Makes a release of what an operator named: a wheel, a folder, a version."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from shoonya_platform.ctl._releases import Releases
from shoonya_platform.errors import ShoonyaError

NAME = "shoonya-platform"
_WHEEL = re.compile(r"shoonya_platform-([\w.+!]+)-[^-]+-[^-]+-[^-]+\.whl")

#: The pinned dependencies that a wheel of ours carries.
_PINNED = "shoonya_platform/requirements"


def find(source: str, releases: Releases, scratch: Path) -> str | Path:
    """
    Find what is meant.

    Args:
        source: A wheel, a checkout, a folder with a wheel, a release that is there
            already, or a version.

        scratch: An empty folder for a wheel that has to be made or fetched.

    Returns:
        The id of a release that is there, or a wheel.

    Raises:
        ShoonyaError: There is no such thing.
    """
    path = Path(source)
    if path.resolve().parent == releases.folder.resolve() and path.is_dir():
        source = path.name
    if releases.is_ready(source):
        return source
    if path.is_file():
        return path
    if path.is_dir():
        if (path / "pyproject.toml").is_file():
            return _built(path, releases, scratch)
        return _only_wheel(path)
    if "/" in source or source.endswith(".whl"):
        raise ShoonyaError(f"there is no '{source}'", hint="see shoonyactl upgrade -h")
    return _fetched(source, releases, scratch)


def build(wheel: Path, releases: Releases) -> str:
    """
    Make a virtual environment of a wheel and what it is pinned to; return its id.

    Raises:
        ShoonyaError: It is no wheel of ours, or pip failed; pip's words are in the
            message.  What is in use is not touched.
    """
    match = _WHEEL.fullmatch(wheel.name)
    if match is None:
        raise ShoonyaError(
            f"'{wheel.name}' is no wheel of {NAME}",
            hint="it is called shoonya_platform-VERSION-py3-none-any.whl",
        )
    content = hashlib.sha256(wheel.read_bytes() + sys.version.encode())
    release = f"{match[1]}-{content.hexdigest()[:12]}"
    if releases.is_ready(release):
        return release
    folder = releases.path(release)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    before = os.umask(0o022)  # the services' user must be able to read it
    try:
        _extract(wheel, folder / "requirements")
        _call([_base_python(), "-m", "venv", str(folder)])
        pip = [releases.program(release, "python"), *_PIP]
        if not _take_over(releases.path(releases.current()), folder):
            beside = ["--find-links", str(wheel.parent.resolve())]
            for lock, options in (("build", []), ("runtime", ["--no-build-isolation"])):
                lines = str(folder / "requirements" / f"{lock}.txt")
                _call([*pip, *beside, *options, "--require-hashes", "-r", lines])
        _call([*pip, "--no-deps", "--no-index", str(wheel)])
        (folder / ".complete").touch()
    finally:
        os.umask(before)
    return release


_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--quiet")


def _extract(wheel: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in ("build.txt", "runtime.txt"):
                (folder / name).write_bytes(archive.read(f"{_PINNED}/{name}"))
    except (KeyError, zipfile.BadZipFile) as e:
        raise ShoonyaError(
            f"'{wheel.name}' does not carry its pinned dependencies",
            hint="is it a whole wheel of this project's?",
        ) from e


def _take_over(old: Path, new: Path) -> bool:
    """
    Copy the dependencies from another release, if they are the same.

    Most upgrades change none, and so need no network.
    """
    for same in ("requirements/build.txt", "requirements/runtime.txt", "pyvenv.cfg"):
        if not (old / same).is_file() or not _alike(old / same, new / same):
            return False
    (packages,) = new.glob("lib/python*/site-packages")
    shutil.copytree(
        old / packages.relative_to(new),
        packages,
        ignore=shutil.ignore_patterns("shoonya_platform*"),
        dirs_exist_ok=True,
    )
    return True


def _alike(one: Path, other: Path) -> bool:
    if one.name != "pyvenv.cfg":
        return one.read_bytes() == other.read_bytes()
    # All but the command that made it: home, version, executable.
    before, now = (
        [line for line in path.read_text().splitlines() if "command" not in line]
        for path in (one, other)
    )
    return before == now


def _built(checkout: Path, releases: Releases, scratch: Path) -> Path:
    # What builds it is pinned, and in the release in use already.
    python = releases.program(releases.current(), "python")
    _call(
        [
            python,
            *("-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"),
            *("--no-deps", "--no-build-isolation", "-w", str(scratch)),
            str(checkout.resolve()),
        ]
    )
    return _only_wheel(scratch)


def _only_wheel(folder: Path) -> Path:
    found = sorted(p for p in folder.iterdir() if _WHEEL.fullmatch(p.name))
    if len(found) != 1:
        raise ShoonyaError(
            f"expected one wheel of {NAME} or a checkout in '{folder}', "
            f"was {len(found)} wheels",
            hint="name the wheel itself",
        )
    return found[0]


def _fetched(version: str, releases: Releases, scratch: Path) -> Path:
    """
    Fetch a version from the index that pip is configured for, and from no other.

    The name is not ours on the public index: whoever takes it there must not get
    into this machine.
    """
    python = releases.program(releases.current(), "python")
    listed = _call([python, "-m", "pip", "config", "list"])
    if not re.search(r"\.(index[-_]url|find[-_]links)=", listed):
        raise ShoonyaError(
            f"there is no release, wheel or folder '{version}' here, and pip has no "
            "index of yours to ask",
            hint="name a wheel or a checkout, or set index-url in /etc/pip.conf",
        )
    _call(
        [
            python,
            *("-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
            *("--no-deps", "--no-input", "-d", str(scratch), f"{NAME}=={version}"),
        ]
    )
    return _only_wheel(scratch)


def _base_python() -> str:
    # Not ours: a virtual environment made of another one dies with it.
    return str(getattr(sys, "_base_executable", sys.executable))


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise ShoonyaError(
            f"'{' '.join(command[:5])} …' failed:\n{said}",
            hint="nothing was changed; it may be said again",
        )
    return done.stdout
