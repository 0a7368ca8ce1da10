"""One history: builds the world of a seed, runs it to its end, judges it."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from shoonya_platform.assessment.conditions import Condition
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.config.loader import Config
from shoonya_platform.config.secrets import Secrets, variable
from shoonya_platform.config.settings import (
    Broker,
    Guard,
    Paths,
    Risk,
    Service,
    Settings,
    Shoonya,
)
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
)
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.execution.reconciling import STALE_SECONDS
from shoonya_platform.store.base import OrderStore
from shoonya_platform.testing.clock import FakeClock
from tests.simulation.attention import Attention
from tests.simulation.checks import Checks
from tests.simulation.engine import SqliteEngine, make_template
from tests.simulation.exchange import INSTRUMENTS, TICK, Holding, Placed
from tests.simulation.faults import Fault, Faults, Scripted
from tests.simulation.flatten import Flattening
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network
from tests.simulation.noren import Noren
from tests.simulation.operator import Operator
from tests.simulation.platform import Platform
from tests.simulation.promises import Failure
from tests.simulation.sending import Sending
from tests.simulation.stand_ins import in_place
from tests.simulation.trace import Trace
from tests.simulation.traffic import Traffic
from tests.simulation.world import (
    Stuck,
    World,
)

#: After the faults: what came ten minutes late, and the longest time of giving up.
SETTLE_SECONDS = 1800.0
#: Without anything on its way for this long, a history has settled: two looks of
#: recovery_service.
QUIET_SECONDS = 70.0

_MUCH = Decimal(10) ** 12

_SECRETS = {
    "broker_api_secret": "simulated",
    "broker_password": "simulated",
    "broker_totp_secret": "JBSWY3DPEHPK3PXP",
    "webhook_secret": "simulated-secret",
}


@dataclass(slots=True)
class Result:
    """How a history went."""

    seed: int
    failures: list[Failure]
    faults: Counter[Fault]
    trace: Trace
    seconds: float  #: of simulated time
    orders: int  #: before everything was closed at the end, as are those below
    crashes: list[tuple[str, str]] = field(default_factory=list)
    #: What `check` names.
    conditions: list[Condition] = field(default_factory=list)
    #: What the exchange holds.
    held: Counter[Holding] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Options:
    """What a history is made of beside its seed."""

    allowed: Collection[Fault] = tuple(Fault)
    script: Collection[Scripted] = ()
    #: Takes the place of the usual traffic: gets the simulation before its begin.
    scenario: Callable[[Simulation], None] | None = None
    seconds: float | None = None
    #: Each history has all kinds that are allowed, and not a mix of its own.
    everything: bool = False
    intensity: float = 1.0


class Simulation:
    """The parts of one history."""

    def __init__(self, seed: int, options: Options, folder: Path) -> None:
        self.trace = Trace(str(folder))
        self.world = World(seed, self.trace)
        self.ledger = Ledger()
        self.options = options
        self.faults = Faults(self.world.random, options.allowed, script=options.script)
        self.noren = Noren(self.world, self.faults)
        self.market = self.noren.market
        self.network = Network(self.world, self.noren, self.faults, self.ledger)
        self.engine = SqliteEngine(folder / "orders.db", _template(), self.world.random)
        self.config = _config(folder)
        self.network.before_send = Sending(
            self.world,
            self.market,
            self.ledger,
            self.config.settings.guard.max_alert_age_seconds,
        ).judge
        self.platform = Platform(
            self.world, self.engine, self.config, self.faults, self.ledger
        )
        self.traffic = Traffic(self.world, self.platform, self.market, self.ledger)
        self.operator = Operator(
            self.world,
            self.platform,
            self.engine,
            self.noren,
            self.faults,
            self.ledger,
        )
        self.market.plan = self._fills
        self._quiet_since: float | None = None
        # Before everything was closed:
        self.orders = 0
        self.held = Counter[Holding]()
        self.conditions: list[Condition] = []

    def run(self) -> list[Failure]:
        """Live through the history; return what does not hold at its end."""
        world, options = self.world, self.options
        seconds = options.seconds or world.random.uniform(150, 400)
        rates = ", ".join(
            f"{kind} {rate:.3f}" for kind, rate in self.faults.rates.items()
        )
        world.note("world", f"faults: {rates}")
        self.platform.start()
        world.after(3.0, self._move_prices)
        if options.scenario is not None:
            options.scenario(self)
        else:
            self.traffic.plan(seconds)
            self.operator.begin()
        world.run(seconds)
        self.faults.is_over = True
        world.note("world", "the faults are over")
        world.after(60.0, self._resume)
        world.after(5.0, self._look)
        self.platform.patience = 2.0
        self._settle()
        world.note("world", "all is settled")
        failures = self._judge(Checks.judge)
        self.orders = len(self.market.orders)
        self.held = Counter(self.market.positions)
        self.conditions = self._attention.conditions
        if failures:
            return failures
        Flattening(world, self.operator, self.market, self.traffic, self._settle).run()
        world.note("world", "the end")
        return self._judge(Checks.judge_flat)

    def _settle(self) -> None:
        """Let time pass until nothing has moved for a while."""
        self._quiet_since = None
        self.world.run(self.world.time + SETTLE_SECONDS, self._is_settled)

    def _judge(self, judge: Callable[[Checks], list[Failure]]) -> list[Failure]:
        store = self.platform.open_store(None, "simulation", "end")
        try:
            self.ledger.crashes = self.platform.crashes
            self._attention = self.attention(store)
            return judge(Checks(store, self.market, self.ledger, self._attention))
        finally:
            self.engine.drop(store)

    def attention(self, store: OrderStore) -> Attention:
        """Return what is in front of the operator now."""
        # The lists of instruments are always there: no file is looked at.
        rules = replace(configured_rules(self.config.settings), instruments_file=None)
        return Attention(
            store,
            self.ledger,
            self.world.clock.now(),
            rules,
        )

    def at_call(self, service: str, point: str, act: Callable[[], None]) -> None:
        """Do something the first time a service comes to a call or a commit."""
        self.platform.at_calls[service, point] = act

    def _resume(self) -> None:
        # Also where nobody has halted it: a store that was put back may have been.
        self.operator.set_trading(TradingState.ACTIVE)

    def _look(self) -> None:
        self.engine.tidy()
        if self._is_quiet():
            if self._quiet_since is None:
                self._quiet_since = self.world.time
        else:
            self._quiet_since = None
        self.world.after(5.0, self._look)

    def _is_settled(self) -> bool:
        since = self._quiet_since
        quiet = QUIET_SECONDS
        if self.ledger.closed_by_hand:
            # Until then our own fills may explain that a position differs.
            quiet += STALE_SECONDS + 60
        return since is not None and self.world.time - since >= quiet

    def _is_quiet(self) -> bool:
        if self.network.in_flight or not self.platform.is_up or self.platform.mail:
            return False
        store = self.platform.open_store(None, "simulation", "look")
        try:
            last = store.recovery.last()
            return (
                not store.orders.in_status(*sorted(BEFORE_BROKER | IN_FLIGHT), limit=1)
                and not store.alerts.finished(limit=1)
                # After many ends of its session the platform pauses its log-ins.
                and (last is None or last.succeeded)
            )
        finally:
            self.engine.drop(store)

    def _move_prices(self) -> None:
        world = self.world
        if self.faults.is_over:
            return
        symbol = world.random.choice(sorted(INSTRUMENTS))
        step = TICK * world.random.randint(-8, 8)
        self.market.move(symbol, max(self.market.prices[symbol] + step, 20 * TICK))
        self.noren.tick(symbol)
        world.after(3.0, self._move_prices)

    def _fills(self, placed: Placed) -> list[tuple[float, int]]:
        random = self.world.random
        left = placed.claim.quantity - placed.claim.filled_quantity
        if left <= 65 or random.random() < 0.6:
            return [(random.uniform(0.02, 1.0), left)]
        first = max(65, left // 2 // 65 * 65)
        return [
            (random.uniform(0.02, 0.5), first),
            (random.uniform(0.6, 8.0), left - first),
        ]


def run(seed: int, options: Options | None = None) -> Result:
    """Run one history."""
    options = options or Options()
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_memory()))
    simulation = Simulation(seed, options, folder)
    try:
        with in_place(
            simulation.world,
            simulation.platform,
            simulation.network,
            simulation.noren,
            simulation.ledger,
        ):
            try:
                failures = simulation.run()
                simulation.platform.kill_all()
            except Stuck as e:
                failures = [Failure("the history does not end", str(e))]
            except Exception as e:  # noqa: BLE001 a defect of the simulation's own
                traceback.print_exc()
                failures = [
                    Failure(f"the simulation itself: {type(e).__name__}", str(e))
                ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Result(
        seed,
        failures,
        simulation.faults.counts,
        simulation.trace,
        simulation.world.time,
        simulation.orders,
        simulation.platform.crashes,
        simulation.conditions,
        simulation.held,
    )


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


_templates: dict[int, Path] = {}


def _template() -> Path:
    """Return an empty store, made once in each process."""
    if os.getpid() not in _templates:
        folder = Path(tempfile.mkdtemp(prefix="simulation-template-", dir=_memory()))
        make_template(folder / "orders.db", FakeClock())
        _templates[os.getpid()] = folder / "orders.db"
    return _templates[os.getpid()]


def _config(folder: Path) -> Config:
    settings = Settings(
        paths=Paths(
            state_dir=folder,
            runtime_dir=folder,
            log_dir=folder,
            credentials_dir=folder,
        ),
        service=Service(poll_seconds=2.0),
        broker=Broker(name="shoonya"),
        shoonya=Shoonya(
            generation="quickauth",
            user_id="U1",
            api_url="http://broker",
            websocket_url="ws://broker",
        ),
        guard=Guard(market_hours="exchange", allow_conflicts=True),
        risk=Risk(
            max_daily_loss=_MUCH,
            max_exposure=_MUCH,
            max_order_value=_MUCH,
            max_symbol_exposure=_MUCH,
            max_strategy_exposure=_MUCH,
        ),
    )
    environ = {variable(name): value for name, value in _SECRETS.items()}
    return Config(
        settings=settings, secrets=Secrets(folder, environ), sources={}, path=None
    )
