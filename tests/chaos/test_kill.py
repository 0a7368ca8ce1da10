"""Any of the eight is killed at random moments while alerts flow in."""

import http.client
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.platform import Platform, entry

ALERTS = int(os.environ.get("CHAOS_ALERTS", "120"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(
    1, 10**6
)

SETTINGS = """
[broker]
timeout_seconds = 0.5
[service]
poll_seconds = 0.1
[recovery]
interval_seconds = 1.0
absent_reads = 2
absent_seconds = 1.0
[risk]
max_exposure = 1000000000
max_orders_per_day = 1000000
max_open_positions = 1000
"""


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_no_order_is_lost_and_none_reaches_the_broker_twice(tmp_path: Path):
    # The command that replays the same kills.
    sys.stderr.write(f"\nreplay with CHAOS_SEED={SEED}\n")
    supervisor = str(Path(__file__).parent / "supervisor.py")
    platform = Platform(tmp_path, SETTINGS, (sys.executable, supervisor))
    with platform:
        kills: Counter[str] = Counter()
        stopping = threading.Event()
        killer = threading.Thread(target=kill_on, args=(platform, kills, stopping))
        killer.start()
        try:
            accepted = [send(platform, number) for number in range(ALERTS)]
        finally:
            stopping.set()
            killer.join()
        sys.stderr.write(f"{ALERTS} alerts, killed {dict(kills)}\n")
        eventually(platform.is_ready, 30)
        assert sum(kills.values()) > 10
        check(platform, accepted)


def kill_on(platform: Platform, kills: Counter[str], stopping: threading.Event) -> None:
    chance = random.Random(SEED)
    while not stopping.wait(chance.uniform(0.05, 0.5)):
        service = chance.choice(COMPONENTS)
        if platform.pids().get(service) is not None:
            platform.kill(service)
            kills[service] += 1


def send(platform: Platform, number: int) -> str:
    """Send an alert as a stubborn sender does, until it is answered."""
    symbol = f"NIFTY28DEC27C{20000 + number}"
    body = {**entry(f"chaos-{number}", symbol, symbol[:-6] + f"P{20000 + number}")}
    body["id"] = f"chaos-{number}"

    def answered() -> str | None:
        try:
            status, answer = platform.post(body)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        assert status in (200, 202, 503), answer
        return str(answer["alert_id"]) if status != 503 else None

    time.sleep(0.05)
    return eventually(answered, 30, message=f"an answer to alert {number}")


def check(platform: Platform, accepted: list[str]) -> None:
    store = platform.store()
    paper = platform.paper()

    def all_ended() -> bool:
        return not store.alerts.in_status(
            AlertStatus.RECEIVED, limit=1
        ) and not store.alerts.in_status(AlertStatus.PLANNED, limit=1)

    eventually(
        all_ended,
        60,
        message=f"all alerts at an end: {store.orders.count()}\n{platform.tail()}",
    )
    # Each alert was stored once, whatever the sender had to repeat.
    assert len(accepted) == len(set(accepted)) == ALERTS
    assert len(store.alerts.recent(limit=10 * ALERTS)) == ALERTS

    book = paper.order_book()
    sent = Counter(order.client_order_id for order in book)
    assert [name for name, count in sent.items() if count > 1] == []

    filled_legs: Counter[tuple[str, int]] = Counter()
    for order in store.orders.recent(limit=10 * ALERTS):
        assert order.is_closed, order
        if order.status is OrderStatus.FILLED:
            filled_legs[order.alert_id, order.leg] += 1
        else:
            # Proven absent, and therefore planned anew under another id.
            told = f"{order.client_order_id} {order.status}: {order.reason}"
            assert order.status is OrderStatus.NOT_PLACED, told
            assert order.client_order_id not in sent
    assert filled_legs == Counter(
        {(alert_id, leg): 1 for alert_id in accepted for leg in (1, 2)}
    )

    ours: Counter[str] = Counter()
    for position in store.positions.all():
        ours[position.tradingsymbol] += position.quantity
    theirs = {p.tradingsymbol: p.quantity for p in paper.positions()}
    assert dict(ours) == theirs
    store.close()
    paper.close()
