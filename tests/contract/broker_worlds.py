"""The accounts that the broker contract is held against, and what it looks at."""

import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from shoonya_platform.brokers.base import Broker, BrokerOrder, ModifyOrder, PlaceOrder
from shoonya_platform.brokers.paper import FaultKind, PaperBroker, PaperSettings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, PriceBand, Product
from shoonya_platform.domain.orders import (
    BrokerOrderId,
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from tests.contract import noren_world
from tests.contract.noren_world import NorenWorld

SYMBOL = noren_world.SYMBOL
LOT = noren_world.LOT
BEGIN = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)  # 10:00 in India, a Wednesday
CASH = Decimal(1_000_000)


class World(Protocol):
    """An account at a broker, and what happens around it."""

    def open(self) -> Broker:
        """Open the account once more, as another process would."""
        ...

    def move_price(self, price: str) -> None: ...

    def limit_fills(self, quantity: int) -> None:
        """From the next `open` on, let at most this quantity trade at once."""
        ...

    def set_band(self, lower: str, upper: str) -> None:
        """From the next `open` on, let the exchange take only these prices."""
        ...

    def answer_too_late(self) -> None:
        """Take the next request, and leave the caller without an answer."""
        ...

    def lose_request(self) -> None:
        """Lose the next request on its way."""
        ...

    def go_down(self) -> None:
        """Let the next call find nobody."""
        ...

    def place_elsewhere(self, order: PlaceOrder) -> BrokerOrderId:
        """Place an order from another program."""
        ...

    def spawn_placer(self, name: str, count: int) -> subprocess.Popen[str]:
        """
        Start a process that places market orders, buying and selling in turn.

        It writes each order's broker_order_id on a line once it knows it.  Its
        client order ids are `{name}-{n}`.
        """
        ...

    def close(self) -> None: ...


class StandingClock:
    """Goes on only when told to."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()


class PaperWorld:
    PLACER = """
import sys
from pathlib import Path
from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderType, Side, TimeInForce

path, name, count, symbol, lot = sys.argv[1:]
broker = PaperBroker(
    Path(path), PaperSettings(), catalogue=Catalogue(catalogue_defaults()),
    clock=SystemClock(), timeout_seconds=30.0,
)
for n in range(int(count)):
    placed = broker.place(PlaceOrder(
        client_order_id=f"{name}-{n}", exchange=Exchange.NFO, tradingsymbol=symbol,
        side=Side.SELL if n % 2 else Side.BUY, quantity=int(lot),
        order_type=OrderType.MARKET, price=None, trigger_price=None,
        product=Product.NRML, time_in_force=TimeInForce.DAY,
    ))
    print(placed, flush=True)
"""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "paper.db"
        self.clock: StandingClock = StandingClock(BEGIN)
        self.max_fill_quantity = 0
        self.bands: dict[str, PriceBand] = {}
        self._opened: list[PaperBroker] = []
        self._hand = self.open()

    def open(self) -> PaperBroker:
        broker = PaperBroker(
            self.path,
            PaperSettings(
                cash=CASH,
                max_fill_quantity=self.max_fill_quantity,
                bands=self.bands,
            ),
            catalogue=Catalogue(catalogue_defaults()),
            clock=self.clock,
            timeout_seconds=5.0,
        )
        self._opened.append(broker)
        return broker

    def open_today(self) -> PaperBroker:
        """Open the account on the machine's own day, as other processes do."""
        self.clock.time = datetime.now(UTC)
        return self.open()

    def move_price(self, price: str) -> None:
        self._hand.set_price(Exchange.NFO, SYMBOL, Decimal(price))

    def limit_fills(self, quantity: int) -> None:
        self.max_fill_quantity = quantity

    def set_band(self, lower: str, upper: str) -> None:
        self.bands = {
            f"NFO:{SYMBOL}": PriceBand(lower=Decimal(lower), upper=Decimal(upper))
        }

    def answer_too_late(self) -> None:
        self._hand.add_fault(FaultKind.ACCEPT_THEN_TIMEOUT)

    def lose_request(self) -> None:
        self._hand.add_fault(FaultKind.LOSE_REQUEST)

    def go_down(self) -> None:
        self._hand.add_fault(FaultKind.UNAVAILABLE)

    def place_elsewhere(self, order: PlaceOrder) -> BrokerOrderId:
        return self._hand.place_external(order)

    def spawn_placer(self, name: str, count: int) -> subprocess.Popen[str]:
        # The other process has the machine's clock; today is the same for both.
        self.clock.time = datetime.now(UTC)
        return subprocess.Popen(
            [
                *(sys.executable, "-c", self.PLACER, str(self.path)),
                *(name, str(count), SYMBOL, str(LOT)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        for broker in self._opened:
            broker.close()


class QuickAuthWorld(NorenWorld):
    GENERATION = "quickauth"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, StandingClock(BEGIN), CASH)


class OAuthWorld(NorenWorld):
    GENERATION = "oauth"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, StandingClock(BEGIN), CASH)


WORLDS: dict[str, Any] = {
    "paper": PaperWorld,
    "noren-quickauth": QuickAuthWorld,
    "noren-oauth": OAuthWorld,
}
#: Examples of `b29`: each of Noren's has a server of its own and speaks HTTP.
EXAMPLES = {"paper": 40, "noren-quickauth": 8, "noren-oauth": 8}
#: How far a price of an average may be off: Noren tells two decimals.
ROUNDING = {"paper": Decimal(0), "shoonya": Decimal("0.005")}


def an_order(
    client_order_id="O-1",
    *,
    side=Side.BUY,
    quantity=LOT,
    order_type=OrderType.MARKET,
    price=None,
    trigger_price=None,
    tradingsymbol=SYMBOL,
    time_in_force=TimeInForce.DAY,
    product=Product.NRML,
) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=ClientOrderId(client_order_id),
        exchange=Exchange.NFO,
        tradingsymbol=tradingsymbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        price=None if price is None else Decimal(price),
        trigger_price=None if trigger_price is None else Decimal(trigger_price),
        product=product,
        time_in_force=time_in_force,
    )


def a_limit_order(client_order_id="O-1", price="90", **others) -> PlaceOrder:
    return an_order(client_order_id, order_type=OrderType.LIMIT, price=price, **others)


def a_change(
    broker_order_id: BrokerOrderId,
    *,
    price="90",
    quantity=LOT,
    order_type=OrderType.LIMIT,
    trigger_price=None,
) -> ModifyOrder:
    return ModifyOrder(
        broker_order_id=broker_order_id,
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        order_type=order_type,
        time_in_force=TimeInForce.DAY,
        quantity=quantity,
        price=Decimal(price),
        trigger_price=None if trigger_price is None else Decimal(trigger_price),
    )


def in_book(broker: Broker, broker_order_id: BrokerOrderId) -> BrokerOrder:
    (order,) = (
        order
        for order in broker.order_book()
        if order.broker_order_id == broker_order_id
    )
    return order


def named(broker: Broker, client_order_id: str) -> list[BrokerOrder]:
    return [
        order
        for order in broker.order_book()
        if order.client_order_id == client_order_id
    ]


def statuses(broker: Broker, broker_order_id: BrokerOrderId) -> list[OrderStatus]:
    return [
        report.order.status
        for report in broker.reports()
        if report.order.broker_order_id == broker_order_id
    ]


def books_agree(broker: Broker) -> None:
    """Hold orders, trades and positions against each other."""
    rounding = ROUNDING[broker.name]
    orders = {order.broker_order_id: order for order in broker.order_book()}
    trades = broker.trade_book()
    filled: dict[BrokerOrderId, int] = defaultdict(int)
    value: dict[BrokerOrderId, Decimal] = defaultdict(Decimal)
    net: dict[tuple[Exchange, str, Product], int] = defaultdict(int)
    paid: dict[tuple[Exchange, str, Product], Decimal] = defaultdict(Decimal)
    for trade in trades:
        order = orders[trade.broker_order_id]
        assert trade.client_order_id == order.client_order_id
        filled[order.broker_order_id] += trade.fill.quantity
        value[order.broker_order_id] += trade.fill.quantity * trade.fill.price
        key = (order.exchange, order.tradingsymbol, order.product)
        signed = order.side.sign * trade.fill.quantity
        net[key] += signed
        paid[key] += signed * trade.fill.price
    assert len({trade.fill.trade_id for trade in trades}) == len(trades)
    for order in orders.values():
        assert order.filled_quantity == filled[order.broker_order_id]
        assert order.filled_quantity <= order.quantity
        assert (order.status is OrderStatus.FILLED) == (
            order.filled_quantity == order.quantity
        )
        if order.average_price is not None:
            total = value[order.broker_order_id]
            off = order.average_price * order.filled_quantity - total
            assert abs(off) < 1 + rounding * order.filled_quantity
    positions = {
        (position.exchange, position.tradingsymbol, position.product): position
        for position in broker.positions()
    }
    assert {key: quantity for key, quantity in net.items() if quantity} == {
        key: position.quantity
        for key, position in positions.items()
        if position.quantity
    }
    for key, position in positions.items():
        # What was paid on balance is what is held at its price, less the gain.
        held = position.quantity * position.average_price
        assert abs(held - position.realised_pnl - paid[key]) < (
            Decimal("0.01") + rounding * (abs(position.quantity) + 1)
        )
