"""
From the units as they are shipped to those that one systemd is to read.

A shipped line `#@257 Key=value` holds from that version on; to an older one it is a
comment.  A user's own manager may not do everything: what it cannot is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shoonya_platform.ctl import _layout
from shoonya_platform.ctl._layout import Layout

#: The oldest that the units were tried on, and what they are written for.
OLDEST_SYSTEMD = 252

#: What a user's manager has no right to, or no need of: another user, capabilities,
#: and whatever is made of mounts, devices and network of one's own.
NOT_FOR_USERS = frozenset(
    {
        "CapabilityBoundingSet",
        "ConfigurationDirectory",
        "DevicePolicy",
        "Group",
        "IPAddressAllow",
        "IPAddressDeny",
        "LoadCredential",
        "PrivateDevices",
        "PrivateMounts",
        "PrivateNetwork",
        "PrivateTmp",
        "PrivateUsers",
        "ProcSubset",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHome",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "ProtectProc",
        "ProtectSystem",
        "ReadWritePaths",
        "RemoveIPC",
        "StateDirectory",
        "StateDirectoryMode",
        "SupplementaryGroups",
        "User",
    }
)
#: Targets that only the machine's own manager has.
_NOT_THERE = ("network-online.target", "slices.target")

_SINCE = re.compile(r"#@(\d+) (.+)")


def render(text: str, *, version: int, layout: Layout, python: str) -> str:
    """
    Return a shipped file as it should stand.

    Args:
        version: systemd's.

        python: The interpreter that runs the services.
    """
    lines = list(_of_version(text.splitlines(), version))
    if layout.user:
        lines = list(_of_user(lines, layout))
    text = "\n".join(lines) + "\n"
    return text.replace(f"{_layout.HOME}/venv/bin/python", python)


def is_for_users(path: str) -> bool:
    """Say whether a shipped file is of use without root."""
    return not path.endswith(
        (".sysusers", ".tmpfiles", ".catalog", "-credentials.conf")
    )


def left_out(text: str) -> list[str]:
    """Return the protections of a shipped unit that a user's manager cannot give."""
    keys = {line.partition("=")[0] for line in text.splitlines() if "=" in line}
    return sorted(
        key
        for key in keys & NOT_FOR_USERS
        if key.startswith(("Private", "Protect", "Proc", "IPAddress", "Capability"))
        or key == "DevicePolicy"
    )


def _of_version(lines: list[str], version: int) -> Iterator[str]:
    for line in lines:
        match = _SINCE.fullmatch(line)
        if match is None:
            yield line
        elif version >= int(match[1]):
            yield match[2]


def _of_user(lines: list[str], layout: Layout) -> Iterator[str]:
    for line in lines:
        key, _, value = line.partition("=")
        if key in NOT_FOR_USERS or value in _NOT_THERE:
            continue
        if line == "WantedBy=multi-user.target":
            yield "WantedBy=default.target"
            continue
        if line.startswith("Environment=SHOONYA_CONFIG="):
            # Where the history of crashes lies; StateDirectory= would say so.
            yield f"Environment=STATE_DIRECTORY={layout.state}"
        yield line.replace(_layout.CONFIG, str(layout.config)).replace(
            _layout.STATE, str(layout.state)
        )
