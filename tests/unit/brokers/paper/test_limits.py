"""The paper broker keeps the real one's limits."""

from dataclasses import replace

import pytest

from shoonya_platform.brokers.paper import PaperBroker, PaperSettings
from shoonya_platform.brokers.shoonya_limits import RateLimiter
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Side
from tests.unit.brokers.paper.conftest import limit, market


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
