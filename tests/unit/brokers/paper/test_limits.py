"""The paper broker keeps the real one's limits."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import ModifyOrder
from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.brokers.shoonya_limits import RateLimiter
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderStatus, OrderType, Side
from tests.unit.brokers.paper.conftest import LOT, limit, market, status


@pytest.fixture
def limited(path, clock, tmp_path):
    """A broker that holds orders back as exchanges do."""
    limiter = RateLimiter(
        tmp_path / "paper.calls",
        clock,
        orders_per_second=10,
        requests_per_minute=100_000,
        sleep=clock.sleep,
    )
    broker = PaperBroker(
        path,
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=clock,
        timeout_seconds=5.0,
        sleep=clock.sleep,
        limiter=limiter,
    )
    yield broker
    broker.close()


def test_orders_beyond_the_limit_of_their_exchange_wait(limited, clock):
    for n in range(9):
        limited.place(market(f"O-{n}"))
    assert clock.slept == []

    limited.place(market("O-10"))

    assert 0.9 < sum(clock.slept) < 1.1


def test_exit_and_cancel_do_not_wait_where_an_entry_would(limited, clock):
    resting = limited.place(limit("1", "O-rests"))
    for n in range(8):
        limited.place(market(f"O-{n}"))
    limited.cancel(resting)
    assert clock.slept == []
    clock.sleep(1.1)
    clock.slept.clear()
    for n in range(9):
        limited.place(market(f"P-{n}"))

    limited.place(replace(market("P-exit", side=Side.SELL), is_exit=True))

    assert clock.slept == []


def test_another_exchange_has_a_limit_of_its_own(limited, clock):
    for n in range(9):
        limited.place(market(f"O-{n}"))

    limited.place(
        replace(
            market("O-nse", quantity=1), exchange=Exchange.NSE, tradingsymbol="INFY-EQ"
        )
    )

    assert clock.slept == []


def test_cancels_beyond_the_limit_of_their_exchange_wait(limited, clock):
    resting = []
    for n in range(12):
        if n == 6:
            clock.sleep(1.1)
        resting.append(limited.place(limit("1", f"O-{n}")))
    clock.sleep(1.1)
    clock.slept.clear()

    for number in resting:
        limited.cancel(number)

    assert 0.9 < sum(clock.slept) < 1.2


def test_order_may_take_all_that_is_available_and_no_more(open_broker):
    broker = open_broker(cash=Decimal(90 * LOT))
    placed = broker.place(limit("90"))

    beyond = broker.place(limit("0.05", "O-2"))

    assert status(broker, placed) is OrderStatus.ACCEPTED
    assert broker.limits().available == 0
    assert status(broker, beyond) is OrderStatus.REJECTED


def test_new_trigger_of_a_stop_at_the_market_is_what_it_blocks(broker):
    stop = replace(
        market(), order_type=OrderType.STOP_MARKET, trigger_price=Decimal(120)
    )
    placed = broker.place(stop)

    broker.modify(
        ModifyOrder(
            broker_order_id=placed,
            exchange=stop.exchange,
            tradingsymbol=stop.tradingsymbol,
            quantity=LOT,
            order_type=stop.order_type,
            time_in_force=stop.time_in_force,
            price=None,
            trigger_price=Decimal(130),
        )
    )

    assert broker.limits().margin_used == 130 * LOT
