"""
A service's crashes, remembered from one run to the next where systemd restarts it.

systemd 252 knows no backoff, and its start limit counts an operator's own starts
too.  So the process that systemd runs after each end (`ExecStopPost=`) notes how it
was, and the next run reads that and waits before it begins.  After a clean stop, and
after the end of a run that gave up, no earlier crash counts any more: what follows is
an operator's start.  They are kept all the same, for whoever asks why.

Whoever kills a unit with all its processes kills that note's writer too.  So a run
says that it has begun, and the next one notes the end of one that never ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from shoonya_platform.errors import EXIT_CONFIG, EXIT_GIVEN_UP, EXIT_RENEW
from shoonya_platform.services.blackbox import LastWords, deed

#: More are of no use to anybody.
KEPT = 20


#: Instead of systemd's word, for an end that nobody saw.
UNSEEN = "unseen"

#: Where the units keep it (`StateDirectory=shoonya`), whatever is configured.
UNIT_STATE_DIR = Path("/var/lib/shoonya")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """How one run ended."""

    at: datetime  #: wall clock, for people
    since_boot_seconds: float  #: a clock that counts suspended time and never jumps
    boot_id: str
    result: str  #: systemd's word: exit-code, signal, watchdog, oom-kill, timeout …
    exit_code: str  #: exited, killed or dumped
    exit_status: str  #: the number, or the signal's name
    run_id: str = ""  #: as in the run's log; empty if it did not get that far
    invocation_id: str = ""  #: systemd's name of the run
    status: str = ""  #: its last sentence
    stack: str = ""  #: where its threads stood, if it was aborted
    counts: bool = True  #: towards the limit of restarts

    @property
    def deed(self) -> str:
        """Return what it was doing, in words; empty if that is not known."""
        return deed(self.stack)

    @property
    def cause(self) -> str:
        """Return it in words."""
        if self.result == "watchdog":
            return f"hung while {self.deed}" if self.deed else "hung: no sign of life"
        if self.result == "oom-kill":
            return "killed: out of memory"
        if self.result == "timeout":
            return "did not start or stop in time"
        if self.result == UNSEEN:
            return "killed with all its processes, or ended unseen"
        if self.exit_status == str(EXIT_RENEW):
            return "started itself anew before its memory ran out"
        if self.exit_code == "exited":
            return f"exited with {self.exit_status}"
        signal = self.exit_status
        named = signal.startswith(("SIG", "signal "))
        return f"killed by {signal if named else f'SIG{signal}'}"

    def with_words(self, words: LastWords | None) -> Crash:
        """Return it with what the run left in its black box."""
        if words is None:
            return self
        return replace(
            self, run_id=words.run_id, status=words.status, stack=words.stack
        )


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
        self._run_path = self._path.with_suffix(".run")
        self._boot_id = boot_id

    def read(self) -> list[Crash]:
        """Return the ends, oldest first; a file that cannot be read has none."""
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
            return [from_plain(entry) for entry in entries]
        except (OSError, ValueError, TypeError, KeyError):
            return []

    def counting(self) -> list[Crash]:
        """Return this boot's crashes that no operator's start has come after."""
        return [
            crash
            for crash in self.read()
            if crash.counts and crash.boot_id == self._boot_id
        ]

    def note_begin(
        self, invocation_id: str, run_id: str, now: datetime
    ) -> Crash | None:
        """
        Take in that a run begins; return the end of one before it that nobody saw.

        Raises:
            OSError: It cannot be noted.
        """
        earlier = self.read()
        before = self._begun()
        unseen: Crash | None = None
        if (
            # After a power cut no run has ended by a fault of its own.
            before.get("boot_id") == self._boot_id
            and before.get("invocation_id", "") not in ("", invocation_id)
            and before["invocation_id"] not in {each.invocation_id for each in earlier}
        ):
            unseen = Crash(
                at=now,
                since_boot_seconds=since_boot(),
                boot_id=self._boot_id,
                result=UNSEEN,
                exit_code="",
                exit_status="",
                run_id=before.get("run_id", ""),
                invocation_id=before["invocation_id"],
            )
            self._write([*earlier, unseen][-KEPT:])
        begun = {
            "boot_id": self._boot_id,
            "invocation_id": invocation_id,
            "run_id": run_id,
        }
        _replace(self._run_path, json.dumps(begun))
        return unseen

    def forget_run(self) -> None:
        """
        Take in that the run ends in order.

        Raises:
            OSError: It cannot be noted.
        """
        self._run_path.unlink(missing_ok=True)

    def _begun(self) -> dict[str, str]:
        try:
            found = json.loads(self._run_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def note_end(
        self, environ: Mapping[str, str], now: datetime, words: LastWords | None = None
    ) -> Crash | None:
        """
        Take in how a run ended, from what systemd gives `ExecStopPost=`.

        Args:
            words: What the run left in its black box.

        Returns:
            The end as it is kept; None for a clean stop.

        Raises:
            OSError: The history cannot be written.
        """
        run_id = ""
        if (begun := self._begun()).get("invocation_id") == environ.get(
            "INVOCATION_ID"
        ):
            run_id = begun.get("run_id", "")
            self.forget_run()
        result = environ.get("SERVICE_RESULT", "success")
        status = environ.get("EXIT_STATUS", "")
        earlier = self.read()
        renews = status == str(EXIT_RENEW) and environ.get("EXIT_CODE") == "exited"
        is_final = status in (str(EXIT_CONFIG), str(EXIT_GIVEN_UP))
        if is_final or (result == "success" and not renews):
            earlier = [replace(crash, counts=False) for crash in earlier]
        crash: Crash | None = None
        if result != "success" or renews:
            crash = Crash(
                at=now,
                since_boot_seconds=since_boot(),
                boot_id=self._boot_id,
                result=result,
                exit_code=environ.get("EXIT_CODE", ""),
                exit_status=status,
                run_id=run_id,
                invocation_id=environ.get("INVOCATION_ID", ""),
                counts=not (is_final or renews),
            ).with_words(words)
            earlier.append(crash)
        if earlier:
            self._write(earlier[-KEPT:])
        return crash

    def _write(self, crashes: list[Crash]) -> None:
        entries = [{**asdict(each), "at": each.at.isoformat()} for each in crashes]
        _replace(self._path, json.dumps(entries, indent=1))


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def from_plain(entry: Mapping[str, Any]) -> Crash:
    """
    Return the crash that was written as JSON.

    Raises:
        ValueError, TypeError, KeyError: It is none.
    """
    return Crash(**{**entry, "at": datetime.fromisoformat(entry["at"])})


def since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
