"""Waiting for a store or a broker: as long as it takes, and no longer than asked."""

import signal
import time
from contextlib import closing

import pytest

from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.errors import BrokerUnavailable, LoginNeeded, StoreBusy
from shoonya_platform.services.runtime import (
    LONGEST_REST_SECONDS,
    RETRY_SECONDS,
    SHORTEST_REST_SECONDS,
    StoreService,
    WorkerService,
)
from shoonya_platform.store.doorbell import Doorbell
from shoonya_platform.store.sqlite import SqliteOrderStore


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


class Steps:
    """Does as much in each step as it is told, then asks for the end."""

    def __init__(self, service, *counts, seconds=0.0):
        self._service = service
        self._counts = list(counts)
        self._seconds = seconds

    def begin(self):
        pass

    def step(self):
        self._service.clock.advance(self._seconds)
        done = self._counts.pop(0)
        if not self._counts:
            self._service._stopping = True
        return done

    def status(self):
        return ""


@pytest.mark.parametrize(
    ("counts", "seconds", "rests"),
    [
        pytest.param((1, 1, 1), 0.005, [], id="one-at-a-time"),
        pytest.param((3, 1), 0.0, [SHORTEST_REST_SECONDS], id="never-too-short"),
        pytest.param((3, 1), 0.006, [0.012], id="twice-as-long-as-the-work"),
        pytest.param((3, 1), 1.0, [LONGEST_REST_SECONDS], id="never-long"),
    ],
)
def test_service_rests_only_where_many_came_at_once(
    monkeypatch, clock, counts, seconds, rests
):
    slept = []
    monkeypatch.setattr(time, "sleep", lambda s: slept.append(round(s, 6)))
    service = WorkerService(
        "risk_manager", lambda _: Steps(service, *counts, seconds=seconds)
    )
    service.clock = clock
    monkeypatch.setattr(service, "parts", None, raising=False)
    monkeypatch.setattr(service, "heartbeat", lambda _: None)

    service.run()

    assert slept == rests


class WithoutSession:
    """A worker whose broker wants a login, three times."""

    def __init__(self, service):
        self._service = service
        self._failures = 3

    def begin(self):
        pass

    def step(self):
        self._failures -= 1
        if not self._failures:
            self._service._stopping = True
        raise LoginNeeded("the session at the broker has ended")

    def status(self):
        return ""


def test_service_that_waits_for_the_broker_does_not_look_silent(
    service, tmp_path, clock
):
    service.clock = clock
    service._settings = Settings()
    service._stopping = True
    service._beat_at = float("-inf")
    with closing(
        SqliteOrderStore(
            tmp_path / "orders.db", service="order_watcher", run_id="r", clock=clock
        )
    ) as service.store:
        service.wait_after(BrokerUnavailable("HTTP 502"), 0)
        (beat,) = service.store.services.all()

    assert (beat.service, beat.status) == ("order_watcher", "waiting: HTTP 502")


def test_service_without_a_session_asks_for_a_login_once(tmp_path, clock, monkeypatch):
    service = WorkerService("order_watcher", lambda _: WithoutSession(service))
    service.clock = clock
    service._settings = Settings()
    monkeypatch.setattr(service, "parts", None, raising=False)
    monkeypatch.setattr(service, "wait_after", lambda error, attempt: None)
    with closing(
        SqliteOrderStore(
            tmp_path / "orders.db", service="tests", run_id="run-1", clock=clock
        )
    ) as service.store:
        service.run()
        (found,) = service.store.discrepancies.open()

    assert found.kind is DiscrepancyKind.LOGIN_NEEDED
    assert found.action == "shoonyactl broker login"
