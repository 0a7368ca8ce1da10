"""A recovery, and what its tests look at."""

import logging

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from tests.unit.execution.rows import INSTRUMENTS

RULES = RecoveryRules(
    interval_seconds=30.0, absent_reads=3, absent_seconds=8.0, exit_absent_seconds=8.0
)


@pytest.fixture
def store(store):
    """A store whose platform has just been started."""
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    return store


@pytest.fixture
def recovery(store, broker, clock, rings):
    return RecoveryService(store, broker, RULES, clock, rings, instruments=INSTRUMENTS)


@pytest.fixture
def events(caplog):
    """Return the names of what was logged: what operators and alarms go by."""
    caplog.set_level(logging.DEBUG, "RECOVERY_SERVICE")

    def names():
        return [getattr(record, "event", "") for record in caplog.records]

    return names


def at_broker(broker, order, number=None):
    return broker.accept(PlaceOrder.of(order), number).broker_order_id
