"""The adapter and a simulator that run for real, on the machine's own clock."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.contract.noren_world import SYMBOL, account_of


@pytest.fixture(params=["quickauth", "oauth"])
def generation(request) -> str:
    return str(request.param)


@pytest.fixture
def simulator(generation) -> Iterator[NorenSimulator]:
    with NorenSimulator(generation, listed=[f"NFO:{SYMBOL}"]) as running:
        running.set_price(Exchange.NFO, SYMBOL, "100")
        yield running


@pytest.fixture
def told() -> list[str]:
    """What the broker has said to the operator."""
    return []


@pytest.fixture
def open_broker(simulator, tmp_path, told) -> Iterator[Callable[..., ShoonyaBroker]]:
    """Open the account as one of its processes does; keywords change the account."""
    opened = []
    common = account_of(simulator, tmp_path, timeout_seconds=1.0)

    def call(**changes) -> ShoonyaBroker:
        account = replace(common, **changes)
        broker = ShoonyaBroker(account, SystemClock(), tell=told.append)
        opened.append(broker)
        return broker

    yield call
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(open_broker) -> ShoonyaBroker:
    made: ShoonyaBroker = open_broker()
    return made


only_quickauth = pytest.mark.parametrize("generation", ["quickauth"], indirect=True)
only_oauth = pytest.mark.parametrize("generation", ["oauth"], indirect=True)
