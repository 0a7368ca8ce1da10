"""Rate limits that processes share, and the circuit breaker."""

from array import array

import pytest

from shoonya_platform.brokers.shoonya_limits import CircuitBreaker, Kind, RateLimiter
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def open_limiter(tmp_path, clock, slept):
    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.advance(seconds)

    opened = []

    def call(orders=9, requests=180):
        made = RateLimiter(
            tmp_path / "requests",
            clock,
            orders_per_second=orders,
            requests_per_minute=requests,
            sleep=sleep,
        )
        opened.append(made)
        return made

    yield call
    for each in opened:
        each.close()


def take(
    limiter,
    kind: Kind,
    count: int,
    wait_seconds: float = 0.0,
    exchange: Exchange | None = None,
) -> int:
    """Take so many, and return how many there was room for at once."""
    for taken in range(count):
        try:
            limiter.take(kind, wait_seconds, exchange)
        except BrokerUnavailable:
            return taken
    return count


def test_limit_holds_after_a_burst_however_long(open_limiter, tmp_path, clock):
    burst = array("d", [clock.monotonic(), 0.0] * 5_000)
    (tmp_path / "requests").write_bytes(burst.tobytes())

    assert take(open_limiter(requests=6_000), Kind.READ, 1) == 0
    # The other process has room for orders all the same, and drops none of the count.
    assert take(open_limiter(requests=6_000), Kind.EXIT, 1) == 1
    assert (tmp_path / "requests").stat().st_size == 5_001 * 16


def test_orders_of_a_second_leave_room_for_a_cancel(open_limiter):
    limiter = open_limiter()

    assert take(limiter, Kind.PLACE, 20) == 8
    assert take(limiter, Kind.CANCEL, 20) == 1


def test_orders_of_a_second_leave_room_for_an_exit(open_limiter):
    limiter = open_limiter()

    assert take(limiter, Kind.PLACE, 20) == 8
    assert take(limiter, Kind.EXIT, 20) == 1


def test_each_exchange_counts_its_own_orders(open_limiter):
    limiter = open_limiter()

    assert take(limiter, Kind.PLACE, 20, exchange=Exchange.NFO) == 8
    assert take(limiter, Kind.PLACE, 20, exchange=Exchange.NSE) == 8
    assert take(limiter, Kind.CANCEL, 20, exchange=Exchange.NFO) == 1


def test_order_of_an_unknown_exchange_counts_for_each(open_limiter):
    limiter = open_limiter()
    take(limiter, Kind.CANCEL, 5)
    take(limiter, Kind.PLACE, 1, exchange=Exchange.NFO)

    assert take(limiter, Kind.PLACE, 20, exchange=Exchange.NFO) == 2
    assert take(limiter, Kind.PLACE, 20, exchange=Exchange.NSE) == 3
    # And it has no room where one of them has none.
    assert take(limiter, Kind.PLACE, 1) == 0


def test_readings_of_a_minute_leave_room_for_orders_and_these_for_cancels(
    open_limiter,
):
    limiter = open_limiter(orders=1000)

    assert take(limiter, Kind.READ, 1000) == 150
    assert take(limiter, Kind.PLACE, 1000) == 25
    assert take(limiter, Kind.CANCEL, 1000) == 5


def test_second_passes_and_there_is_room_again(open_limiter, clock):
    limiter = open_limiter()
    take(limiter, Kind.PLACE, 8)

    clock.advance(1.01)

    assert take(limiter, Kind.PLACE, 20) == 8


def test_waits_for_room_where_that_is_allowed(open_limiter, slept):
    limiter = open_limiter()

    assert take(limiter, Kind.PLACE, 24, wait_seconds=5.0) == 24
    assert 1.9 < sum(slept) < 2.2


def test_processes_share_the_count(open_limiter):
    assert take(open_limiter(), Kind.PLACE, 20) == 8
    assert take(open_limiter(), Kind.PLACE, 20) == 0


def test_count_of_an_earlier_boot_is_void(open_limiter, clock):
    limiter = open_limiter()
    take(limiter, Kind.PLACE, 8)

    clock.advance(-500)

    assert take(limiter, Kind.PLACE, 20) == 8


def test_count_that_is_damaged_is_begun_anew(open_limiter, tmp_path):
    (tmp_path / "requests").write_bytes(b"\xff" * 77)

    assert take(open_limiter(), Kind.PLACE, 20) == 8


def test_count_that_cannot_be_kept_sends_nothing(open_limiter, tmp_path):
    (tmp_path / "requests").mkdir()

    with pytest.raises(BrokerUnavailable, match="cannot be kept"):
        open_limiter().take(Kind.READ, 0.0)


@pytest.fixture
def breaker(clock) -> CircuitBreaker:
    return CircuitBreaker(clock, failures=3, pause_seconds=5.0, longest_seconds=15.0)


def fail(breaker, count: int) -> None:
    for _ in range(count):
        breaker.check()
        breaker.failed("no answer")


def test_breaker_opens_after_failures_in_a_row_only(breaker):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)

    breaker.check()


def test_open_breaker_says_when_it_tries_again(breaker):
    fail(breaker, 3)

    # The tests' clock stands at ten o'clock.
    with pytest.raises(BrokerUnavailable, match=r"no answer.* at 10:00:05 in India"):
        breaker.check()


def test_pause_doubles_up_to_the_longest_and_ends_with_an_answer(breaker, clock):
    fail(breaker, 3)
    for pause in (5, 10, 15, 15):
        clock.advance(pause - 0.1)
        with pytest.raises(BrokerUnavailable):
            breaker.check()
        clock.advance(0.1)
        fail(breaker, 1)

    clock.advance(15)
    breaker.check()
    breaker.succeeded()
    fail(breaker, 2)
    breaker.check()
