"""Whether the services can run the program at all."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from shoonya_platform.ctl.checks.world import Unseen, User, Verdict, World, ok
from shoonya_platform.services.findings import Level

OLDEST_PYTHON = (3, 11)

#: The sandbox (`ProtectHome=`) hides these.
_HOMES = ("/home/", "/root/", "/run/user/")

_AGAIN = "sudo ./scripts/install  # in your clone of the repository"


def readable(world: World) -> Verdict:
    """The service's user must reach the interpreter, through every folder above."""
    user = world.service_user
    if user is None:
        return (
            Level.ERROR,
            "there is no user 'shoonya' for the services",
            "sudo shoonyactl install-units",
        )
    python = Path(world.python)
    if not world.at(python).exists():
        return Level.ERROR, f"there is no interpreter '{python}'", _AGAIN
    real = Path("/") / world.at(python).resolve().relative_to(world.root.resolve())
    for place in (python, real):
        if str(place).startswith(_HOMES):
            return (
                Level.ERROR,
                f"'{place}' lies in a home directory, which the services cannot see",
                _AGAIN,
            )
    for place in (*reversed(python.parents), *reversed(real.parents), real):
        if not _may_pass(world.at(place), user):
            return (
                Level.ERROR,
                f"user '{user.name}' may not use '{place}', where the program lies",
                f"sudo chmod a+rx {place}",
            )
    return ok("the services' user can run the program")


def python_version(world: World) -> Verdict:
    said = world.run([world.python, "--version"]) or ""
    match = re.match(r"Python (\d+)\.(\d+)", said)
    if match is None:
        raise Unseen(f"the version of '{world.python}'")
    version = (int(match[1]), int(match[2]))
    if version < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return Level.ERROR, f"{said.strip()} is older than {wanted}", _AGAIN
    return ok(said.strip())


def _may_pass(path: Path, user: User) -> bool:
    found = path.stat()
    if user.uid == 0:
        return True
    if found.st_uid == user.uid:
        bits = stat.S_IXUSR
    elif found.st_gid in user.gids:
        bits = stat.S_IXGRP
    else:
        bits = stat.S_IXOTH
    return bool(found.st_mode & bits)
