"""Several processes share one book, and each does everything at once."""

import subprocess
import sys

from shoonya_platform.domain.orders import OrderStatus
from tests.contract.broker_worlds import SYMBOL, PaperWorld, books_agree

TRADER = """
import random, sys
from decimal import Decimal
from pathlib import Path
from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderType, Side, TimeInForce
from shoonya_platform.errors import BrokerRejected

path, seed = Path(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
broker = PaperBroker(
    path, PaperSettings(max_fill_quantity=130), clock=SystemClock(),
    catalogue=Catalogue(catalogue_defaults()), timeout_seconds=30.0,
)
mine, told, closed = [], set(), set()
for n in range(150):
    mine.append(broker.place(PlaceOrder(
        client_order_id=f"T{seed}-{n}", exchange=Exchange.NFO,
        tradingsymbol="NIFTY27JAN26C25700", side=rng.choice(list(Side)),
        quantity=65 * rng.randint(1, 6), order_type=OrderType.LIMIT,
        price=Decimal(rng.randint(95, 105)), trigger_price=None,
        product=Product.NRML, time_in_force=rng.choice(list(TimeInForce)),
    )))
    broker.set_price(
        Exchange.NFO, "NIFTY27JAN26C25700", Decimal(rng.randint(95, 105))
    )
    try:
        broker.cancel(rng.choice(mine))
    except BrokerRejected:
        pass
    for report in broker.reports():
        told.add(report.order.broker_order_id)
        if report.fill is not None:
            assert report.fill.trade_id not in closed, "a trade was told twice"
            closed.add(report.fill.trade_id)
    broker.limits(), broker.positions()
assert set(mine) <= told, "a report was lost"
"""


def test_processes_that_place_cancel_read_and_match_at_once_keep_the_books(tmp_path):
    world = PaperWorld(tmp_path)
    path = str(world.path)
    traders = [
        subprocess.Popen(
            [sys.executable, "-c", TRADER, path, str(seed)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(4)
    ]
    for trader in traders:
        _, err = trader.communicate(timeout=90)
        assert trader.returncode == 0, err

    broker = world.open_today()
    books_agree(broker)
    book = broker.order_book()
    assert len(book) == 4 * 150
    for order in book:
        if order.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
            broker.cancel(order.broker_order_id)
    held = sum(abs(p.quantity) * p.average_price for p in broker.positions())
    assert abs(broker.limits().margin_used - held) < 1
    world.close()


def test_eight_processes_that_begin_the_book_at_once_share_one(tmp_path):
    path = tmp_path / "paper.db"
    placers = [
        subprocess.Popen(
            [sys.executable, "-c", PaperWorld.PLACER, path, f"P{n}", "2", SYMBOL, "65"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(8)
    ]
    placed: set[str] = set()
    for placer in placers:
        out, err = placer.communicate(timeout=60)
        assert placer.returncode == 0, err
        placed |= set(out.split())

    assert len(placed) == 16
