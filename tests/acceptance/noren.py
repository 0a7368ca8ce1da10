"""The eight services on the Shoonya broker, against Noren's simulator."""

from pathlib import Path

from shoonya_platform.ctl.simulate import settings_text
from shoonya_platform.domain.orders import AlertId, ClientOrderId, OrderStatus
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import Platform

MORE = """
timeout_seconds = 2.0
[service]
poll_seconds = 0.2
[recovery]
absent_seconds = 3.0
interval_seconds = 2.0
"""


def noren_platform(
    simulator: NorenSimulator, folder: Path, settings: str = ""
) -> Platform:
    """Return the services on a simulator, logged in and not started yet."""
    sections = simulator.platform_settings()
    shoonya = {"shoonya": sections["shoonya"]}
    text = f"{settings_text(shoonya)}requests_per_minute = 10000\n"
    platform = Platform(folder, f'{text}[broker]\nname = "shoonya"{MORE}{settings}')
    for name, value in simulator.platform_secrets().items():
        credential = folder / "credentials" / name
        credential.touch(mode=0o600)
        credential.write_text(value)
    if simulator.generation == "oauth":
        log_in(platform, simulator)
    return platform


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
