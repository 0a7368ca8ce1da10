"""Whether the two web services have their ports to themselves."""

from __future__ import annotations

import contextlib
import pwd
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.ctl.checks.world import Verdict, World, ok
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.findings import Level

_LISTENING = "0A"
#: Of the system's own services: who is logged in runs below user.slice.
_UNIT = re.compile(r":/system\.slice/(?:[^/\n]+\.slice/)*(?P<unit>[^/\n]+\.service)")


@dataclass(frozen=True, slots=True)
class _Listener:
    uid: int
    inode: str


def webhook(world: World) -> Verdict:
    return _port(world, "execution_service", world.settings.webhook.port)


def dashboard(world: World) -> Verdict:
    return _port(world, "dashboard", world.settings.dashboard.port)


def _port(world: World, service: str, port: int) -> Verdict:
    states = {view.service: view.state for view in world.views}
    runs = states.get(service) is ServiceStatus.RUNNING
    for listener in _listeners(world, port):
        user = world.service_user
        # systemd keeps our socket while its service is away; `up` does not.
        if user is not None and listener.uid == user.uid and (runs or world.with_units):
            continue
        pid = _owner(world, listener.inode)
        return (
            Level.ERROR,
            f"port {port} of {service} is taken by {_describe(world, listener, pid)}",
            _stop(world, pid, port),
        )
    return ok(f"port {port} of {service} is {'its own' if runs else 'free'}")


def _listeners(world: World, port: int) -> Iterator[_Listener]:
    for table in ("tcp", "tcp6"):
        for line in (world.read(f"/proc/net/{table}") or "").splitlines()[1:]:
            columns = line.split()
            local = columns[1].rpartition(":")[2]
            if columns[3] == _LISTENING and int(local, 16) == port:
                yield _Listener(int(columns[7]), columns[9])


def _owner(world: World, inode: str) -> int | None:
    """Return who holds a socket; None if this user may not see that."""
    for folder in world.at("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            for descriptor in folder.iterdir():
                if str(descriptor.readlink()) == f"socket:[{inode}]":
                    return int(folder.parent.name)
    return None


def _describe(world: World, listener: _Listener, pid: int | None) -> str:
    try:
        user = pwd.getpwuid(listener.uid).pw_name
    except KeyError:
        user = str(listener.uid)
    if pid is None:
        return f"a process of user '{user}'"
    with contextlib.suppress(OSError):
        name = (world.read(f"/proc/{pid}/comm") or "").strip()
        return f"process {pid} ({name}) of user '{user}'"
    return f"process {pid} of user '{user}'"


def _stop(world: World, pid: int | None, port: int) -> str:
    if pid is None:
        return f"sudo ss -ltnp 'sport = :{port}'"
    with contextlib.suppress(OSError):
        match = _UNIT.search(world.read(Path("/proc") / str(pid) / "cgroup") or "")
        if match:
            return f"sudo systemctl disable --now {match['unit']}"
    return f"sudo kill {pid}"
