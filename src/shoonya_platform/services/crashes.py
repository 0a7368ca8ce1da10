"""
A service's crashes, remembered from one run to the next where systemd restarts it.

systemd 252 knows no backoff, and its start limit counts an operator's own starts
too.  So the process that systemd runs after each end (`ExecStopPost=`) notes how it
was, and the next run reads that and waits before it begins.  A clean stop, and the
end of a run that gave up, forget everything: what follows is an operator's start.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shoonya_platform.errors import EXIT_CONFIG, EXIT_GIVEN_UP

#: More are of no use to anybody.
KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """How one run ended."""

    at: datetime  #: wall clock, for people
    since_boot_seconds: float  #: a clock that counts suspended time and never jumps
    boot_id: str
    result: str  #: systemd's word: exit-code, signal, watchdog, oom-kill, timeout …
    exit_code: str  #: exited, killed or dumped
    exit_status: str  #: the number, or the signal's name

    @property
    def cause(self) -> str:
        """Return it in words."""
        if self.result == "watchdog":
            return "hung: no sign of life"
        if self.result == "oom-kill":
            return "killed: out of memory"
        if self.result == "timeout":
            return "did not start or stop in time"
        if self.exit_code == "exited":
            return f"exited with {self.exit_status}"
        return f"killed by SIG{self.exit_status.removeprefix('SIG')}"


class CrashHistory:
    """
    The crashes of one service.

    Args:
        state_dir: The services' state directory.

        boot_id: Tells this boot from earlier ones, whose crashes do not count.
    """

    @classmethod
    def of_unit(cls, environ: Mapping[str, str], service: str) -> CrashHistory | None:
        """Return the history that the unit file provides for; None without one."""
        # The boot's id comes from the unit: its sandbox hides /proc/sys.
        state_dir, boot_id = environ.get("STATE_DIRECTORY"), environ.get("SHOONYA_BOOT")
        if not state_dir or not boot_id:
            return None
        return cls(Path(state_dir), service, boot_id)

    def __init__(self, state_dir: Path, service: str, boot_id: str) -> None:
        self._path = state_dir / "crashes" / f"{service}.json"
        self._boot_id = boot_id

    def read(self) -> list[Crash]:
        """Return the crashes, oldest first; a file that cannot be read has none."""
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
            return [
                Crash(**{**entry, "at": datetime.fromisoformat(entry["at"])})
                for entry in entries
            ]
        except (OSError, ValueError, TypeError, KeyError):
            return []

    def times(self) -> list[float]:
        """Return when this boot's crashes were, in seconds since boot."""
        return [
            crash.since_boot_seconds
            for crash in self.read()
            if crash.boot_id == self._boot_id
        ]

    def note_end(self, environ: Mapping[str, str], now: datetime) -> None:
        """
        Take in how a run ended, from what systemd gives `ExecStopPost=`.

        Raises:
            OSError: The history cannot be written.
        """
        result = environ.get("SERVICE_RESULT", "success")
        status = environ.get("EXIT_STATUS", "")
        if result == "success" or status in (str(EXIT_CONFIG), str(EXIT_GIVEN_UP)):
            self._path.unlink(missing_ok=True)
            return
        crash = Crash(
            at=now,
            since_boot_seconds=since_boot(),
            boot_id=self._boot_id,
            result=result,
            exit_code=environ.get("EXIT_CODE", ""),
            exit_status=status,
        )
        entries = [
            {
                "at": each.at.astimezone(UTC).isoformat(),
                "since_boot_seconds": each.since_boot_seconds,
                "boot_id": each.boot_id,
                "result": each.result,
                "exit_code": each.exit_code,
                "exit_status": each.exit_status,
            }
            for each in [*self.read(), crash][-KEPT:]
        ]
        self._path.parent.mkdir(exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(entries, indent=1), encoding="utf-8")
        fresh.replace(self._path)


def since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
