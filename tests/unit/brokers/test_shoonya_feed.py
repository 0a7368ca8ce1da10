"""How often the feed tries to connect again."""

from types import SimpleNamespace

import pytest

from shoonya_platform.brokers import shoonya_feed
from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_feed import BACKOFF_SECONDS, Feed

SHORTEST, LONGEST = BACKOFF_SECONDS
MINUTE = 60.0


class Attempts:
    """Ends each connection after as many seconds as the test says, then the feed."""

    def __init__(self, lasts, stop):
        self.now = 1000.0
        self.pauses = []
        self._lasts = list(lasts)
        self._stop = stop

    def monotonic(self):
        return self.now

    def follow(self, token):
        self.now += self._lasts.pop(0)
        raise OSError("the connection ended")

    def wait(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds
        if not self._lasts:
            self._stop()

    def clear(self):
        pass


@pytest.fixture
def account(tmp_path):
    return ShoonyaAccount(
        generation="oauth",
        user_id="FA1",
        vendor_code="FA1_U",
        imei="test",
        api_url="",
        websocket_url="",
        login_url="",
        scrip_url="",
        folder=tmp_path,
        timeout_seconds=1.0,
        orders_per_second=10,
        requests_per_minute=100,
        secret=lambda name: None,
    )


@pytest.fixture
def pauses_between(account, monkeypatch):
    """Return the pauses after connections that lasted so long."""

    def run(*lasts):
        feed = Feed(
            account, lambda: "token", tell=lambda _: None, pass_over=lambda *_: None
        )
        attempts = Attempts(lasts, feed._stopping.set)
        monkeypatch.setattr(
            shoonya_feed, "time", SimpleNamespace(monotonic=attempts.monotonic)
        )
        # The longest pause that the jitter leaves.
        monkeypatch.setattr(
            shoonya_feed, "random", SimpleNamespace(uniform=lambda low, high: high)
        )
        monkeypatch.setattr(feed, "_follow", attempts.follow)
        monkeypatch.setattr(feed, "_changed", attempts)
        feed._run()
        return attempts.pauses

    return run


def test_pause_doubles_up_to_the_longest_while_no_connection_lasts(pauses_between):
    pauses = pauses_between(*[0.0] * 9)

    assert pauses[:3] == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST]
    assert pauses[-2:] == [LONGEST, LONGEST]


def test_connection_that_lasted_is_followed_by_the_shortest_pause(pauses_between):
    assert pauses_between(0, 0, MINUTE, 0) == [
        SHORTEST,
        2 * SHORTEST,
        SHORTEST,
        2 * SHORTEST,
    ]


def test_short_connection_after_a_long_one_does_not_count(pauses_between):
    assert pauses_between(MINUTE, 1, 1) == [SHORTEST, 2 * SHORTEST, 4 * SHORTEST]
