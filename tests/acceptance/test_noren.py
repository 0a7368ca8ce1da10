"""The eight services on the Shoonya broker, against Noren's simulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.acceptance.noren import at_the_broker, log_in, noren_platform, order_of
from tests.acceptance.platform import Platform, entry
from tests.contract.noren_world import SYMBOL


@pytest.fixture(params=["quickauth", "oauth"])
def simulator(request) -> Iterator[NorenSimulator]:
    with NorenSimulator(
        request.param, step_seconds=0.2, listed=[f"NFO:{SYMBOL}"]
    ) as running:
        running.set_price(Exchange.NFO, SYMBOL, "100")
        yield running


@pytest.fixture
def platform(simulator, tmp_path) -> Iterator[Platform]:
    with noren_platform(simulator, tmp_path) as running:
        yield running


def test_order_is_filled_unknown_outcome_is_found_and_expired_session_survived(
    platform: Platform, simulator: NorenSimulator, tmp_path: Path
):
    alert = platform.accept(entry("s1", SYMBOL))
    assert platform.outcome(alert) == "filled"

    simulator.add_fault("accept_then_timeout", on="PlaceOrder")
    alert = platform.accept(entry("s2", SYMBOL))
    assert platform.outcome(alert) == "filled"
    order = order_of(platform, alert, OrderStatus.FILLED)
    assert len(at_the_broker(simulator, order.client_order_id)) == 1

    simulator.expire_session()
    if simulator.generation == "oauth":
        # Only the user can: meanwhile nothing is lost.
        waiting = platform.accept(entry("s3", SYMBOL))
        log_in(platform, simulator)
    else:
        waiting = platform.accept(entry("s3", SYMBOL))
    assert platform.outcome(waiting) == "filled"
    order = order_of(platform, waiting, OrderStatus.FILLED)
    assert len(at_the_broker(simulator, order.client_order_id)) == 1

    # All processes of the account live on the one session.
    assert simulator.access.logins == 2
    assert len(simulator.orders()) == 3
    assert platform.ctl("broker", "status").returncode == 0
    secrets = [*simulator.platform_secrets().values(), "susertoken", "access_token"]
    logs = "".join(path.read_text() for path in platform.log_dir.glob("*.log"))
    logs += platform.tail()
    assert not [secret for secret in secrets if secret in logs]
