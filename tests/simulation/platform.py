"""
The platform's processes: the real services, supervised as systemd supervises them.

`WorkerService.run`, its heartbeats, waits and retries are the platform's own code; the
doorbell, the notifier and the lock are not.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.config.loader import Config
from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.errors import (
    AlertRefused,
    ConfigError,
    StoreBusy,
    StoreDamaged,
    StoreError,
)
from shoonya_platform.execution.webhook import Intake
from shoonya_platform.services import (
    command_service,
    execution_guard,
    order_watcher,
    recovery_service,
    risk_manager,
    trading_bot,
)
from shoonya_platform.services.parts import shoonya_account
from shoonya_platform.services.policy import RestartPolicy
from shoonya_platform.services.runtime import StoreService, WorkerService
from shoonya_platform.store.base import OrderStore
from shoonya_platform.testing.tickers import packaged_tickers
from tests.simulation.engine import SqliteEngine
from tests.simulation.faults import Fault, Faults
from tests.simulation.ledger import Ledger
from tests.simulation.world import Death, Event, Task, World

SECRET = "simulated-secret"
#: What the unit files say.
WATCHDOG_SECONDS = 30.0
START_SECONDS = 90.0

BUILDERS: dict[str, Callable[..., Any]] = {
    "recovery_service": recovery_service.build,
    "order_watcher": order_watcher.build,
    "command_service": command_service.build,
    "execution_guard": execution_guard.build,
    "risk_manager": risk_manager.build,
    "trading_bot": trading_bot.build,
}
INTAKE = "execution_service"

#: Calls of the broker's port before and after which a process may die.
_CALLS = frozenset(
    {
        *("place", "modify", "cancel", "reports", "order_book", "trade_book"),
        *("positions", "limits", "last_price", "quote", "instrument"),
    }
)


class Bell:
    """Takes the place of the doorbell."""

    def __init__(self, platform: Platform, name: str | None) -> None:
        self._platform = platform
        self._event = Event(platform.world)
        if name is not None:
            platform.bells[name] = self

    def ring(self, *services: str) -> None:
        for service in services:
            bell = self._platform.bells.get(service)
            if bell is not None:
                bell.rung()

    def rung(self) -> None:
        self._event.set()

    def wait(self, timeout_seconds: float) -> bool:
        stretched = timeout_seconds * self._platform.patience
        rung = self._event.wait(stretched)
        self._event.clear()
        return rung

    def fileno(self) -> int:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""


class Heard:
    """Takes the place of systemd's notification socket."""

    watchdog_seconds = WATCHDOG_SECONDS

    def __init__(self, process: Process) -> None:
        self._process = process

    def send(self, *states: str) -> None:
        for state in states:
            if state == "WATCHDOG=1":
                self._process.fed()
            elif state == "READY=1":
                self._process.is_ready = True
                self._process.fed()
            elif state.startswith("EXTEND_TIMEOUT_USEC"):
                self._process.fed()

    def close(self) -> None:
        """Nothing is held."""


class IntakeService(StoreService):
    """execution_service behind its HTTP server: takes bodies, answers each."""

    def __init__(self, name: str, platform: Platform) -> None:
        super().__init__(name)
        self._platform = platform

    def run(self) -> None:
        intake = Intake(
            self.store,
            SECRET,
            self.clock,
            self.doorbell.ring,
            max_body_bytes=65_536,
            executor=cast(Any, None),
            tickers=packaged_tickers(),
        )
        self.ready()
        mail = self._platform.mail
        while not self.should_stop():
            # Its HTTP server's threads wait for the store, and not the heartbeat.
            if mail:
                self._take(intake, *mail.popleft())
            self._retrying(lambda: self.heartbeat("listening"))
            if not mail:
                self.doorbell.wait(self._settings.service.poll_seconds)

    def _take(
        self, intake: Intake, body: bytes, answer: Callable[[str, Alert], None]
    ) -> None:
        try:
            alert = intake._authenticated(body)
            (result,) = intake._store_alerts([alert])
            if isinstance(result, AlertRefused):
                raise result
        except (AlertRefused, StoreError) as e:
            self._platform.world.note(self.name, f"not taken: {e.message}")
            return
        if result is not None:
            answer(result[0], alert)


class HookedBroker:
    """A broker before and after whose calls something may happen."""

    def __init__(self, broker: ShoonyaBroker, hook: Callable[[str], None]) -> None:
        self._broker = broker
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._broker, name)
        if name not in _CALLS:
            return found

        def call(*arguments: Any) -> Any:
            self._hook(f"before {name}")
            try:
                answer = found(*arguments)
            except Exception:
                self._hook(f"after {name}")
                raise
            self._hook(f"after {name}")
            return answer

        return call


class Process:
    """One service's runs, one after the other."""

    def __init__(self, platform: Platform, name: str) -> None:
        self._platform = platform
        self._world = platform.world
        self.name = name
        self.is_ready = False
        self.is_given_up = False
        self.runs = 0
        self.pause_seconds = 0.0
        self._crashes: list[tuple[float, bool]] = []
        self._fed_at = 0.0
        self._was_paused = False
        self._is_injected = False
        self._service: StoreService | None = None
        self._tasks: list[Task] = []
        self._stores: list[OrderStore] = []
        self._wants_to_run = False

    @property
    def is_running(self) -> bool:
        return self._service is not None

    def start(self, delay: float = 0.0) -> None:
        self._wants_to_run = True
        if self._service is None and not self.is_given_up:
            self.runs += 1
            run = self.runs
            self._world.after(delay, lambda: self._begin(run))

    def stop(self) -> None:
        """Ask for an end in order, as SIGTERM does."""
        self._wants_to_run = False
        self.runs += 1
        if self._service is not None:
            self._service._stopping = True
            self._service.wake()

    def kill(self, *, injected: bool) -> None:
        """End all of it at once; called from an event."""
        self._is_injected = injected
        for task in self._tasks[::-1]:
            task.kill()

    def fed(self) -> None:
        self._fed_at = self._world.time
        self._was_paused = False

    def look(self) -> None:
        """Be the watchdog."""
        limit = WATCHDOG_SECONDS if self.is_ready else START_SECONDS
        if self._service is None or self._world.time - self._fed_at <= limit:
            return
        self._world.note(self.name, "KILLED by the watchdog")
        self.kill(injected=self._was_paused)

    def own(self, task: Task) -> None:
        self._tasks.append(task)

    def hook(self, point: str) -> None:
        """Let happen what happens at a commit or a call of the broker."""
        world, faults = self._world, self._platform.faults
        if world.current is None or world.current not in self._tasks:
            return
        if point == "before place":
            # Ahead of a pause: the last look is over, and no other follows.
            self._platform.before_place()
        if self.pause_seconds or faults.happens(Fault.PAUSE, self.name, share=0.002):
            seconds = self.pause_seconds or faults.figure(Fault.PAUSE, 20, 240)
            self.pause_seconds = 0.0
            self._was_paused = True
            world.note("FAULT", f"{self.name} is paused at '{point}', {seconds:.0f} s")
            world.sleep(seconds)
        kind = _DEATHS.get(point.partition(" ")[0])
        if kind is not None and faults.happens(kind, f"{self.name} {point}"):
            world.note("FAULT", f"{self.name} dies at '{point}'")
            self._is_injected = True
            raise Death(self.name)
        if point == "begin" and self.name == "command_service":
            self._platform.before_take()
        act = self._platform.at_calls.pop((self.name, point), None)
        if act is not None:
            act()
        # Others run in between, where the scheduler likes to.
        if point == "begin" and world.random.random() < 0.1:
            world.sleep(world.random.uniform(0.0001, 0.01))
        elif point.startswith("before") and world.random.random() < 0.2:
            world.sleep(world.random.uniform(0.0001, 0.05))

    def _begin(self, run: int) -> None:
        if run != self.runs or self._service is not None:
            return
        platform = self._platform
        if self.name == INTAKE:
            service: StoreService = IntakeService(self.name, platform)
        else:
            service = WorkerService(self.name, BUILDERS[self.name])
        service.clock = self._world.clock
        service.run_id = f"run{run}"
        service.started_at = self._world.clock.now()
        service.notifier = cast(Any, Heard(self))
        # The memory of this process is the simulation's.
        service._weighed_at = float("inf")
        service._begun_at = self._world.clock.monotonic()
        self._service = service
        self._is_injected = self._was_paused = self.is_ready = False
        self.fed()
        task = self._world.spawn(self.name, lambda: self._main(service))
        self._tasks = [task]
        task.on_end = self._ended

    def _main(self, service: StoreService) -> None:
        try:
            service.open(self._platform.config)
            service.run()
        except Death:
            raise
        except Exception as e:
            service.close()
            # As `IsolatedService.main` has it.
            if not (isinstance(e, StoreBusy) and service.should_stop()):
                raise
        else:
            service.close()

    def _ended(self, error: BaseException | None) -> None:
        self._service = None
        self.is_ready = False
        for task in self._tasks[1:]:
            task.kill()
        for store in self._stores:
            self._platform.engine.drop(store)
        self._stores.clear()
        world = self._world
        if error is None:
            world.note(self.name, "ended in order")
            return
        if isinstance(error, ConfigError | StoreDamaged):
            self._give_up(f"{type(error).__name__}: {error}")
            return
        injected = isinstance(error, Death) and self._is_injected
        if not isinstance(error, Death):
            world.note(self.name, f"CRASHED: {type(error).__name__}: {error}"[:300])
        if not injected:
            self._platform.note_crash(self.name, error)
        self._crashes.append((world.time, injected))
        if not self._wants_to_run:
            return
        policy = RestartPolicy()
        own = [at for at, was_injected in self._crashes if not was_injected]
        delay = policy.delay(own[-8:], world.time, world.random.random)
        if delay is None:
            self._give_up(f"{type(error).__name__}: {error}")
            return
        self.start(max(delay, 1.0))

    def _give_up(self, why: str) -> None:
        self._world.note(self.name, f"GIVEN UP: {why}"[:200])
        self.is_given_up = True
        self._platform.ledger.given_up[self.name] = why

    def add_store(self, store: OrderStore) -> None:
        self._stores.append(store)


_DEATHS = {
    "commit": Fault.DEATH_BEFORE_COMMIT,
    "committed": Fault.DEATH_AFTER_COMMIT,
    "before": Fault.DEATH_BEFORE_CALL,
    "after": Fault.DEATH_AFTER_CALL,
}


class Platform:
    """All services on the simulated machine."""

    def __init__(
        self,
        world: World,
        engine: SqliteEngine,
        config: Config,
        faults: Faults,
        ledger: Ledger,
    ) -> None:
        self.world = world
        self.engine = engine
        self.config = config
        self.faults = faults
        self.ledger = ledger
        self.bells: dict[str, Bell] = {}
        self.mail: deque[tuple[bytes, Callable[[str, Alert], None]]] = deque()
        self.processes = {name: Process(self, name) for name in (*BUILDERS, INTAKE)}
        self.before_place: Callable[[], None] = lambda: None
        self.before_take: Callable[[], None] = lambda: None
        #: What a scripted case does once at a service's call or commit.
        self.at_calls: dict[tuple[str, str], Callable[[], None]] = {}
        #: What waiting at the doorbell is stretched by, while nothing goes on.
        self.patience = 1.0
        self.crashes: list[tuple[str, str]] = []
        self._watch()

    def start(self) -> None:
        self.ledger.started_at = self.world.time
        for process in self.processes.values():
            process.start(self.world.random.uniform(0.0, 0.3))

    def kill_all(self) -> None:
        for process in self.processes.values():
            process._wants_to_run = False
            process.runs += 1
            process.kill(injected=True)

    @property
    def is_down(self) -> bool:
        return not any(process.is_running for process in self.processes.values())

    @property
    def is_up(self) -> bool:
        return all(
            process.is_ready or process.is_given_up
            for process in self.processes.values()
        )

    def note_crash(self, name: str, error: BaseException) -> None:
        self.crashes.append((name, f"{type(error).__name__}: {error}"))

    # -- what the services are given ---------------------------------------------

    def open_store(self, settings: object, service: str, run_id: str, *_: Any) -> Any:
        """Take the place of `runtime.open_store`."""
        process = self.processes.get(service)
        hook = None if process is None else process.hook
        store = self.engine.open(
            service,
            run_id,
            self.world.clock,
            lambda point, durable: None if hook is None else hook(point),
        )
        if process is not None:
            process.add_store(store)
        table = store.alerts
        add = table.add

        def noted(
            alert: Alert, alert_id: AlertId, *, received_at: datetime
        ) -> tuple[AlertId, bool]:
            stored, is_new = add(alert, alert_id, received_at=received_at)
            if is_new:
                self.ledger.note_alert(stored, alert, received_at)
            return stored, is_new

        cast(Any, table).add = noted
        return store

    def open_broker(self, config: Config, clock: object, tell: Any) -> Any:
        """Take the place of `parts.open_broker`."""
        task = self.world.current
        process = self.processes[task.name if task else ""]
        broker = ShoonyaBroker(shoonya_account(config), self.world.clock, tell=tell)
        return HookedBroker(broker, process.hook)

    def bell(self, runtime_dir: object, service: str | None = None) -> Bell:
        return Bell(self, service)

    def thread_started(self, task: Task) -> None:
        current = self.world.current
        for process in self.processes.values():
            if current in process._tasks:
                process.own(task)

    # -- the outside ---------------------------------------------------------------

    def post(
        self, body: dict[str, object], answered: Callable[[str, Alert], None]
    ) -> None:
        """Send an alert as TradingView does: again after 5 s without an answer."""
        text = json.dumps({**body, "secret_key": SECRET}).encode()
        state = {"done": False}

        def answer(alert_id: str, alert: Alert) -> None:
            if not state["done"]:
                state["done"] = True
                answered(alert_id, alert)

        def attempt(number: int) -> None:
            if state["done"] or number > 3:
                return
            if self.processes[INTAKE].is_ready:
                self.mail.append((text, answer))
                bell = self.bells.get(INTAKE)
                if bell is not None:
                    bell.rung()
            self.world.after(5.0, lambda: attempt(number + 1))

        attempt(0)

    def _watch(self) -> None:
        for process in self.processes.values():
            process.look()
        self.world.after(2.0, self._watch)
