"""
From the alert to the fill and its exit: rupees as a person works them out by hand.

The figures of a contract are the exchange's: a lot of GOLD is 1 kg, quoted for 10 g; of
GOLDM 100 g, for 10 g; of ALUMINIUM 5 t, for 1 kg; of COTTONOIL 5 t, for 10 kg; of
GOLDGUINEA 8 g, for 8 g; of USDINR 1000 dollars; of NIFTY 65 times the index.
"""

from dataclasses import dataclass
from decimal import Decimal

import pytest

from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Order, OrderStatus, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.order_watcher import LOOK_SECONDS, OrderWatcherEngine
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.notify import figures
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import WATCH_SECONDS, SupremeRiskManager
from shoonya_platform.services.parts import Quotes
from shoonya_platform.store.base import OrderStore
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.orders import a_leg, an_alert, store_alert
from tests.preconditions import at_any_moment

CASH = Decimal(10) ** 9
LIMITS = RiskLimits(
    max_daily_loss=Decimal(20_000),
    max_exposure=Decimal(10) ** 9,
    max_open_positions=10,
    max_order_value=Decimal(10) ** 8,
)


@dataclass(frozen=True)
class Contract:
    exchange: Exchange
    tradingsymbol: str
    lot: int  #: in units
    price: str
    #: What a lot is worth at that price, in rupees.
    value: str


GOLD = Contract(Exchange.MCX, "GOLD05FEB27", 1, "150000", "15000000")
GOLDM = Contract(Exchange.MCX, "GOLDM05FEB27", 100, "150000", "1500000")
GUINEA = Contract(Exchange.MCX, "GOLDGUINEA29JAN27", 8, "120000", "120000")
ALUMINIUM = Contract(Exchange.MCX, "ALUMINIUM29JAN27", 5, "250.50", "1252500")
COTTONOIL = Contract(Exchange.MCX, "COTTONOIL29JAN27", 5, "1300.5", "650250")
USDINR = Contract(Exchange.CDS, "USDINR27JAN27F", 1, "88.5025", "88502.5")
NIFTY = Contract(Exchange.NFO, "NIFTY28JAN27F", 65, "25000", "1625000")


class Platform:
    """The workers of the order path over a store and the paper broker."""

    def __init__(
        self, store: OrderStore, broker: PaperBroker, clock: FakeClock
    ) -> None:
        self.store = store
        self.broker = broker
        self.clock = clock
        instruments = Catalogue(catalogue_defaults())
        rules = GuardRules(calendar=None, max_alert_age_seconds=10**9)
        recovery = RecoveryRules(
            interval_seconds=1.0,
            absent_reads=3,
            absent_seconds=8.0,
            exit_absent_seconds=8.0,
        )

        def ring(*_: str) -> None:
            """Everybody is stepped in turn."""

        self._recovery = RecoveryService(
            store, broker, recovery, clock, ring, instruments=instruments
        )
        self._workers = (
            TradingBot(
                store,
                Quotes(broker),
                clock,
                ring,
                instruments=instruments,
                replan_seconds=0,
            ),
            SupremeRiskManager(store, LIMITS, clock, ring),
            ExecutionGuard(store, instruments, rules, clock, ring),
            CommandService(store, broker, clock, ring, at_any_moment(store)),
            OrderWatcherEngine(store, broker, clock, ring),
            self._recovery,
        )
        for worker in self._workers:
            worker.begin()

    def run(self) -> None:
        for _ in range(8):
            self.clock.advance(max(WATCH_SECONDS, LOOK_SECONDS))
            for worker in self._workers:
                worker.step()

    def alert(self, contract: Contract, side: Side, intent: str, lots: int = 1) -> None:
        leg = a_leg(
            contract.tradingsymbol, direction=side.value, qty=lots * contract.lot
        )
        alert = an_alert(
            leg, execution_type=intent, exchange=contract.exchange, strategy_name="one"
        )
        store_alert(self.store, alert)
        self.run()

    def move(self, contract: Contract, price: str) -> None:
        self.broker.set_price(contract.exchange, contract.tradingsymbol, Decimal(price))

    @property
    def orders(self) -> list[Order]:
        return self.store.orders.recent(limit=99)

    @property
    def today(self) -> Decimal:
        return self.store.positions.realised_on(trading_day(self.clock.now()))


@pytest.fixture
def platform(tmp_path, store, clock):
    broker = PaperBroker(
        tmp_path / "paper.db",
        PaperSettings(cash=CASH),
        catalogue=Catalogue(catalogue_defaults()),
        clock=clock,
        timeout_seconds=5.0,
    )
    yield Platform(store, broker, clock)
    broker.close()


CASES = [
    # 100 * -300
    pytest.param(GOLD, Side.BUY, 1, "149700", -30_000, id="gold"),
    # 2 lots, 100 * 0.1 * 300 each, sold before the fall
    pytest.param(GOLDM, Side.SELL, 2, "149700", 6_000, id="goldm-short"),
    # 8 * 0.125 * -100
    pytest.param(GUINEA, Side.BUY, 1, "119900", -100, id="goldguinea"),
    # 5 t are 5000 kg: 5000 * -1.50
    pytest.param(ALUMINIUM, Side.BUY, 1, "249.00", -7_500, id="aluminium"),
    # 5 t are 500 times 10 kg: 500 * 12.5
    pytest.param(COTTONOIL, Side.BUY, 1, "1313.0", 6_250, id="cottonoil"),
    # 3 lots of 1000 dollars: 3000 * -0.2550
    pytest.param(USDINR, Side.BUY, 3, "88.2475", -765, id="usdinr"),
    # 65 * -123.45
    pytest.param(NIFTY, Side.BUY, 1, "24876.55", Decimal("-8024.25"), id="nifty"),
]


@pytest.mark.parametrize(("contract", "side", "lots", "price", "rupees"), CASES)
def test_profit_and_loss_is_the_one_worked_out_by_hand(
    platform, contract, side, lots, price, rupees
):
    value = Decimal(contract.value) * lots
    platform.move(contract, contract.price)
    platform.alert(contract, side, "entry", lots)

    (entry,) = platform.orders
    assert (entry.status, entry.filled_quantity) == ("filled", lots * contract.lot)
    (position,) = platform.store.positions.open()
    assert position.exposure == value
    assert platform.broker.limits().margin_used == value.quantize(Decimal("0.01"))
    passed = platform.store.orders.events(order_id=entry.order_id)
    assert f"exposure {value:.2f} <=" in next(
        event.text for event in passed if event.trigger == "risk_passed"
    )

    platform.move(contract, price)
    platform.run()
    (position,) = platform.store.positions.open() or platform.store.positions.all()
    assert position.unrealised_pnl + position.realised_pnl == rupees
    day = platform.store.risk.day(trading_day(platform.clock.now()))
    assert day is not None
    assert day.last_pnl == rupees

    platform.alert(contract, side.opposite, "exit", lots)
    assert platform.store.positions.open() == []
    assert platform.store.positions.realised() == platform.today == rupees
    limits = platform.broker.limits()
    assert (limits.cash, limits.margin_used) == (CASH + rupees, 0)
    (held,) = platform.broker.positions()
    assert held.realised_pnl == rupees
    assert figures.pnl(platform.store, platform.clock.now()).startswith(
        f"P&L today {rupees:.2f}: {rupees:.2f} realised"
    )
    assert platform.store.discrepancies.open() == []


@pytest.mark.parametrize(
    ("contract", "lots", "above", "at"),
    [
        # 100 * 200 is the limit of 20,000.
        pytest.param(GOLD, 1, "149801", "149800", id="gold"),
        # 2 * 5000 * 2.00
        pytest.param(ALUMINIUM, 2, "248.55", "248.50", id="aluminium"),
        # 4 * 500 * 10
        pytest.param(COTTONOIL, 4, "1290.6", "1290.5", id="cottonoil"),
        # 40 * 1000 * 0.50
        pytest.param(USDINR, 40, "88.0050", "88.0025", id="usdinr"),
        # 4 * 65 * 76.95 is 20,007
        pytest.param(NIFTY, 4, "24923.10", "24923.05", id="nifty"),
    ],
)
def test_daily_limit_trips_at_its_rupees_and_not_before(
    platform, contract, lots, above, at
):
    platform.move(contract, contract.price)
    platform.alert(contract, Side.BUY, "entry", lots)

    platform.move(contract, above)
    platform.run()
    assert platform.store.trading.status().state is TradingState.ACTIVE
    assert len(platform.store.positions.open()) == 1

    platform.move(contract, at)
    platform.run()
    assert platform.store.trading.status().state is TradingState.REDUCING
    assert platform.store.positions.open() == []
    assert platform.today <= -LIMITS.max_daily_loss
    assert platform.broker.limits().cash == CASH + platform.today


def test_order_above_the_largest_value_is_denied_for_its_rupees(platform):
    platform.move(GOLD, GOLD.price)
    platform.alert(GOLD, Side.BUY, "entry", lots=7)

    (order,) = platform.orders
    assert order.status is OrderStatus.DENIED
    assert order.reason == (
        "ORDER_VALUE_EXCEEDS_MAXIMUM: value=105000000.00, maximum=100000000"
    )
