"""A paper broker with a clock of the test's own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

SYMBOL = "NIFTY27JAN26C25700"
LOT = 65
BEGIN = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)  # 10:00 in India


class Clock:
    def __init__(self) -> None:
        self.time = BEGIN
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "paper.db"


@pytest.fixture
def open_broker(path, clock):
    opened = []

    def open_one(timeout_seconds: float = 5.0, **settings: object) -> PaperBroker:
        broker = PaperBroker(
            path,
            PaperSettings(**settings),  # type: ignore[arg-type]
            catalogue=Catalogue(catalogue_defaults()),
            clock=clock,
            timeout_seconds=timeout_seconds,
            sleep=clock.sleep,
        )
        opened.append(broker)
        return broker

    yield open_one
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(open_broker) -> PaperBroker:
    made: PaperBroker = open_broker()
    return made


def market(client_order_id="O-1", quantity=LOT, side=Side.BUY) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=ClientOrderId(client_order_id),
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        side=side,
        quantity=quantity,
        order_type=OrderType.MARKET,
        price=None,
        trigger_price=None,
        product=Product.NRML,
        time_in_force=TimeInForce.DAY,
    )


def limit(price="90", client_order_id="O-1", quantity=LOT) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=ClientOrderId(client_order_id),
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        side=Side.BUY,
        quantity=quantity,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
        trigger_price=None,
        product=Product.NRML,
        time_in_force=TimeInForce.DAY,
    )


def status(broker: PaperBroker, broker_order_id: str) -> OrderStatus:
    (order,) = (o for o in broker.order_book() if o.broker_order_id == broker_order_id)
    return order.status
