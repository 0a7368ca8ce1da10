"""The soft limit of memory: before the kernel ends a process, it ends in order."""

import pytest

from shoonya_platform.services import isolated
from shoonya_platform.services.isolated import HEALTHY_SECONDS, IsolatedService
from shoonya_platform.services.memory import resident_bytes, soft_limit_bytes


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


class Service(IsolatedService):
    def __init__(self, clock: Clock) -> None:
        super().__init__("dashboard", clock=clock)  # type: ignore[arg-type]
        self._soft_memory_bytes = 100 << 20


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock, monkeypatch) -> Service:
    class At:
        def now(self) -> None:
            return None

    monkeypatch.setattr(Clock, "now", At.now, raising=False)
    return Service(clock)


def hold(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    monkeypatch.setattr(isolated, "resident_bytes", lambda: megabytes << 20)


def test_our_own_memory_is_known():
    assert 5 << 20 < resident_bytes() < 4 << 30


def test_memory_that_cannot_be_known_is_none(tmp_path):
    assert resident_bytes(tmp_path) == 0


@pytest.mark.parametrize(
    ("hard", "soft"),
    [
        pytest.param("max", 1600, id="no-limit"),
        pytest.param(str(2000 << 20), 1600, id="as-configured"),
        pytest.param(str(1000 << 20), 800, id="an-operators-own"),
        pytest.param("", 1600, id="unreadable"),
    ],
)
def test_soft_limit_lies_below_the_units(tmp_path, hard, soft):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("0::/shoonya.slice/x.service\n")
    folder = tmp_path / "shoonya.slice" / "x.service"
    folder.mkdir(parents=True)
    if hard:
        (folder / "memory.max").write_text(f"{hard}\n")

    assert soft_limit_bytes(1600 << 20, tmp_path, tmp_path) == soft << 20


def test_service_below_its_limit_goes_on(service, clock, monkeypatch):
    hold(monkeypatch, 99)
    clock.at += 6

    service.beat("at work")

    assert not service.should_stop()


def test_service_above_its_limit_ends_in_order_and_is_started_anew(
    service, clock, monkeypatch
):
    clock.at += HEALTHY_SECONDS
    hold(monkeypatch, 101)

    service.beat("at work")

    assert service.should_stop()
    assert service._renew() == 75


def test_service_that_needs_too_much_at_once_has_crashed(service, clock, monkeypatch):
    hold(monkeypatch, 101)
    clock.at += 6

    service.beat("at work")

    assert service.should_stop()
    assert service._renew() == 1


def test_memory_is_not_looked_at_in_every_step(service, clock, monkeypatch):
    hold(monkeypatch, 101)

    for _ in range(100):
        clock.at += 0.01
        service.beat("at work")

    assert not service.should_stop()
