"""
Why a service is as it is: how its last run ended, and what follows from that.

One frozen answer out of what systemd or the manager, the history of its ends, and its
log know; `shoonyactl why` and the handler of failures say the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shoonya_platform.config.settings import Settings
from shoonya_platform.errors import (
    EXIT_CONFIG,
    EXIT_GIVEN_UP,
    EXIT_RENEW,
    ShoonyaError,
)
from shoonya_platform.services import runbook
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.control import ask
from shoonya_platform.services.crashes import (
    UNIT_STATE_DIR,
    UNSEEN,
    Crash,
    CrashHistory,
    from_plain,
    since_boot,
)
from shoonya_platform.services.lastlines import LastLines, journal_lines, last_lines
from shoonya_platform.services.policy import RestartPolicy
from shoonya_platform.services.units import (
    ServiceView,
    Supervisor,
    is_of_user,
    read_services,
)

#: So many lines of the run that died.
LINES = 20

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEnd:
    """One line of the restart history."""

    at: datetime
    cause: str
    run_id: str
    counts: bool  #: towards the limit of restarts


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a service is, how its last run ended, and what there is to do."""

    service: str
    supervisor: Supervisor
    state: ServiceStatus
    text: str  #: its last sentence now
    ended_at: datetime | None  #: None: no end is known but those in order
    cause: str  #: in words; empty with no such end
    result: str  #: systemd's word: exit-code, signal, watchdog, oom-kill …
    exit_code: str  #: exited, killed or dumped
    exit_status: str  #: the number, or the signal's name
    deed: str  #: what it was doing when it was found hung
    last_status: str  #: its last sentence before that end
    run_id: str  #: of the run that ended
    invocation_id: str
    traceback: tuple[str, ...]
    last_lines: tuple[str, ...]
    lines_from: str  #: where those stand
    ends: tuple[PastEnd, ...]  #: oldest first
    restarts: int  #: crashes that count at the moment
    restart_limit: int
    restart_in_seconds: float | None  #: while it backs off
    next: str  #: what happens next
    advice: tuple[str, ...]  #: what to do
    runbook: str  #: where to read more; empty if no bad end is known


def explain(
    settings: Settings,
    service: str,
    *,
    state_dir: Path | None = None,
    invocation_id: str = "",
    journal: Callable[[str, int], Sequence[str]] = journal_lines,
) -> Explanation:
    """
    Answer for one service.

    Args:
        state_dir: Where the units keep the history; None where they always do.

        invocation_id: Explains the end of this run; without it, of the last one.

        journal: Returns the last lines of an invocation.

    Raises:
        PermissionError: The history may not be read by this user.
    """
    if state_dir is None:
        of_user = is_of_user(settings.paths.runtime_dir)
        state_dir = settings.paths.state_dir if of_user else UNIT_STATE_DIR
    view = next(
        each
        for each in read_services(settings.paths.runtime_dir)
        if each.service == service
    )
    restart_in: float | None = None
    if view.supervisor is Supervisor.MANAGER:
        ends, restart_in = _of_manager(settings.paths.runtime_dir, service)
        restarts = view.restarts
    else:
        ends, counting = _of_units(state_dir, service)
        restart_in = _restart_in(view, counting)
        restarts = len(counting)
    # That a run gave up explains nothing: the crash before it does.
    told = [each for each in ends if each.exit_status != str(EXIT_GIVEN_UP)]
    told = [each for each in told if each.invocation_id == invocation_id] or told
    end = told[-1] if told else None
    lines = LastLines()
    if end is not None:
        lines = last_lines(settings.paths.log_dir, service, end.run_id, LINES)
        if not lines.lines and end.invocation_id:
            said = journal(end.invocation_id, LINES)
            lines = LastLines(lines=tuple(said), place="the journal" if said else "")
    return Explanation(
        service=service,
        supervisor=view.supervisor,
        state=view.state,
        text=view.text,
        ended_at=end.at if end else None,
        cause=end.cause if end else view.cause,
        result=end.result if end else "",
        exit_code=end.exit_code if end else "",
        exit_status=end.exit_status if end else "",
        deed=end.deed if end else "",
        last_status=end.status if end else "",
        run_id=end.run_id if end else "",
        invocation_id=end.invocation_id if end else "",
        traceback=_traceback(end, lines),
        last_lines=lines.lines,
        lines_from=lines.place,
        ends=tuple(
            PastEnd(at=e.at, cause=e.cause, run_id=e.run_id, counts=e.counts)
            for e in ends
        ),
        restarts=restarts,
        restart_limit=RestartPolicy().limit,
        restart_in_seconds=restart_in,
        next=_next(view, end, ends, restart_in),
        advice=_advice(view, end, lines),
        runbook=_runbook(view, end),
    )


def _of_units(state_dir: Path, service: str) -> tuple[list[Crash], list[Crash]]:
    """Return all ends, and those that count now."""
    # Who may not look is told so, rather than that there is nothing.
    with contextlib.suppress(FileNotFoundError):
        list((state_dir / "crashes").iterdir())
    boot_id = ""
    with contextlib.suppress(OSError):
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")
    history = CrashHistory(state_dir, service, boot_id)
    counting = history.counting()
    recent = RestartPolicy().recent(
        [each.since_boot_seconds for each in counting], since_boot()
    )
    return history.read(), counting[len(counting) - len(recent) :]


def _of_manager(runtime_dir: Path, service: str) -> tuple[list[Crash], float | None]:
    try:
        answer = ask(runtime_dir, {"verb": "status", "services": [service]})
        health: dict[str, Any] = answer["services"][0]
        ends = [from_plain(entry) for entry in health.get("ends", ())]
        return ends, health["restart_in_seconds"]
    except (ShoonyaError, PermissionError, LookupError, TypeError, ValueError):
        # It has ended in the meantime, is not for us, or of another version.
        return [], None


def _restart_in(view: ServiceView, counting: Sequence[Crash]) -> float | None:
    """Return how long it still waits; the jitter is known to the service alone."""
    if view.state is not ServiceStatus.BACKOFF or not counting:
        return None
    at = counting[-1].since_boot_seconds
    delay = RestartPolicy(jitter=0.0).delay(
        [each.since_boot_seconds for each in counting], at
    )
    return None if delay is None else max(0.0, at + delay - since_boot())


def _traceback(end: Crash | None, lines: LastLines) -> tuple[str, ...]:
    if end is not None and end.stack:
        return tuple(end.stack.strip().splitlines())
    return lines.traceback


def _next(
    view: ServiceView,
    end: Crash | None,
    ends: Sequence[Crash],
    restart_in: float | None,
) -> str:
    name = view.service
    if view.state is ServiceStatus.BACKOFF:
        when = "soon" if restart_in is None else f"in {restart_in:.0f} s"
        return f"it is started again {when}"
    if view.state is ServiceStatus.RUNNING:
        return "nothing: it runs"
    if view.state is ServiceStatus.FAILED:
        if end is not None and end.exit_status == str(EXIT_CONFIG):
            return "nothing until an operator has mended it: it is not started again"
        if ends and ends[-1].exit_status == str(EXIT_GIVEN_UP):
            return f"nothing by itself: {RestartPolicy().describe_end()}"
        return f"nothing by itself: {view.cause or 'it has failed'}"
    if view.state is ServiceStatus.STOPPED:
        return f"nothing: it is stopped; shoonyactl start {name}"
    if view.state is ServiceStatus.STARTING:
        return "it is being started again"
    return f"it is {view.state}"


def _advice(view: ServiceView, end: Crash | None, lines: LastLines) -> tuple[str, ...]:
    name = view.service
    if end is None:
        if view.state is ServiceStatus.FAILED:
            return (f"see what systemd says: systemctl status shoonya@{name}",)
        return ()
    found = list(_by_cause(name, end, lines))
    if view.state in (ServiceStatus.FAILED, ServiceStatus.STOPPED):
        found.append(f"then start it: shoonyactl start {name}")
    return tuple(found)


def _runbook(view: ServiceView, end: Crash | None) -> str:
    if end is not None:
        return runbook.of_end(end.result, end.exit_status)
    return runbook.of_end("", "") if view.state is ServiceStatus.FAILED else ""


def _by_cause(name: str, end: Crash, lines: LastLines) -> Sequence[str]:
    if end.exit_status == str(EXIT_CONFIG):
        return (
            "mend what it says, and see that it is usable: shoonyactl config check",
        )
    if end.result == "oom-kill":
        return (
            "see what grew: shoonyactl status; its limit is MemoryMax=: "
            f"systemctl edit shoonya@{name}",
        )
    if end.exit_status == str(EXIT_RENEW):
        return ("nothing, if it happens once a month; more often, report a leak",)
    if end.result == "watchdog":
        return (
            "if it waited for a disk or a lock, see to that: journalctl -k, "
            "shoonyactl status",
            "else report it, with the places above",
        )
    if end.result == UNSEEN:
        return (
            "somebody killed all its processes ('systemctl kill' without "
            "--kill-whom=main), or the kernel: journalctl -k --grep 'out of memory'",
        )
    if end.result == "timeout":
        return (f"see what it waits for: shoonyactl logs {name}",)
    if end.result in ("signal", "core-dump"):
        if end.exit_status.removeprefix("SIG") in ("KILL", "TERM", "INT"):
            return (
                "somebody killed it, or the kernel for want of memory: "
                "journalctl -k --grep 'out of memory'",
            )
        return ("a fault in a library: report it, with the places above",)
    if end.exit_status.isdigit() and 200 <= int(end.exit_status) <= 245:
        return (
            "systemd could not run it: is the program still in /opt/shoonya/venv? "
            f"systemctl status shoonya@{name}",
        )
    if lines.traceback:
        return ("a defect: report it, with the traceback above",)
    return (f"read the last lines above, and more: shoonyactl logs {name}",)
