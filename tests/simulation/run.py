"""One history: builds the world of a seed, runs it to its end, judges it."""

from __future__ import annotations

import logging
import os
import random
import secrets
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpcore
import websockets.sync.client

from shoonya_platform.assessment.conditions import Condition
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.brokers import shoonya, shoonya_feed, shoonya_session
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
from shoonya_platform.domain.alerts import Alert
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.instruments import Exchange, Instrument, Source
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    IN_FLIGHT,
    Intent,
    Side,
)
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.instruments.rows import Listed
from shoonya_platform.logging.components import logger_name
from shoonya_platform.logging.context import CONTEXT_ATTRIBUTE
from shoonya_platform.services import parts, runtime
from shoonya_platform.store import sendlock
from shoonya_platform.store import sqlite as sqlite_store
from shoonya_platform.store.base import OrderStore
from shoonya_platform.testing.clock import FakeClock
from tests.simulation import rows
from tests.simulation.attention import Attention
from tests.simulation.checks import Checks
from tests.simulation.engine import SqliteEngine, make_template
from tests.simulation.exchange import INSTRUMENTS, TICK, Holding, Placed
from tests.simulation.faults import Fault, Faults, Scripted
from tests.simulation.flatten import Flattening
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network, Request
from tests.simulation.noren import Noren
from tests.simulation.operator import Operator
from tests.simulation.platform import BUILDERS, INTAKE, Platform
from tests.simulation.promises import Failure, Promise
from tests.simulation.trace import Trace
from tests.simulation.traffic import Traffic
from tests.simulation.world import (
    SimulatedTime,
    Stuck,
    Threading,
    World,
)

#: After the faults: what came ten minutes late, and the longest time of giving up.
SETTLE_SECONDS = 1800.0
#: Without anything on its way for this long, a history has settled: two looks of
#: recovery_service.
QUIET_SECONDS = 70.0

#: Read from the disk once, and not with each start of a service.
_migrations = cache(sqlite_store.migrations)

#: From the last look to the first byte: the wait for the network is part of sending.
_SENDING_SECONDS = 6.0

#: No order of the traffic is further from the market, as a share of its price.
_FAR = Decimal("0.4")

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
        self.network.before_send = self._before_send
        self.engine = SqliteEngine(folder / "orders.db", _template(), self.world.random)
        self.config = _config(folder)
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
        Flattening(world, self.operator, self.traffic, self._settle).run()
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
        if self.ledger.halted_at is not None:
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
        return since is not None and self.world.time - since >= QUIET_SECONDS

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

    def _before_send(self, request: Request) -> None:
        """Judge each order at the moment at which it leaves."""
        if request.route != "PlaceOrder":
            return
        ledger, world = self.ledger, self.world
        name = request.fields.get("remarks", "")
        price = Decimal(request.fields["prc"])
        market = self.market.prices[request.fields["tsym"]]
        if price and abs(price - market) > market * _FAR:
            ledger.violate(
                Promise.PRICE,
                f"{name}: {price}, the market is at {market}",
            )
        alert = ledger.alert_of(name)
        side = rows.SIDES[request.fields["trantype"]]
        if alert is None or alert.intent is Intent.EXIT:
            return
        if side is not ledger.side_of(name) or self._shrinks(request, alert, side):
            # It closes what a leg had too much, or takes back what was closed twice.
            return
        if ledger.halted_at is not None and world.time > ledger.halted_at:
            ledger.violate(
                Promise.HALT,
                f"{name}, {world.time - ledger.halted_at:.3f} s after it",
            )
        if alert.intent is not Intent.ENTRY:
            return
        leg = ledger.leg_of(name)
        assert leg is not None
        age = (world.clock.now() - ledger.alerted_at[leg[0]]).total_seconds()
        if age > self.config.settings.guard.max_alert_age_seconds + _SENDING_SECONDS:
            ledger.violate(Promise.AGE, f"{name}, {age:.0f} s old")
        unread = [
            book
            for book in ("OrderBook", "TradeBook", "PositionBook")
            if ledger.read_at[book] < ledger.started_at
        ]
        if unread:
            ledger.violate(
                Promise.BOOKS,
                f"{name}: {', '.join(unread)}",
            )

    def _shrinks(self, request: Request, alert: Alert, side: Side) -> bool:
        """Return whether an order can only make its strategy's position smaller."""
        held = 0
        for placed in self.market.orders.values():
            other = self.ledger.alert_of(placed.name or "")
            if (
                other is not None
                and not placed.is_foreign
                and other.strategy == alert.strategy
                and placed.claim.tradingsymbol == request.fields["tsym"]
            ):
                held += placed.claim.side.sign * placed.claim.filled_quantity
        return int(request.fields["qty"]) <= -held * side.sign


class _Unlimited:
    """Takes the place of the rate limiter: what it does is tested elsewhere."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def take(self, *_: Any, **__: Any) -> None:
        """There is always room."""

    def close(self) -> None:
        """Nothing is held."""


class _Instruments:
    """Takes the place of the broker's lists: the instruments of the exchange."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def find(self, exchange: Exchange, tradingsymbol: str) -> Listed | None:
        known = INSTRUMENTS.get(tradingsymbol)
        if known is None:
            return None
        return Listed(
            instrument=Instrument(
                exchange=exchange,
                tradingsymbol=tradingsymbol,
                token=known[0],
                lot_size=65,
                tick_size=TICK,
                source=Source.MASTER,
            )
        )

    def note_security(self, *_: Any) -> None:
        """It is asked for again."""

    def close(self) -> None:
        """No descriptor is held."""


class _Recorder(logging.Handler):
    """Takes all log records into the history."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(logging.INFO)
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        world = self._simulation.world
        text = record.getMessage()
        world.note(record.name.lower(), f"{record.levelname[0]} {text}"[:400])
        if record.levelno >= logging.ERROR:
            context = record.__dict__.get(CONTEXT_ATTRIBUTE, {})
            ids = {
                key: record.__dict__[key]
                for key in ("client_order_id", "broker_order_id")
                if key in record.__dict__
            }
            self._simulation.ledger.errors.append(
                (world.time, f"{text} {context} {ids}")
            )


@contextmanager
def _in_place(simulation: Simulation) -> Iterator[None]:
    """Put the simulated parts in the places of the machine's."""
    world, platform = simulation.world, simulation.platform
    chance = random.Random(world.random.random())
    simulated_time = SimulatedTime(world)
    with ExitStack() as stack:
        put = [
            (secrets, "token_bytes", chance.randbytes),
            (secrets, "token_hex", lambda n=16: chance.randbytes(n).hex()),
            (MarketCalendar, "why_closed", _why_closed(world)),
            (runtime, "time", simulated_time),
            (runtime, "Doorbell", platform.bell),
            (runtime, "open_store", platform.open_store),
            (runtime, "open_broker", platform.open_broker),
            (runtime, "_lock", lambda *_: _Nothing()),
            (sqlite_store, "time", simulated_time),
            (sqlite_store, "migrations", _migrations),
            (sendlock, "time", simulated_time),
            (shoonya_session, "time", simulated_time),
            (shoonya_feed, "time", simulated_time),
            (shoonya_feed, "random", chance),
            (shoonya_feed, "threading", Threading(world, platform.thread_started)),
            (shoonya, "RateLimiter", _Unlimited),
            (shoonya, "InstrumentWriter", _Instruments),
            (parts, "InstrumentFile", _Instruments),
            (httpcore, "ConnectionPool", simulation.network.pool),
            (websockets.sync.client, "connect", simulation.noren.connect),
        ]
        for place, name, part in put:
            stack.enter_context(patch.object(place, name, part))
        recorder = _Recorder(simulation)
        for component in (*BUILDERS, INTAKE):
            logger = logging.getLogger(logger_name(component))
            before = (logger.level, logger.propagate)
            logger.addHandler(recorder)
            logger.setLevel(logging.INFO)
            logger.propagate = False

            def put_back(
                logger: logging.Logger = logger, before: tuple[int, bool] = before
            ) -> None:
                logger.removeHandler(recorder)
                logger.level, logger.propagate = before

            stack.callback(put_back)
        yield


def _why_closed(world: World) -> Callable[..., str]:
    why_closed = MarketCalendar.why_closed

    def answer(calendar: MarketCalendar, exchange: Any, at: Any) -> str:
        if world.is_closed():
            return "closed by the simulation"
        return why_closed(calendar, exchange, at)

    return answer


class _Nothing:
    """Nothing that would have to be closed."""

    def close(self) -> None:
        """Nothing is held."""


def run(seed: int, options: Options | None = None) -> Result:
    """Run one history."""
    options = options or Options()
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_memory()))
    simulation = Simulation(seed, options, folder)
    try:
        with _in_place(simulation):
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
