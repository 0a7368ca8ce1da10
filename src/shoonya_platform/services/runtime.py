"""
The composition root: gives a worker what it needs and runs it as a service.

The only place, with the entrypoints beside it, where the kinds of store and broker
have names.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, TypeVar

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.config.loader import Config
from shoonya_platform.config.settings import Settings
from shoonya_platform.errors import (
    AlreadyRunning,
    BrokerUnavailable,
    ConfigError,
    LoginNeeded,
    StoreBusy,
    StoreError,
)
from shoonya_platform.services.attended import AttendedBroker
from shoonya_platform.services.isolated import IsolatedService
from shoonya_platform.services.login import ask_for_login
from shoonya_platform.services.parts import open_broker
from shoonya_platform.store.accounts import find_store
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.doorbell import Doorbell
from shoonya_platform.store.sqlite import SqliteOrderStore

T = TypeVar("T")

#: Waited after a store or broker that did not answer, doubling up to the last.
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)

#: After a step that did more than one thing a service rests twice as long as that took,
#: within these bounds: what comes meanwhile is done in one transaction.
SHORTEST_REST_SECONDS = 0.005
LONGEST_REST_SECONDS = 0.02

#: Heartbeats in a row that nobody may send before the platform counts as stopped.
SILENT_BEATS = 3


class Worker(Protocol):
    """The work of one service, cut into steps."""

    def begin(self) -> None:
        """Take up what an earlier run left behind."""
        ...

    def step(self) -> int:
        """Do what there is to do now; return how much it was, 0 for nothing."""
        ...

    def status(self) -> str:
        """Return one sentence for the operator."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker may be built from."""

    config: Config
    store: OrderStore
    clock: Clock
    ring: Callable[..., None]
    run_id: str
    #: Logs a sentence about something that is tolerated.
    tell: Callable[[str], None]
    #: Feeds the watchdog.
    beat: Callable[[], None]
    opened: list[AttendedBroker] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return self.config.settings

    def broker(self) -> Broker:
        """Return the configured broker, the same one each time."""
        if not self.opened:
            plain = open_broker(self.config, self.clock, self.tell)
            self.opened.append(
                AttendedBroker(plain, self.clock, beat=self.beat, warn=self.tell)
            )
        return self.opened[0]


class StoreService(IsolatedService):
    """A service that holds its lock, the store and its doorbell."""

    def open(self, config: Config) -> None:
        settings = config.settings
        self._settings = settings
        self._lock = _lock(settings.paths.state_dir, self.name)
        self._beat_at = -settings.service.heartbeat_seconds
        try:
            self.doorbell = Doorbell(settings.paths.runtime_dir, self.name)
        except OSError as e:
            raise ConfigError(
                f"the runtime directory '{settings.paths.runtime_dir}' "
                f"cannot be used: {e.strerror}",
                hint="set 'paths.runtime_dir' to a directory of the service's user",
            ) from e
        self.store = self._retrying(
            lambda: open_store(
                settings, self.name, self.run_id, self.clock, self._while_migrating
            )
        )
        self._note_begin()
        self.parts = Parts(
            config,
            self.store,
            self.clock,
            self.doorbell.ring,
            self.run_id,
            self._tell_tolerated,
            self.progress,
        )

    def _while_migrating(self) -> bool:
        # Also tells systemd that the start is none that hangs.
        self.beat("bringing the order store to this version's schema")
        return self.should_stop()

    def _note_begin(self) -> None:
        """Say at once who runs: the others tell a start of all from one alone."""

        def note() -> None:
            with self.store.transaction(durable=False):
                self.store.recovery.begin(
                    silent_seconds=SILENT_BEATS
                    * self._settings.service.heartbeat_seconds
                )
                self.store.services.beat(
                    pid=os.getpid(), status="begins", started_at=self.started_at
                )

        self._retrying(note)

    def close(self) -> None:
        parts = self.__dict__.get("parts")
        if parts is not None and self.should_stop():
            with (
                contextlib.suppress(StoreError),
                self.store.transaction(durable=False),
            ):
                self.store.services.end()
        for broker in () if parts is None else parts.opened:
            broker.close()
        for held in ("store", "doorbell", "_lock"):
            part = self.__dict__.pop(held, None)
            if part is not None:
                part.close()

    def wake(self) -> None:
        doorbell = self.__dict__.get("doorbell")
        if doorbell is not None:
            doorbell.ring(self.name)

    def heartbeat(self, status: str) -> None:
        """Feed the watchdog, and now and then the store's table of services."""
        self.beat(status)
        now = self.clock.monotonic()
        if now - self._beat_at >= self._settings.service.heartbeat_seconds:
            self._beat_at = now
            with self.store.transaction(durable=False):
                self.store.services.beat(
                    pid=os.getpid(),
                    status=status,
                    started_at=self.started_at,
                    slow_answer_seconds=self._slow_answer_seconds(),
                )

    def _slow_answer_seconds(self) -> float:
        parts = self.__dict__.get("parts")
        brokers = () if parts is None else parts.opened
        return max((broker.slow_answer_seconds() for broker in brokers), default=0.0)

    def _tell_tolerated(self, sentence: str) -> None:
        self.logger.warning("%s", sentence, extra={"event": "broker_tolerated"})

    def _retrying(self, deed: Callable[[], T]) -> T:
        """Wait for a store that is busy: it costs no restart."""
        for attempt in range(sys.maxsize):
            try:
                return deed()
            except StoreBusy as e:
                if self.should_stop():
                    raise
                self.wait_after(e, attempt)
        raise AssertionError

    def wait_after(self, error: StoreBusy | BrokerUnavailable, attempt: int) -> None:
        """Say what is wrong and when it is tried again, then wait that long."""
        seconds = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
        self.logger.warning(
            "%s, retrying in %g s",
            error.sentence,
            seconds,
            extra={"event": "waiting"},
        )
        status = f"waiting: {error.message}"
        self.beat(status)
        if isinstance(error, BrokerUnavailable):
            # It lives, and the store is well: it is not to look silent.
            with contextlib.suppress(StoreError):
                self.heartbeat(status)
        until = self.clock.monotonic() + seconds
        # A ring means work, and there is no doing any: only the end interrupts.
        while (left := until - self.clock.monotonic()) > 0 and not self.should_stop():
            self.doorbell.wait(left)


class WorkerService(StoreService):
    """Steps through a worker's work: at a ring, and at every poll interval."""

    def __init__(self, name: str, build: Callable[[Parts], Worker]) -> None:
        super().__init__(name)
        self._build = build

    def run(self) -> None:
        worker: Worker | None = None
        failures = 0
        while not self.should_stop():
            try:
                if worker is None:
                    begun = self._build(self.parts)
                    begun.begin()
                    worker = begun
                    self.ready()
                began = self.clock.monotonic()
                done = worker.step()
                took = self.clock.monotonic() - began
                self.heartbeat(worker.status())
                failures = 0
            except (StoreBusy, BrokerUnavailable) as e:
                if isinstance(e, LoginNeeded):
                    ask_for_login(self.store, self.logger, self._settings.broker.name)
                self.wait_after(e, failures)
                failures += 1
                continue
            if not done:
                self.doorbell.wait(self._settings.service.poll_seconds)
            elif done > 1:
                # Many came at once, and more will: let them gather.
                rest = max(2 * took, SHORTEST_REST_SECONDS)
                time.sleep(min(rest, LONGEST_REST_SECONDS))


def open_store(
    settings: Settings,
    service: str,
    run_id: str,
    clock: Clock,
    progress: Callable[[], bool] | None = None,
) -> SqliteOrderStore:
    """
    Open the configured store; `progress` as `SqliteOrderStore` calls it.

    Raises:
        StoreBusy, StoreDamaged: It cannot be opened.
    """
    return SqliteOrderStore(
        find_store(settings.paths.state_dir, settings.account),
        service=service,
        run_id=run_id,
        clock=clock,
        account=settings.account,
        progress=progress,
    )


def run_worker(name: str, build: Callable[[Parts], Worker]) -> int:
    """Run a worker as a service; return the process's exit code."""
    return WorkerService(name, build).main()


def _lock(state_dir: Path, name: str) -> IO[str]:
    """
    Hold the right to be this service, as long as the process lives.

    The kernel lets go of it however the process dies, so who gets it knows that no
    earlier run is still about to act.
    """
    path = state_dir / "locks" / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as e:
        raise ConfigError(
            f"the state directory '{state_dir}' cannot be used: {e.strerror}",
            hint="set 'paths.state_dir' to a directory of the service's user",
        ) from e
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(
            f"{name} is already running (pid {holder}) on '{state_dir}'",
            hint="stop that one first, or give this one another 'paths.state_dir'",
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
