"""
How the eight services are right now, whoever supervises them.

Asked in this order: our ServiceManager, systemd, and where neither answers (the
dashboard's sandbox may not reach systemd) the heartbeats in the store.  A leaf, like
the manager: `shoonyactl status` and the dashboard show the same rows.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from shoonya_platform.clock import Clock, SystemClock
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.errors import ShoonyaError
from shoonya_platform.services.child import ServiceStatus, describe_exit
from shoonya_platform.services.control import ask
from shoonya_platform.services.policy import BACKING_OFF, RestartPolicy

#: A beat older than this many heartbeat intervals is no sign of life.
BEATS_MISSED = 3

#: How long an answer is good for: asking systemd costs a process.
CACHE_SECONDS = 1.0

SYSTEMCTL_TIMEOUT_SECONDS = 3.0

#: Exists exactly where systemd is PID 1 (sd_booted(3)).
BOOTED = Path("/run/systemd/system")

#: Below it, each user's own runtime directory.
USERS = Path("/run/user")

_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "MainPID",
    "NRestarts",
    "StatusText",
    "MemoryCurrent",
    "ExecMainStatus",
    # The monotonic ones: plain numbers in every version and every language.
    "ActiveEnterTimestampMonotonic",
    "StateChangeTimestampMonotonic",
)
_STATES = {
    "active": ServiceStatus.RUNNING,
    "reloading": ServiceStatus.RUNNING,
    "activating": ServiceStatus.STARTING,
    "deactivating": ServiceStatus.STOPPING,
    "failed": ServiceStatus.FAILED,
}
_CAUSES = {
    "success": "",
    "watchdog": "hung: no sign of life",
    "timeout": "did not start or stop in time",
    "oom-kill": "killed: out of memory",
    "start-limit-hit": "given up: too many restarts",
}


class Supervisor(StrEnum):
    """Who told how a service is."""

    SYSTEMD = "systemd"
    MANAGER = "manager"  #: `shoonyactl up`
    HEARTBEAT = "heartbeat"  #: the store; knows nothing of restarts
    NONE = "none"  #: nobody; taken for stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """How one service is."""

    service: str
    state: ServiceStatus
    pid: int | None
    since: datetime | None  #: when it came into this state, UTC
    restarts: int  #: crashes that count at the moment
    text: str  #: the service's own last sentence
    cause: str  #: why it last ended; empty if it never did
    memory_bytes: int | None  #: its share (PSS) where readable, else resident
    supervisor: Supervisor

    @property
    def is_dead(self) -> bool:
        """Whether it should work, and does not."""
        return self.state in (ServiceStatus.BACKOFF, ServiceStatus.FAILED)


class Beat(Protocol):
    """The store's `ServiceBeat`, as far as it is needed here."""

    @property
    def service(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def beat_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...


#: Runs a command and returns its output, or raises OSError or SubprocessError.
Run = Callable[[Sequence[str]], str]


def read_services(
    runtime_dir: Path,
    *,
    beats: Sequence[Beat] = (),
    heartbeat_seconds: float = 5.0,
    clock: Clock | None = None,
    run: Run | None = None,
) -> list[ServiceView]:
    """
    Return how each of the eight is, in start order.

    Waits for a manager or a systemd that does not answer at most a few seconds, so
    call it where waiting hurts nobody.

    Args:
        runtime_dir: Where a ServiceManager would listen.

        beats: What the store has of the services; the last resort.

        heartbeat_seconds: The configured interval between two beats.

        run: Instead of running `systemctl`.

    Raises:
        PermissionError: A manager runs them who is not for who asks, and without
            beats nothing else tells how they are.
    """
    clock = clock or SystemClock()
    views, refused = None, None
    try:
        views = _from_manager(runtime_dir)
    except PermissionError as e:
        refused = e
    if views is None and (run or BOOTED.exists()):
        views = _from_systemd(runtime_dir, run or _run, clock)
    if views is None and refused and not beats:
        raise refused
    if views is None:
        views = _from_beats(beats, heartbeat_seconds, clock.now())
    return [
        views.get(name) or _unknown(name, supervisor=Supervisor.NONE)
        for name in COMPONENTS
    ]


class ServiceReader:
    """
    `read_services`, asked at most once a second.

    For one thread: whoever comes while another reads waits, and gets that answer.
    """

    def __init__(
        self, runtime_dir: Path, *, heartbeat_seconds: float, clock: Clock
    ) -> None:
        self._runtime_dir = runtime_dir
        self._heartbeat_seconds = heartbeat_seconds
        self._clock = clock
        self._views: list[ServiceView] = []
        self._read_at: float | None = None

    def read(self, beats: Sequence[Beat] = ()) -> list[ServiceView]:
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at >= CACHE_SECONDS:
            self._views = read_services(
                self._runtime_dir,
                beats=beats,
                heartbeat_seconds=self._heartbeat_seconds,
                clock=self._clock,
            )
            self._read_at = self._clock.monotonic()
        return self._views


def memory_bytes(pid: int | None, proc: Path = Path("/proc")) -> int | None:
    """Return a process's share of memory (PSS), else what is resident, or None."""
    if not pid:
        return None
    for file, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            text = (proc / str(pid) / file).read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return None


def cpu_seconds(pid: int, proc: Path = Path("/proc")) -> float | None:
    """Return what a process has used of the processor, None if that is not told."""
    try:
        text = (proc / str(pid) / "stat").read_text()
        # The name before the last bracket may have blanks and brackets in it.
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _from_manager(runtime_dir: Path) -> dict[str, ServiceView] | None:
    try:
        answer = ask(runtime_dir, {"verb": "status"})
        return {view.service: view for view in _managed(answer["services"])}
    except (ShoonyaError, KeyError, TypeError, ValueError):
        # Nobody there, or somebody of another version.
        return None


def _managed(services: Sequence[Mapping[str, Any]]) -> Iterator[ServiceView]:
    for health in services:
        since = health["since"]
        yield ServiceView(
            service=health["service"],
            state=ServiceStatus(health["status"]),
            pid=health["pid"],
            since=since and datetime.fromisoformat(since),
            restarts=health["restarts"],
            text=_backing_off(health) or health["text"],
            cause=health["cause"],
            memory_bytes=memory_bytes(health["pid"]),
            supervisor=Supervisor.MANAGER,
        )


def _backing_off(health: Mapping[str, Any]) -> str:
    left = health["restart_in_seconds"]
    if left is None:
        return ""
    return RestartPolicy().describe_wait(health["restarts"], left)


def _run(command: Sequence[str]) -> str:
    return subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SYSTEMCTL_TIMEOUT_SECONDS,
        stdin=subprocess.DEVNULL,
    ).stdout


def systemctl(runtime_dir: Path) -> list[str]:
    """Return the command that reaches the systemd which runs the services there."""
    return ["systemctl", "--user"] if is_of_user(runtime_dir) else ["systemctl"]


def is_of_user(runtime_dir: Path) -> bool:
    """Say whether a user's own systemd runs them (`install-units --user`)."""
    return runtime_dir.is_relative_to(USERS)


def _from_systemd(
    runtime_dir: Path, run: Run, clock: Clock
) -> dict[str, ServiceView] | None:
    units = [f"shoonya@{name}.service" for name in COMPONENTS]
    properties = f"--property={','.join(_PROPERTIES)}"
    try:
        command = [*systemctl(runtime_dir), "show", "--no-pager", properties, *units]
        output = run(command)
    except (OSError, subprocess.SubprocessError):
        return None
    blocks = [
        dict(line.partition("=")[::2] for line in block.splitlines())
        for block in output.split("\n\n")
    ]
    loaded = [block for block in blocks if block.get("LoadState") == "loaded"]
    if not loaded:
        return None
    views = (_unit(block, clock) for block in loaded)
    return {view.service: view for view in views}


def _unit(properties: Mapping[str, str], clock: Clock) -> ServiceView:
    def number(key: str) -> int | None:
        text = properties.get(key, "")
        # 2**64 - 1 is how older versions write "[not set]".
        return int(text) if text.isdigit() and int(text) < 1 << 63 else None

    state = _STATES.get(properties.get("ActiveState", ""), ServiceStatus.STOPPED)
    text = properties.get("StatusText", "")
    waits = state is ServiceStatus.STARTING and text.startswith(BACKING_OFF)
    if waits or properties.get("SubState", "").startswith("auto-restart"):
        state = ServiceStatus.BACKOFF
    pid = number("MainPID") or None
    entered = number(
        "ActiveEnterTimestampMonotonic"
        if state is ServiceStatus.RUNNING
        else "StateChangeTimestampMonotonic"
    )
    return ServiceView(
        service=properties["Id"].removeprefix("shoonya@").removesuffix(".service"),
        state=state,
        pid=pid,
        since=_moment(entered, clock) if entered else None,
        restarts=number("NRestarts") or 0,
        text=text,
        cause=_cause(properties.get("Result", ""), number("ExecMainStatus") or 0),
        memory_bytes=memory_bytes(pid) or (number("MemoryCurrent") if pid else None),
        supervisor=Supervisor.SYSTEMD,
    )


def _cause(result: str, status: int) -> str:
    if result in ("signal", "core-dump"):
        return describe_exit(-status)
    if result == "exit-code":
        return describe_exit(status)
    return _CAUSES.get(result, result)


def _moment(usec: int, clock: Clock) -> datetime:
    ago = timedelta(seconds=clock.monotonic() - usec / 1e6)
    # Whole seconds: two readings of the two clocks are never quite simultaneous.
    return (clock.now() - ago).replace(microsecond=0)


def _from_beats(
    beats: Sequence[Beat], heartbeat_seconds: float, now: datetime
) -> dict[str, ServiceView]:
    if not beats:
        return {}
    views = {
        name: _unknown(name, supervisor=Supervisor.HEARTBEAT) for name in COMPONENTS
    }
    oldest = now - timedelta(seconds=BEATS_MISSED * heartbeat_seconds)
    for beat in beats:
        views[beat.service] = _beaten(beat, is_silent=beat.beat_at <= oldest)
    return views


def _beaten(beat: Beat, *, is_silent: bool) -> ServiceView:
    is_running = beat.ended_at is None and not is_silent
    # Who said goodbye is stopped; who fell silent without it is dead or hangs.
    is_dead = beat.ended_at is None and is_silent
    state = ServiceStatus.FAILED if is_dead else ServiceStatus.STOPPED
    return ServiceView(
        service=beat.service,
        state=ServiceStatus.RUNNING if is_running else state,
        pid=beat.pid if is_running else None,
        since=beat.started_at if is_running else beat.ended_at or beat.beat_at,
        restarts=0,
        text=beat.status,
        cause="no heartbeat any more" if is_dead else "",
        memory_bytes=memory_bytes(beat.pid) if is_running else None,
        supervisor=Supervisor.HEARTBEAT,
    )


def _unknown(name: str, *, supervisor: Supervisor) -> ServiceView:
    return ServiceView(
        service=name,
        state=ServiceStatus.STOPPED,
        pid=None,
        since=None,
        restarts=0,
        text="",
        cause="",
        memory_bytes=None,
        supervisor=supervisor,
    )
