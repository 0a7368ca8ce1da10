"""Whether systemd has the units that this version ships, and runs them."""

from __future__ import annotations

import re

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import _layout, _manifest, _units
from shoonya_platform.ctl._rendering import OLDEST_SYSTEMD
from shoonya_platform.ctl._units import Change, Kind
from shoonya_platform.ctl.checks.world import Unseen, Verdict, World, ok
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.findings import Level


def differ(world: World) -> Verdict:
    """An upgrade without its units has new programs in old sandboxes."""
    noted = _manifest.read(_layout.of_machine(world.root))
    if noted is not None and not noted.complete:
        return (
            Level.WARNING,
            "the last installation of the units was interrupted",
            _install(world),
        )
    changed = [
        change.path.name
        for change in _plan(world)
        if change.kind in (Kind.CREATED, Kind.UPDATED)
    ]
    if not changed:
        return ok("the units are those of this version")
    return (
        Level.WARNING,
        f"{len(changed)} unit files differ from those of this version: "
        f"{', '.join(changed[:3])}{' …' if changed[3:] else ''}",
        _install(world),
    )


def obsolete(world: World) -> Verdict:
    """Files that an older version left are still obeyed."""
    left = [change.path.name for change in _plan(world) if change.kind is Kind.REMOVED]
    if not left:
        return ok("no unit file of an older version is left")
    return (
        Level.WARNING,
        f"unit files of an older version are left: {', '.join(left)}",
        _install(world),
    )


def reloaded(world: World) -> Verdict:
    """A unit file that was changed counts from the next reload on."""
    waiting = [
        name
        for name in COMPONENTS
        if world.show(f"shoonya@{name}.service", "NeedDaemonReload").get(
            "NeedDaemonReload"
        )
        == "yes"
    ]
    if not waiting:
        return ok("systemd has read the units as they are")
    return (
        Level.WARNING,
        f"systemd has not read the changed units of {', '.join(waiting)}",
        "sudo systemctl daemon-reload && sudo systemctl restart shoonya.target",
    )


def enabled(world: World) -> Verdict:
    """After a reboot only those come back that are enabled."""
    away = [
        name
        for name in COMPONENTS
        if world.show(f"shoonya@{name}.service", "UnitFileState").get("UnitFileState")
        not in ("enabled", "masked")
    ]
    if not away:
        return ok("the services are started at boot")
    units = " ".join(f"shoonya@{name}" for name in away)
    return (
        Level.WARNING,
        f"not started at boot: {', '.join(away)}",
        f"sudo systemctl enable shoonya.target {units}",
    )


def limits(world: World) -> Verdict:
    """In many containers systemd takes the limits and cannot keep them."""
    there = (world.read("/sys/fs/cgroup/cgroup.controllers") or "").split()
    missing = [each for each in ("cpu", "memory", "pids") if each not in there]
    if not missing:
        return ok("the limits of memory, processor and tasks are kept")
    return (
        Level.NOTE,
        f"the limits of {', '.join(missing)} do nothing here: this machine has no such "
        "cgroup controllers, as a container often has not",
        "",
    )


def failed(world: World) -> Verdict:
    """What has failed is not started again by itself."""
    views = {view.service: view for view in world.views}
    down = [n for n, view in views.items() if view.state is ServiceStatus.FAILED]
    waiting = [n for n, view in views.items() if view.state is ServiceStatus.BACKOFF]
    away = [n for n, view in views.items() if view.state is ServiceStatus.STOPPED]
    if down:
        told = "; ".join(f"{n}: {views[n].cause or views[n].text}" for n in down)
        names = " ".join(down)
        return (
            Level.ERROR,
            f"failed: {told}; 'shoonyactl why {down[0]}' tells more",
            f"sudo shoonyactl start {names}",
        )
    if waiting:
        return (
            Level.WARNING,
            f"crashed, and about to be started again: {', '.join(waiting)}",
            f"sudo shoonyactl why {waiting[0]}",
        )
    if len(away) == len(COMPONENTS):
        start = "sudo systemctl start shoonya.target"
        return (
            Level.NOTE,
            "no service runs",
            start if world.with_units else "shoonyactl up",
        )
    if away:
        return (
            Level.WARNING,
            f"stopped: {', '.join(away)}",
            f"sudo shoonyactl start {' '.join(away)}",
        )
    return ok("all eight run")


def systemd_version(world: World) -> Verdict:
    """An older one ignores what it does not know, sandboxes among it."""
    version = _version(world)
    if version >= OLDEST_SYSTEMD:
        return ok(f"systemd {version}")
    return (
        Level.ERROR,
        f"systemd {version} is too old, the units need {OLDEST_SYSTEMD}: use Debian "
        "12, Ubuntu 24.04 or Amazon Linux 2023",
        "",
    )


def _plan(world: World) -> list[Change]:
    layout = _layout.of_machine(world.root)
    noted = _manifest.read(layout)
    wanted = _units.shipped_files(
        python=world.python,
        version=max(_version(world), OLDEST_SYSTEMD),
        layout=layout,
    )
    return _units.plan(wanted, layout, noted.files if noted else ())


def _version(world: World) -> int:
    match = re.match(r"systemd (\d+)", world.run(["systemctl", "--version"]) or "")
    if match is None:
        raise Unseen("systemd's version")
    return int(match[1])


def _install(world: World) -> str:
    other = "" if world.python == _units.DEFAULT_PYTHON else f" --python {world.python}"
    return (
        f"sudo shoonyactl install-units{other} && sudo systemctl restart shoonya.target"
    )
