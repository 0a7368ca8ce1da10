"""The eight services on the Shoonya broker, against Noren's simulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import AlertId, ClientOrderId, OrderStatus
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import Platform, entry
from tests.contract.noren_world import SYMBOL

MORE = """
timeout_seconds = 2.0
[service]
poll_seconds = 0.2
[recovery]
absent_seconds = 3.0
interval_seconds = 2.0
"""


@pytest.fixture(params=["quickauth", "oauth"])
def simulator(request) -> Iterator[NorenSimulator]:
    with NorenSimulator(
        request.param, step_seconds=0.2, listed=[f"NFO:{SYMBOL}"]
    ) as running:
        running.set_price(Exchange.NFO, SYMBOL, "100")
        yield running


@pytest.fixture
def platform(simulator, tmp_path) -> Iterator[Platform]:
    sections = simulator.platform_settings()
    shoonya = {"shoonya": sections["shoonya"]}
    text = f"{settings_text(shoonya)}requests_per_minute = 10000\n"
    platform = Platform(tmp_path, f'{text}[broker]\nname = "shoonya"{MORE}')
    for name, value in simulator.platform_secrets().items():
        credential = tmp_path / "credentials" / name
        credential.touch(mode=0o600)
        credential.write_text(value)
    if simulator.generation == "oauth":
        log_in(platform, simulator)
    platform.start()
    yield platform
    platform.stop()


def log_in(platform: Platform, simulator: NorenSimulator) -> None:
    code = simulator.access.authorize()
    done = platform.ctl(
        "broker", "login", stdin=f"https://127.0.0.1/redirected?code={code}\n"
    )
    assert done.returncode == 0, done.stderr
    assert "logged in as SIM0001, until" in done.stdout


def order_of(platform: Platform, alert_id: str, status: OrderStatus):
    """Wait for an alert's only order to come to a status."""
    store = platform.store()
    try:

        def there():
            orders = store.orders.of_alert(AlertId(alert_id))
            return orders[0] if orders and orders[-1].status is status else None

        return eventually(there, 30, message=f"{status}: {platform.tail()}")
    finally:
        store.close()


def at_the_broker(simulator: NorenSimulator, client_order_id: ClientOrderId):
    return [row for row in simulator.orders() if row.get("remarks") == client_order_id]


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
