"""The adapter trades at all six exchanges, on the figures of their symbol masters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import ModifyOrder, PlaceOrder
from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    ClientOrderId,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from shoonya_platform.testing.noren.masters import Scrip
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.contract.broker_worlds import in_book
from tests.contract.noren_world import account_of, load_list


@dataclass(frozen=True, slots=True)
class Case:
    """One instrument of each kind; contracts are the first that is listed."""

    exchange: Exchange
    words: str
    lot: int
    tick: str
    price: str
    product: Product = Product.NRML


CASES = (
    Case(Exchange.NSE, "RELIANCE-EQ", 1, "0.1", "1423.5", Product.CNC),
    Case(Exchange.NSE, "MRF-EQ", 1, "5", "148005", Product.CNC),
    Case(Exchange.NSE, "M&M-EQ", 1, "0.1", "3450.1", Product.MIS),
    Case(Exchange.BSE, "YESBANK", 1, "0.01", "22.07", Product.CNC),
    Case(Exchange.NFO, "BANKNIFTY XX", 30, "0.2", "58400.2"),
    Case(Exchange.NFO, "YESBANK XX", 31100, "0.01", "22.01"),
    Case(Exchange.NFO, "NIFTY CE", 65, "0.05", "101.55"),
    Case(Exchange.BFO, "SENSEX CE", 20, "0.05", "310.05"),
    Case(Exchange.BFO, "ETERNAL XX", 2425, "0.05", "300.05"),
    Case(Exchange.MCX, "CRUDEOIL XX", 100, "1", "5471"),
    Case(Exchange.MCX, "ALUMINIUM XX", 5, "0.05", "276.35"),
    Case(Exchange.MCX, "GOLD XX", 1, "1", "150301"),
    Case(Exchange.CDS, "USDINR XX", 1, "0.0025", "88.7525"),
    Case(Exchange.CDS, "GBPUSD CE", 1, "0.0001", "0.0123"),
)


@pytest.fixture(params=CASES, ids=lambda case: f"{case.exchange}-{case.words}")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def simulator() -> Iterator[NorenSimulator]:
    with NorenSimulator(market=MarketSettings(cash=Decimal(10**9))) as running:
        yield running


@pytest.fixture
def scrip(simulator, case) -> Scrip:
    found: list[Scrip] = simulator.account.scrips.search(case.exchange, case.words)
    root = case.words.partition(" ")[0].removesuffix("-EQ")
    scrip = next(each for each in found if each.root == root)
    simulator.set_price(case.exchange, scrip.tradingsymbol, case.price)
    return scrip


@pytest.fixture
def broker(simulator, case, tmp_path) -> Iterator[ShoonyaBroker]:
    account = account_of(simulator, tmp_path, timeout_seconds=10.0)
    broker = ShoonyaBroker(account, SystemClock(), tell=print)
    load_list(broker, case.exchange)
    yield broker
    broker.close()


def an_order(case: Case, scrip: Scrip, **changes) -> PlaceOrder:
    order = PlaceOrder(
        client_order_id=ClientOrderId("O-1"),
        exchange=case.exchange,
        tradingsymbol=scrip.tradingsymbol,
        side=Side.BUY,
        quantity=case.lot,
        order_type=OrderType.LIMIT,
        price=Decimal(case.price),
        trigger_price=None,
        product=case.product,
        time_in_force=TimeInForce.DAY,
    )
    return replace(order, **changes)


def test_figures_are_the_masters(broker, case, scrip):
    instrument = broker.instrument(case.exchange, scrip.tradingsymbol)

    assert instrument is not None
    assert (instrument.lot_size, instrument.tick_size) == (case.lot, Decimal(case.tick))
    assert instrument.price_factor == scrip.factor
    quote = broker.quote(case.exchange, scrip.tradingsymbol)
    assert quote is not None
    assert quote.last_price == Decimal(case.price)
    assert quote.band.has(quote.last_price)


def test_order_on_tick_and_lot_is_filled_and_its_position_is_there(broker, case, scrip):
    placed = broker.place(an_order(case, scrip))

    order = in_book(broker, placed)
    assert (order.status, order.reason) == (OrderStatus.FILLED, "")
    assert order.average_price == Decimal(case.price)
    (position,) = broker.positions()
    assert (position.tradingsymbol, position.quantity, position.product) == (
        *(scrip.tradingsymbol, case.lot),
        case.product,
    )


def test_resting_order_gets_another_price_on_the_tick_and_is_canceled(
    broker, case, scrip
):
    tick = Decimal(case.tick)
    placed = broker.place(an_order(case, scrip, price=Decimal(case.price) - 2 * tick))
    change = ModifyOrder(
        broker_order_id=placed,
        exchange=case.exchange,
        tradingsymbol=scrip.tradingsymbol,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=2 * case.lot,
        price=Decimal(case.price) - tick,
        trigger_price=None,
    )

    broker.modify(change)

    order = in_book(broker, placed)
    assert (order.price, order.quantity) == (change.price, 2 * case.lot)
    broker.cancel(placed)
    assert in_book(broker, placed).status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("tick", "EXCH:16283:The order price is not multiple of the tick size"),
        ("band", "outside the circuit limits"),
        ("product", "is not enabled"),
    ],
)
def test_order_that_the_exchange_does_not_take_is_rejected_with_its_reason(
    broker, case, scrip, what, reason
):
    wrong = Product.NRML if case.product is not Product.NRML else Product.CNC
    price, tick = Decimal(case.price), Decimal(case.tick)
    changes: dict[str, dict[str, object]] = {
        "tick": {"price": price + tick / 2},
        "band": {"price": price * 30 - price * 30 % tick},
        "product": {"product": wrong},
    }

    placed = broker.place(an_order(case, scrip, **changes[what]))

    order = in_book(broker, placed)
    assert order.status is OrderStatus.REJECTED
    assert reason in order.reason


def test_quantity_between_two_lots_is_rejected(broker, case, scrip):
    if case.lot == 1:
        # Every quantity is a multiple: the order is taken.
        placed = broker.place(an_order(case, scrip, quantity=3))
        assert in_book(broker, placed).status is OrderStatus.FILLED
        return

    placed = broker.place(an_order(case, scrip, quantity=case.lot + 1))

    order = in_book(broker, placed)
    assert order.status is OrderStatus.REJECTED
    assert "board lot" in order.reason
