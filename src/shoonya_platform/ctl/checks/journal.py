"""Whether the journal keeps what the services tell it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl.checks.world import Unseen, Verdict, World, ok
from shoonya_platform.services.findings import Level

#: journald says at each start how much it will keep, and when it drops lines.
SPACE = "ec387f577b844b8fa948f33cad9a75e6"
DROPPED = "a596d6fe7bfa4994828e72309e95d61e"

#: Some weeks of the eight's lines, compressed as the journal does.
SMALLEST_BYTES = 200 << 20

#: Members may read all of the journal.
READERS = frozenset({"systemd-journal", "adm", "wheel"})

_CONFIGURE = (
    "sudo mkdir -p /etc/systemd/journald.conf.d && "
    "printf '[Journal]\\n{lines}\\n' | "
    "sudo tee /etc/systemd/journald.conf.d/zz-shoonya.conf && "
    "sudo systemctl restart systemd-journald && sudo journalctl --flush"
)
#: One command for both of journald's settings: the second must not undo the first.
KEEP = _CONFIGURE.format(
    lines=f"Storage=persistent\\nSystemMaxUse={2 * SMALLEST_BYTES >> 20}M"
)
UNLIMITED = (
    "sudo mkdir -p /etc/systemd/system/shoonya@.service.d && "
    "printf '[Service]\\nLogRateLimitIntervalSec=1s\\nLogRateLimitBurst=1000000\\n' | "
    "sudo tee /etc/systemd/system/shoonya@.service.d/zz-rate.conf && "
    "sudo systemctl daemon-reload && sudo systemctl restart shoonya.target"
)


#: Lines that no service writes in an interval.  A 0 is journald's own limit.
_NO_LIMIT = 1_000_000


def storage(world: World) -> Verdict:
    """A journal in memory is gone after the reboot that one asks about."""
    machine = (world.read("/etc/machine-id") or "").strip()
    kept = world.at(f"/var/log/journal/{machine}/system.journal")
    if kept.exists():
        return ok("the journal is kept over a reboot")
    if world.at(f"/run/log/journal/{machine}/system.journal").exists():
        return (
            Level.WARNING,
            "the journal is kept in memory only: a reboot takes it away",
            KEEP,
        )
    return Level.NOTE, "there is no journal of this machine to be seen", ""


def size(world: World) -> Verdict:
    """A tiny journal has forgotten yesterday."""
    starts = [
        entry
        for entry in _entries(world, f"MESSAGE_ID={SPACE}", "--lines=50")
        if str(entry.get("JOURNAL_NAME", "")).startswith("System")
    ]
    limits = [int(each["LIMIT"]) for each in starts if str(each.get("LIMIT")).isdigit()]
    if not limits:
        raise Unseen("how large the journal may become")
    megabytes = limits[-1] >> 20
    if limits[-1] < SMALLEST_BYTES:
        return (
            Level.WARNING,
            f"the journal may take {megabytes} MB only and soon forgets",
            KEEP,
        )
    return ok(f"the journal may take {megabytes} MB")


def dropped(world: World) -> Verdict:
    """An order's story has holes where journald's rate limit dropped lines."""
    limited = [name for name in COMPONENTS if _burst(world, name) < _NO_LIMIT]
    lost = sum(_dropped(world))
    if limited and lost:
        return (
            Level.WARNING,
            f"journald dropped {lost} lines of the services within a week: their rate "
            "is limited; the log files have them",
            UNLIMITED,
        )
    if limited:
        return (
            Level.WARNING,
            f"journald may drop lines of {', '.join(limited)}: their rate is limited",
            UNLIMITED,
        )
    if lost:
        return (
            Level.NOTE,
            f"journald dropped {lost} lines of the services within a week; their rate "
            "is limited no more, and the log files have them",
            "",
        )
    return ok("journald drops no line of the services")


def access(world: World) -> Verdict:
    """Who may not read the journal sees an empty one, and no error."""
    user = world.user
    if user.uid == 0 or user.groups & READERS:
        return ok(f"user '{user.name}' may read the journal")
    return (
        Level.NOTE,
        f"user '{user.name}' may not read the services' journal and logs without sudo",
        f"sudo usermod -aG systemd-journal,shoonya {user.name}  # then log in anew",
    )


def _burst(world: World, name: str) -> int:
    shown = world.show(f"shoonya@{name}.service", "LogRateLimitBurst")
    text = shown.get("LogRateLimitBurst", "")
    return int(text) if text.isdigit() else _NO_LIMIT


def _dropped(world: World) -> Iterator[int]:
    for entry in _entries(world, f"MESSAGE_ID={DROPPED}", "--since=-7d"):
        match = re.match(
            r"Suppressed (\d+) messages from (\S+)", str(entry.get("MESSAGE", ""))
        )
        if match and "shoonya" in match[2]:
            yield int(match[1])


def _entries(world: World, *matches: str) -> list[dict[str, Any]]:
    if not (world.is_root or world.user.groups & READERS):
        raise Unseen("the system's journal")
    said = world.run(["journalctl", "--quiet", "--output=json", "--all", *matches])
    if said is None:
        raise Unseen("the system's journal")
    return [json.loads(line) for line in said.splitlines()]
