"""Whether there is room for orders and logs."""

from __future__ import annotations

from pathlib import Path

from shoonya_platform.ctl.checks.world import Verdict, World, is_there, ok
from shoonya_platform.logging import disk_use
from shoonya_platform.services.findings import Level

LOW_BYTES = 1 << 30
NONE_BYTES = 200 << 20

#: Of the free space, what the log files may come to use at most.
_SHARE = 0.8
#: A budget is at least so many times the size at which a file is rotated.
_FILES = 14
_MEGABYTE = 1 << 20


def space(world: World) -> Verdict:
    """With a full disk no order can be stored, and so none is taken."""
    places = [
        place
        for place in (world.settings.paths.state_dir, world.settings.paths.log_dir)
        if is_there(place)
    ]
    if not places:
        return Level.NOTE, "neither state nor logs are there yet", ""
    tight = min(places, key=lambda place: world.free_bytes(place)[1])
    total, free = world.free_bytes(tight)
    said = f"{free >> 20} MB of {total >> 20} MB are free where '{tight}' lies"
    clean = "sudo journalctl --vacuum-size=200M; " + (
        "sudo apt-get clean"
        if world.at("/usr/bin/apt-get").exists()
        else "sudo dnf clean all"
    )
    if free < NONE_BYTES:
        return Level.ERROR, f"the disk is nearly full: {said}", clean
    if free < LOW_BYTES:
        return Level.WARNING, f"the disk runs full: {said}", clean
    return ok(said)


def log_budget(world: World) -> Verdict:
    """What the log files may still grow by must be there."""
    settings = world.settings
    log_dir = settings.paths.log_dir
    if not is_there(log_dir):
        return Level.NOTE, f"there are no log files in '{log_dir}' yet", ""
    use = disk_use(
        log_dir,
        budget=settings.log_budget_bytes,
        max_bytes=settings.log_max_bytes,
        backup_count=settings.log.backup_count,
    )
    _, free = world.free_bytes(log_dir)
    growth = use.predicted_bytes - use.used_bytes
    if growth <= free:
        return ok(
            f"the log files take {use.used_bytes >> 20} MB and stay within "
            f"{use.predicted_bytes >> 20} MB"
        )
    return (
        Level.WARNING,
        f"the log files may still grow by {growth >> 20} MB, and {free >> 20} MB are "
        "free",
        _smaller(world.config_path, use.used_bytes + free),
    )


def _smaller(path: Path | None, room_bytes: int) -> str:
    budget = max(_FILES, int(room_bytes * _SHARE) // _MEGABYTE)
    size = max(1, budget // _FILES)
    place = path or Path("/etc/shoonya/shoonya.toml")
    return (
        f"sudo sed -i -e 's/^#*budget = .*/budget = \"{budget}M\"/' "
        f"-e 's/^#*max_bytes = .*/max_bytes = \"{size}M\"/' {place} && "
        "sudo shoonyactl restart"
    )
