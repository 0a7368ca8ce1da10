"""A journal file with some of the records of a set, as journald would hold them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from retention import lines

from shoonya_platform.logging.formats import parse_line
from shoonya_platform.logging.reading.records import CONTINUATION

REMOTE = Path("/lib/systemd/systemd-journal-remote")
_PRIORITIES = {"ERROR": "3", "WARNING": "4", "INFO": "6"}
_ID = "5f3c6d0f0f6b4c0e9f5d0c8e2a7b1d34"


def write(path: Path, slices: Sequence[range]) -> int:
    """Write the records of these orders to a journal; return how many those are."""
    count = 0
    with subprocess.Popen(
        [REMOTE, f"--output={path}", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as remote:
        pipe = remote.stdin
        for orders in slices:
            found = sorted(line for n in orders for line in _lines(n))
            for number, (_, component, line) in enumerate(found, count + 1):
                pipe.write(_entry(component, line, number))
            count += len(found)
        _, said = remote.communicate()
    if remote.returncode:
        raise SystemExit(f"{REMOTE}: {said.decode(errors='replace')}")
    return count


def _lines(number: int) -> Iterator[tuple[str, str, str]]:
    for component, line in lines(number):
        yield line[:23], component, line


def _entry(component: str, line: str, number: int) -> bytes:
    first, *more = line.splitlines()
    parsed = parse_line(first)
    if parsed is None:
        raise ValueError(f"no record: {first!r}")
    usec = int(datetime.fromisoformat(parsed.at).timestamp() * 1_000_000)
    unit = f"shoonya@{component}.service"
    detail = [text.removeprefix(CONTINUATION) for text in more]
    message = "\n".join([parsed.message, *detail]).encode()
    fields = {
        "__CURSOR": f"s={_ID};i={number:x};b={_ID};m={number:x};t={usec:x};x=1",
        "__REALTIME_TIMESTAMP": str(usec),
        "__MONOTONIC_TIMESTAMP": str(number),
        "_BOOT_ID": _ID,
        "_MACHINE_ID": _ID,
        "_HOSTNAME": "server",
        "_TRANSPORT": "journal",
        "_UID": "990",
        "_GID": "990",
        "_PID": "4711",
        "_COMM": "python",
        "_EXE": "/usr/bin/python3.11",
        "_CMDLINE": f"python -m shoonya_platform.services.{component}",
        "_SYSTEMD_UNIT": unit,
        "_SYSTEMD_CGROUP": f"/system.slice/system-shoonya.slice/{unit}",
        "_SYSTEMD_SLICE": "system-shoonya.slice",
        "_SOURCE_REALTIME_TIMESTAMP": str(usec),
        "PRIORITY": _PRIORITIES[parsed.level],
        "SYSLOG_IDENTIFIER": f"shoonya@{component}",
        "LOGGER": f"shoonya_platform.{component}",
        "CODE_FILE": f"/opt/shoonya/shoonya_platform/execution/{component}.py",
        "CODE_LINE": str(100 + len(parsed.message) % 7 * 20),
        "CODE_FUNC": "_record",
        "SHOONYA_COMPONENT": component,
        "SHOONYA_RUN": parsed.run,
        "SHOONYA_SEQ": str(parsed.seq),
        **{f"SHOONYA_{name.upper()}": text for name, text in parsed.fields.items()},
    }
    text = "".join(f"{name}={value}\n" for name, value in fields.items()).encode()
    size = len(message).to_bytes(8, "little")
    return text + b"MESSAGE\n" + size + message + b"\n\n"
