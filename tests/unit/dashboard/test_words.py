from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.dashboard import words
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("999.995", "+1,000.00"),
        ("-0.004", "0.00"),
        ("12345678.9", "+1,23,45,678.90"),
        ("-100000", f"{MINUS}1,00,000.00"),
        ("1E+5", "+1,00,000.00"),
    ],
)
def test_rupees_signed(value, text):
    assert words.rupees(Decimal(value), signed=True) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100", "100.00"),
        ("0.0525", "0.0525"),
        ("102.35", "102.35"),
        ("33.333333333333333333333333", "33.33"),
        ("1E+3", "1000.00"),
    ],
)
def test_price(value, text):
    assert words.price(Decimal(value)) == text


def test_nothing_is_a_dash():
    assert (words.rupees(None), words.price(None), words.memory(None)) == ("–",) * 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_duration(seconds, text):
    assert words.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 ms"),
        (999.9, "999.9 ms"),
        (1500, "1.50 s"),
        (61_000, "1 min"),
        (-2.5, f"{MINUS}2.5 ms"),
    ],
)
def test_milliseconds(value, text):
    assert words.milliseconds(value) == text


def test_times_are_indias_with_the_date_unless_it_is_today():
    now = datetime(2026, 2, 9, 20, 0, tzinfo=UTC)  # 01:30 on the 10th there

    assert words.clock_time(datetime(2026, 2, 9, 19, 0, tzinfo=UTC), now) == "00:30:00"
    assert words.clock_time(datetime(2026, 2, 9, 9, 0, tzinfo=UTC), now) == (
        "09 Feb 14:30"
    )


def test_every_state_has_a_tone_of_its_own_choosing():
    known = {*OrderStatus, *ServiceStatus, *AlertStatus, *TradingState}
    idle = {"stopped", "completed", "skipped", "canceled", "expired"}

    assert {word for word in known if words.tone(word) == "idle"} == idle
