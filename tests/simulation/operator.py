"""The operator, and what befalls the machine: power, clocks, copies put back."""

from __future__ import annotations

from collections.abc import Callable

from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import StoreError
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.trading_state import set_trading_state
from tests.simulation import rows
from tests.simulation.engine import SqliteEngine
from tests.simulation.exchange import FOREIGN_SYMBOL
from tests.simulation.faults import Fault, Faults
from tests.simulation.ledger import Ledger
from tests.simulation.noren import Noren
from tests.simulation.platform import Platform
from tests.simulation.promises import Promise
from tests.simulation.traffic import LOT, ask_cancel, ask_terms
from tests.simulation.world import Task, World

#: Between two copies that the operator keeps.
_COPY_SECONDS = 45.0

#: When it was made, and what the engine puts back.
Copy = tuple[float, object]


class Operator:
    """Acts on the platform from outside."""

    def __init__(
        self,
        world: World,
        platform: Platform,
        engine: SqliteEngine,
        noren: Noren,
        faults: Faults,
        ledger: Ledger,
    ) -> None:
        self._world = world
        self._platform = platform
        self._engine = engine
        self._noren = noren
        self._faults = faults
        self._ledger = ledger
        self._copies: list[Copy] = []
        self._is_busy = False
        self._commands: list[Task] = []
        platform.before_place = self._before_place
        platform.before_take = self._before_take

    def begin(self) -> None:
        world = self._world
        world.after(1.0, self._tick)
        world.after(20.0, self._copy)

    # -- commands --------------------------------------------------------------

    def set_trading(self, state: TradingState) -> None:
        """Run `shoonyactl risk halt` or `resume`, as a process of its own."""

        def act(store: OrderStore) -> None:
            if state is TradingState.ACTIVE:
                self._ledger.halted_at = None
            _, is_obeyed = set_trading_state(
                store, state, reason="simulated", by="operator"
            )
            if state is not TradingState.ACTIVE and is_obeyed:
                self._ledger.halted_at = self._world.time
            obeyed = "" if is_obeyed else ", and not obeyed yet"
            self._world.note("operator", f"trading is {state}{obeyed}")

        self.command(act)

    def command(self, act: Callable[[OrderStore], None]) -> None:
        """Open the store, do something, close it."""

        def run() -> None:
            for _ in range(20):
                try:
                    store = self._platform.open_store(None, "shoonyactl", "ctl")
                    try:
                        act(store)
                    finally:
                        # Also where it is ended in the middle: the kernel closes.
                        self._engine.drop(store)
                    return
                except StoreError as e:
                    self._world.note("operator", f"tries again: {e.message}"[:120])
                    self._world.sleep(2.0)

        self._commands = [task for task in self._commands if not task.is_done]
        self._commands.append(self._world.spawn("shoonyactl", run))

    def cut_power(self) -> None:
        """End everything at once; what the disk has no word for may be lost."""
        world = self._world
        world.note("FAULT", "power cut")
        self._is_busy = True
        left = self._engine.note_power()
        self._platform.kill_all()
        self._end_commands()
        self._engine.restore(left)
        self._platform.mail.clear()
        world.monotonic_offset = -900.0 - world.time
        world.after(world.random.uniform(20, 60), self._start)

    def restore(self, kept: Copy | None = None) -> None:
        """Stop the services, put an old copy in the store's place, start them."""
        world = self._world
        if kept is None:
            if not self._copies:
                return
            kept = world.random.choice(self._copies)
        at, copy = kept
        world.note("FAULT", f"the store as of {at:.1f} is put back")
        self._is_busy = True
        for process in self._platform.processes.values():
            process.stop()

        def put() -> None:
            if not self._platform.is_down:
                self._platform.kill_all()
            self._end_commands()
            self._engine.restore(copy)
            self._ledger.lose_since(at)
            self._ledger.halted_at = None
            self._start()

        world.after(40.0, put)

    def _end_commands(self) -> None:
        for task in self._commands:
            task.kill()

    def _start(self) -> None:
        self._platform.start()
        self._is_busy = False

    def copy(self) -> Copy:
        """Return a copy of the store as it is now."""
        return self._world.time, self._engine.copy()

    def _keep_copy(self) -> None:
        if not self._is_busy:
            self._copies.append(self.copy())
            self._copies = self._copies[-5:]

    # -- what comes by itself ----------------------------------------------------

    def _copy(self) -> None:
        self._keep_copy()
        if not self._faults.is_over and Fault.RESTORE in self._faults.rates:
            self._world.after(_COPY_SECONDS, self._copy)

    def _tick(self) -> None:
        """Once a second: the faults whose rates are per minute."""
        world, faults, random = self._world, self._faults, self._world.random
        if faults.is_over:
            return
        world.after(1.0, self._tick)
        if self._is_busy:
            return

        def hit(kind: Fault) -> bool:
            return faults.happens(kind, share=1 / 60)

        processes = list(self._platform.processes.values())
        if hit(Fault.DEATH_ANYWHERE):
            process = random.choice(processes)
            world.note("FAULT", f"{process.name} is killed")
            process.kill(injected=True)
        if hit(Fault.PAUSE):
            random.choice(processes).pause_seconds = random.uniform(20, 240)
        if hit(Fault.WALL_JUMP):
            world.set_wall_clock(
                random.choice((-300, -60, -5, 5, 60, 300)) * random.random()
            )
        if hit(Fault.MONOTONIC_JUMP):
            seconds = random.uniform(1, 120)
            world.monotonic_offset += seconds
            world.note("FAULT", f"the monotonic clock jumps by {seconds:.1f} s")
        if hit(Fault.TOKEN_EXPIRES):
            world.note("FAULT", "the session at the broker ends")
            self._noren.end_session()
        for kind in (Fault.FEED_BROKEN, Fault.FEED_GARBAGE):
            if hit(kind):
                world.note("FAULT", f"the feed: {kind}")
                self._noren.spoil_feed(kind)
        if hit(Fault.FOREIGN_REMARKS):
            self.forge()
        if hit(Fault.MANUAL_TRADE):
            self.close_by_hand()
        if hit(Fault.POWER_CUT):
            self.cut_power()
        elif hit(Fault.RESTORE):
            self.restore()
        if random.random() < 1 / 60:
            self.command(lambda store: ask_cancel(world, store))
        if random.random() < 1 / 40:
            self.command(lambda store: ask_terms(world, store, self._ledger))

    def forge(self) -> None:
        """Have another program place an order under a name of ours."""
        names = [sent.name for sent in self._ledger.sent[-6:]]
        if not names:
            return
        name = self._world.random.choice(names)
        self._world.note("FAULT", f"another program orders under '{name}'")
        self._noren.market.place(
            {
                "uid": "U1",
                "actid": "U1",
                "exch": "NFO",
                "tsym": FOREIGN_SYMBOL,
                "qty": "130",
                "prc": self._world.random.choice(("5.00", "15.00")),
                "prd": "M",
                "trantype": "S",
                "prctyp": "LMT",
                "ret": "DAY",
                "remarks": name,
            },
            is_foreign=True,
        )

    def close_by_hand(self) -> None:
        """Have a person close a part of a position from the broker's app."""
        market, random = self._noren.market, self._world.random
        held = [
            (key, quantity)
            for key, quantity in sorted(market.positions.items())
            if quantity and key[0] != FOREIGN_SYMBOL
        ]
        if not held:
            return
        (symbol, product), quantity = random.choice(held)
        lots = random.randint(1, abs(quantity) // LOT)
        self._world.note("FAULT", f"a person closes {lots * LOT} {symbol} {product}")
        self._ledger.closed_by_hand.append(
            (symbol, product, 1 if quantity > 0 else -1, self._world.clock.now())
        )
        market.place(
            {
                "uid": "U1",
                "actid": "U1",
                "exch": "NFO",
                "tsym": symbol,
                "qty": str(lots * LOT),
                "prc": "0.05" if quantity > 0 else "9999.00",
                "prd": next(k for k, v in rows.PRODUCTS.items() if v is product),
                "trantype": "S" if quantity > 0 else "B",
                "prctyp": "LMT",
                "ret": "DAY",
            },
            is_foreign=True,
        )

    def _before_take(self) -> None:
        """Keep a copy that lacks what is just being sent: the worst one there is."""
        if Fault.RESTORE not in self._faults.rates or self._faults.is_over:
            return
        store = self._platform.open_store(None, "simulation", "look")
        try:
            is_ready = bool(store.orders.in_status(OrderStatus.GUARD_PASSED, limit=1))
        finally:
            self._engine.drop(store)
        if is_ready and self._world.random.random() < 0.5:
            self._keep_copy()

    def _before_place(self) -> None:
        world = self._world
        if world.is_closed():
            self._ledger.violate(Promise.HOURS, f"at {world.time:.3f} s")
        elif self._faults.happens(Fault.MARKET_CLOSES, "place"):
            world.close_market(world.random.uniform(20, 90))
        if self._ledger.halted_at is None and self._faults.happens(Fault.HALT, "place"):
            world.note("FAULT", "risk halt in the middle of a batch")
            self.set_trading(TradingState.HALTED)
            seconds = world.random.uniform(20, 90)
            world.after(seconds, lambda: self.set_trading(TradingState.ACTIVE))
