"""What makes an installation of units impossible, each with what to do instead."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

from shoonya_platform.ctl._layout import Layout
from shoonya_platform.ctl._rendering import OLDEST_SYSTEMD
from shoonya_platform.errors import ShoonyaError

BOOTED = Path("/run/systemd/system")

#: What the units hide from their services: ProtectHome=yes, PrivateTmp=yes.
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 nothing is put there

_NOBODY = 65534


def check_rights(layout: Layout, verb: str) -> None:
    """
    Raises:
        ShoonyaError: Who asks may not change units there.
    """
    if layout.user:
        if os.geteuid() == 0:
            raise ShoonyaError(
                "--user is for a user without root, and you are root",
                hint=f"leave it out: shoonyactl {verb}",
            )
    elif layout.is_here and os.geteuid() != 0:
        raise ShoonyaError(
            f"{verb} needs root",
            hint=f"sudo shoonyactl {verb}; --dry-run shows what it would do; "
            "--user does it for you alone, without root",
        )


def check_systemd(layout: Layout, version: int | None) -> None:
    """
    Raises:
        ShoonyaError: No systemd here would run the units.
    """
    if not layout.is_here:
        return
    if version is None or not BOOTED.is_dir():
        raise ShoonyaError(
            "this machine was not booted with systemd",
            hint="without it, 'shoonyactl up' runs the eight in the foreground",
        )
    if version < OLDEST_SYSTEMD:
        raise ShoonyaError(
            f"systemd {version} is too old, the units need {OLDEST_SYSTEMD}",
            hint="Debian 12, Ubuntu 24.04 and Amazon Linux 2023 have it; "
            "'shoonyactl up' needs no systemd at all",
        )
    runtime = layout.runtime.parent
    if layout.user and not (runtime / "systemd").is_dir():
        raise ShoonyaError(
            "no systemd of yours is running",
            hint="have it run without a login too: "
            f"sudo loginctl enable-linger {pwd.getpwuid(os.getuid()).pw_name}",
        )
    if layout.user and not os.environ.get("XDG_RUNTIME_DIR"):
        raise ShoonyaError(
            "$XDG_RUNTIME_DIR is not set, so your systemd cannot be reached",
            hint=f"log in properly, or: export XDG_RUNTIME_DIR={runtime}",
        )


def check_python(layout: Layout, python: Path) -> None:
    """
    See that the services will be able to run this interpreter with the platform.

    Raises:
        ShoonyaError: They will not.
    """
    if not layout.is_here:
        return
    if not python.exists():
        raise ShoonyaError(
            f"there is no interpreter '{python}'",
            hint="install the program first, or name its interpreter with --python",
        )
    if layout.user:
        _try(python, None)
        return
    for place in (python.parent, python.resolve()):
        if any(place.resolve().is_relative_to(hidden) for hidden in HIDDEN):
            raise ShoonyaError(
                f"the services could not see '{place}': their sandbox hides home "
                "directories and /tmp (ProtectHome=)",
                hint="install the program elsewhere: sudo scripts/install puts it "
                "into /opt/shoonya; --user uses it where it is",
            )
    _try(python, _service_user())


def _service_user() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("shoonya")
    except KeyError:
        # It is made with the units; until then, somebody with no more rights.
        return _NOBODY, _NOBODY
    return entry.pw_uid, entry.pw_gid


def _try(python: Path, ids: tuple[int, int] | None) -> None:
    command = [str(python), "-P", "-c", "import shoonya_platform"]
    try:
        done = subprocess.run(
            command,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            user=ids and ids[0],
            group=ids and ids[1],
            extra_groups=ids and [],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        is_fine = done.returncode == 0
    except OSError as e:
        said, is_fine = [e.strerror or "not permitted"], False
    if is_fine:
        return
    closed = ids and _closed(python)
    if closed:
        raise ShoonyaError(
            f"the services' user cannot read '{closed}', which '{python}' lies below",
            hint=f"sudo chmod o+rX '{closed}', or install the program elsewhere",
        )
    raise ShoonyaError(
        f"'{python}' cannot run the services: {' '.join(said) or 'it failed'}",
        hint="--python names the interpreter of the virtual environment in which "
        "the platform is installed",
    )


def _closed(python: Path) -> Path | None:
    """Return the first folder on the way that is closed to others."""
    for end in (python, python.resolve()):
        for folder in (*reversed(end.absolute().parents),):
            if not folder.stat().st_mode & 0o001:
                return folder
    return None


def own_python(default: str) -> str:
    """Return the interpreter to run the services with: the link to ours, or ours."""
    link, ours = Path(default), Path(sys.prefix, "bin", "python")
    if link.exists() and link.parent.parent.samefile(sys.prefix):
        # Through it, the units outlive an upgrade as they are.
        return default
    return str(ours) if ours.exists() else default
