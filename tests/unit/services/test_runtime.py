"""Waiting for a store or a broker: as long as it takes, and no longer than asked."""

import signal
import time

import pytest

from shoonya_platform.errors import StoreBusy
from shoonya_platform.services.runtime import RETRY_SECONDS, StoreService
from shoonya_platform.store.doorbell import Doorbell


@pytest.fixture
def service(tmp_path):
    made = StoreService("risk_manager")
    made.doorbell = Doorbell(tmp_path, "risk_manager")
    yield made
    made.close()


def waited(service, attempt):
    began = time.monotonic()
    service.wait_after(StoreBusy("locked"), attempt)
    return time.monotonic() - began


def test_end_interrupts_the_longest_wait(service):
    service._on_signal(signal.SIGTERM, None)

    assert waited(service, attempt=99) < RETRY_SECONDS[-1] / 2


def test_ring_does_not_shorten_a_wait_for_what_cannot_be_done(service):
    service.doorbell.ring("risk_manager")

    assert waited(service, attempt=0) >= RETRY_SECONDS[0] - 0.05
