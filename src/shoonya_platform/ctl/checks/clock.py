"""Whether the machine's clock can be trusted."""

from __future__ import annotations

from datetime import timedelta

from shoonya_platform.ctl.checks.world import Unseen, Verdict, World, ok
from shoonya_platform.domain.days import INDIA
from shoonya_platform.services.findings import Level


def synchronized(world: World) -> Verdict:
    """Alerts are too old or from the future by a clock that is wrong."""
    told = _timedatectl(world)
    if told.get("NTPSynchronized") == "yes":
        return ok("the clock is synchronized")
    if told.get("NTP") == "yes":
        return (
            Level.WARNING,
            "the clock is not synchronized, though it is asked to be",
            "sudo systemctl restart 'systemd-timesyncd*' 'chronyd*' 'chrony*' 'ntp*'",
        )
    if told.get("CanNTP") == "yes":
        return (
            Level.WARNING,
            "the clock is not synchronized: nobody asks it to be",
            "sudo timedatectl set-ntp true",
        )
    install = "apt-get" if world.at("/usr/bin/apt-get").exists() else "dnf"
    return (
        Level.WARNING,
        "the clock is not synchronized: no program for it is installed",
        f"sudo {install} install -y chrony && sudo systemctl enable --now chronyd",
    )


def zone(world: World) -> Verdict:
    """Market rules use India's time anyhow; log lines do not."""
    india = world.now.astimezone(INDIA).utcoffset() or timedelta()
    if world.utc_offset == india:
        return ok("the machine's zone is India's")
    return (
        Level.NOTE,
        f"the machine's zone is {world.now.tzname()}: log lines are in it, market "
        "rules are in India's time whatever it is",
        "sudo timedatectl set-timezone Asia/Kolkata",
    )


def _timedatectl(world: World) -> dict[str, str]:
    said = world.run(["timedatectl", "show"])
    if said is None:
        raise Unseen(
            "whether the clock is synchronized ('timedatectl' does not answer)"
        )
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
