"""One supervised service: its process, what it says, and when it starts again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.errors import EXIT_CONFIG, EXIT_RENEW
from shoonya_platform.services import blackbox
from shoonya_platform.services.crashes import KEPT, Crash, since_boot
from shoonya_platform.services.policy import RestartPolicy

#: A ready service that says nothing for this long hangs, and is killed.
WATCHDOG_SECONDS = 30.0

#: How long a service may take to end in order before it is killed.
STOP_SECONDS = 10.0

#: What hangs may write down for this long where it stands, before it is killed.
ABORT_SECONDS = 2.0


class ServiceStatus(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"  #: the process runs, READY=1 has not come
    RUNNING = "running"  #: it said READY=1
    BACKOFF = "backoff"  #: it crashed, and waits for its restart
    STOPPING = "stopping"
    FAILED = "failed"  #: given up; only an operator starts it again


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """How one service is."""

    service: str
    status: ServiceStatus
    pid: int | None
    since: datetime | None  #: when it came into this status, UTC
    restarts: int  #: crashes that count at the moment
    text: str  #: the service's own last sentence
    cause: str  #: why it last ended; empty if it never did
    restart_in_seconds: float | None  #: while in backoff
    ends: tuple[Crash, ...] = ()  #: how its runs ended, oldest first


class Child:
    """
    The state machine of one service's process.

    Args:
        environ: What the process gets as its environment.

        tell: Called with a sentence at every change an operator wants to know of.

        policy: When it starts again after a crash.

        stderr: The descriptor that its standard error goes to; None is ours.
    """

    def __init__(
        self,
        name: str,
        runtime_dir: Path,
        environ: Mapping[str, str],
        clock: Clock,
        tell: Callable[[str, str], None],
        policy: RestartPolicy,
        stderr: int | None = None,
    ) -> None:
        self.name = name
        self.pidfd: int | None = None
        self._environ = environ
        self._clock = clock
        self._tell = tell
        self._policy = policy
        self._stderr = stderr
        self._crashes: list[float] = []
        self._ends: list[Crash] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._status = ServiceStatus.STOPPED
        self._since: datetime | None = None
        self._text = ""
        self._cause = ""
        self._hung = False
        self._due_at: float | None = (
            None  #: restart in BACKOFF, kill in STOPPING or hung
        )
        self._fed_at = 0.0
        self._start_after_stop = False
        self._runtime_dir = runtime_dir / name
        self._notify_path = self._runtime_dir / "notify"
        self._notify_path.parent.mkdir(parents=True, exist_ok=True)
        self._notify_path.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.setblocking(False)
        try:
            self.notify.bind(str(self._notify_path))
        except OSError:
            self.notify.close()
            raise

    @property
    def is_alive(self) -> bool:
        return self._process is not None

    @property
    def status(self) -> ServiceStatus:
        return self._status

    def health(self) -> ServiceHealth:
        waiting = self._status is ServiceStatus.BACKOFF and self._due_at is not None
        return ServiceHealth(
            service=self.name,
            status=self._status,
            pid=self._process.pid if self._process else None,
            since=self._since,
            restarts=len(self._recent()),
            text=self._text,
            cause=self._cause,
            restart_in_seconds=(
                max(0.0, self._due_at - self._clock.monotonic())
                if waiting and self._due_at is not None
                else None
            ),
            ends=tuple(self._ends),
        )

    def start(self, *, by_operator: bool = False) -> None:
        """Start the process, unless it runs."""
        if by_operator:
            self._crashes.clear()
            self._ends = [replace(end, counts=False) for end in self._ends]
            self._start_after_stop = self._status is ServiceStatus.STOPPING
        if self._process is not None:
            return
        blackbox.forget(self._runtime_dir)
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"shoonya_platform.services.{self.name}"],
            env={
                **self._environ,
                "NOTIFY_SOCKET": str(self._notify_path),
                "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6)),
                "SHOONYA_SUPERVISED": str(os.getpid()),
            },
            stdin=subprocess.DEVNULL,
            stderr=self._stderr,
            # Ctrl-C goes to the manager alone, which then stops all in order.
            start_new_session=True,
        )
        self.pidfd = os.pidfd_open(self._process.pid)
        self._fed_at = self._clock.monotonic()
        self._text = ""
        self._become(ServiceStatus.STARTING)

    def stop(self, *, then_start: bool = False) -> None:
        """Ask the process to end in order; it is killed if it does not."""
        self._start_after_stop = then_start
        if self._process is None:
            self._become(ServiceStatus.STOPPED)
            if then_start:
                self.start(by_operator=True)
            return
        self._process.terminate()
        self._become(ServiceStatus.STOPPING)
        self._due_at = self._clock.monotonic() + STOP_SECONDS

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def read_notifications(self) -> None:
        """Take in what the process says of itself."""
        while True:
            try:
                states = self.notify.recv(4096).decode(errors="replace").splitlines()
            except BlockingIOError:
                return
            self._fed_at = self._clock.monotonic()
            for state in states:
                key, _, value = state.partition("=")
                if key == "STATUS":
                    self._text = value
                elif key == "READY" and self._status is ServiceStatus.STARTING:
                    self._become(ServiceStatus.RUNNING)
                    self._tell(self.name, "is ready")

    def reap(self) -> None:
        """Take in the process's end, and decide what follows."""
        if self._process is None or self._process.poll() is None:
            return
        code = self._process.returncode
        self._process = None
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        self.read_notifications()
        if self._status is ServiceStatus.STOPPING:
            self._become(ServiceStatus.STOPPED)
            if self._start_after_stop:
                self.start(by_operator=True)
            return
        self._note_end(code)
        if code == EXIT_RENEW:
            self._tell(self.name, self._cause)
            self.start()
            return
        if code == EXIT_CONFIG:
            self._become(ServiceStatus.FAILED)
            self._tell(self.name, f"{self._cause}; not started again: mend it first")
            return
        now = self._clock.monotonic()
        self._crashes = [*self._recent(), now]
        delay = self._policy.delay(self._crashes, now)
        if delay is None:
            self._become(ServiceStatus.FAILED)
            self._tell(
                self.name,
                f"{self._cause}; {self._policy.describe_end()}: "
                f"shoonyactl start {self.name}",
            )
            return
        self._become(ServiceStatus.BACKOFF)
        self._due_at = now + delay
        self._tell(
            self.name,
            f"{self._cause}; {self._policy.describe(len(self._crashes), delay)}",
        )

    def tick(self) -> None:
        """Do what is due by now."""
        now = self._clock.monotonic()
        if self._due_at is not None and now >= self._due_at:
            self._due_at = None
            if self._status is ServiceStatus.BACKOFF:
                self.start()
            elif self._status is ServiceStatus.STOPPING:
                self._tell(
                    self.name, f"did not end within {STOP_SECONDS:g} s, killing it"
                )
                self.kill()
            elif self._hung:
                self.kill()
        if (
            self._status is ServiceStatus.RUNNING
            and not self._hung
            and now - self._fed_at > WATCHDOG_SECONDS
            and self._process is not None
        ):
            self._hung = True
            self._due_at = now + ABORT_SECONDS
            # As systemd does; what was stopped has to go on to hear of it.
            self._process.send_signal(signal.SIGABRT)
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.notify.close()
        self._notify_path.unlink(missing_ok=True)

    def _note_end(self, code: int) -> None:
        end = Crash(
            at=self._clock.now(),
            since_boot_seconds=since_boot(),
            boot_id="",
            result="watchdog" if self._hung else "exit-code" if code >= 0 else "signal",
            exit_code="exited" if code >= 0 else "killed",
            exit_status=str(code) if code >= 0 else describe_signal(-code),
            counts=code not in (EXIT_CONFIG, EXIT_RENEW),
        ).with_words(blackbox.read(self._runtime_dir))
        self._hung = False
        self._ends = [*self._ends, end][-KEPT:]
        self._cause = end.cause

    def _recent(self) -> list[float]:
        return self._policy.recent(self._crashes, self._clock.monotonic())

    def _become(self, status: ServiceStatus) -> None:
        if status is not ServiceStatus.BACKOFF:
            self._due_at = None
        self._status = status
        self._since = self._clock.now()


def describe_exit(code: int) -> str:
    """Return how a process ended, in words."""
    return f"exited with {code}" if code >= 0 else f"killed by {describe_signal(-code)}"


def describe_signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
