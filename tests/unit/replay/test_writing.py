"""A day of the store becomes a file that can be replayed."""

import json
from decimal import Decimal

import pytest

from shoonya_platform.clock import Clock
from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.replay.recording import (
    AlertEvent,
    PriceEvent,
    RecordingError,
    read,
    write,
)
from shoonya_platform.replay.writing import record
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import an_alert, store_alert, store_order

DAY = trading_day(BEGIN)


@pytest.fixture
def intake(tmp_path, clock: Clock):
    """The store as the service sees it that takes alerts from outside."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db", service="execution_service", run_id="r", clock=clock
    )
    yield opened
    opened.close()


def test_alert_stands_behind_the_price_at_which_it_filled(intake):
    alert_id = store_alert(intake, an_alert(secret_key="correct-horse"))
    store_order(intake, OrderStatus.FILLED, alert_id=alert_id)

    recording = record(intake, Settings(), DAY)

    price, alert = recording.events
    assert isinstance(price, PriceEvent)
    assert isinstance(alert, AlertEvent)
    assert (price.price, price.at) == (Decimal(100), BEGIN)
    assert alert.body["strategy_name"] == "straddle"
    text = "\n".join(write(recording))
    assert "correct-horse" not in text
    assert json.loads(text.splitlines()[0])["settings"]["risk"]["loss_days"] == 3
    assert [e.at for e in read(text.splitlines()).events] == [BEGIN, BEGIN]


def test_alert_that_the_platform_made_itself_is_left_out(store, intake):
    store_alert(store)
    store_alert(intake)

    assert len(record(intake, Settings(), DAY).events) == 1


def test_day_without_alerts_says_so(store):
    with pytest.raises(RecordingError, match="no alert came on"):
        record(store, Settings(), DAY)
