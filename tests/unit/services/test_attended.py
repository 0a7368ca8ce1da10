"""A slow broker is reported as slow, and is no reason for the watchdog."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.services.attended import (
    SLOW_SECONDS,
    WARN_SECONDS,
    AttendedBroker,
)
from shoonya_platform.testing.brokers import RecordingBroker


class SlowBroker(RecordingBroker):
    def __init__(self, clock):
        super().__init__(clock)
        self.clock = clock
        self.seconds = 0.0

    def last_price(self, exchange, tradingsymbol):
        self.clock.advance(self.seconds)
        return super().last_price(exchange, tradingsymbol)


@pytest.fixture
def plain(clock):
    return SlowBroker(clock)


@pytest.fixture
def beats():
    return []


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def broker(plain, clock, beats, warnings):
    return AttendedBroker(
        plain,
        clock,
        beat=lambda: beats.append(clock.monotonic()),
        warn=warnings.append,
    )


def test_each_call_is_progress_before_and_after_it(broker, plain, beats, clock):
    plain.seconds = 4.5
    plain.prices[Exchange.NSE, "X"] = Decimal(7)
    began = clock.monotonic()

    assert broker.last_price(Exchange.NSE, "X") == 7

    assert beats == [began, began + 4.5]


def test_call_that_fails_is_progress_too(broker, plain, beats):
    plain.is_down = True

    with pytest.raises(BrokerUnavailable):
        broker.order_book()

    assert len(beats) == 2


def test_slow_answers_are_reported_now_and_then(broker, plain, clock, warnings):
    plain.seconds = SLOW_SECONDS
    for _ in range(5):
        broker.last_price(Exchange.NSE, "X")
    assert len(warnings) == 1
    assert "its last answer took 2.0 s" in warnings[0]

    clock.advance(WARN_SECONDS)
    broker.last_price(Exchange.NSE, "X")

    assert len(warnings) == 2


def test_quick_answers_are_not(broker, plain, warnings):
    plain.seconds = SLOW_SECONDS - 0.1

    broker.last_price(Exchange.NSE, "X")

    assert warnings == []


def test_slowest_answer_is_remembered_for_a_while(broker, plain, clock):
    assert broker.slow_answer_seconds() == 0.0
    for seconds in (SLOW_SECONDS - 0.1, 4.5, SLOW_SECONDS):
        plain.seconds = seconds
        broker.last_price(Exchange.NSE, "X")
    assert broker.slow_answer_seconds() == 4.5

    clock.advance(WARN_SECONDS - SLOW_SECONDS)
    assert broker.slow_answer_seconds() == SLOW_SECONDS
    clock.advance(SLOW_SECONDS)
    assert broker.slow_answer_seconds() == 0.0
