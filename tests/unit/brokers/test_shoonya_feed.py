"""When the feed connects again, and what it sends while it is connected."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import websockets.sync.client

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
def new_feed(account):
    def make(token=lambda: "token"):
        return Feed(account, token, tell=lambda _: None, pass_over=lambda *_: None)

    return make


@pytest.fixture
def pauses_between(new_feed, monkeypatch):
    """Return the pauses after connections that lasted so long."""

    def run(*lasts):
        feed = new_feed()
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


class Tokens:
    """Hands out the tokens of a test, and ends the feed after the last."""

    feed: Feed

    def __init__(self, clock, *tokens):
        self._clock = clock
        self._tokens = list(tokens)

    def __call__(self):
        """Take one, and let the seconds before it pass."""
        seconds, token = self._tokens.pop(0)
        self._clock.now += seconds
        if not self._tokens:
            self.feed._stopping.set()
        return token


@pytest.fixture
def tried(new_feed, monkeypatch):
    """Return the tokens that were tried, of those the session had in turn."""

    def run(*tokens, refused="refused"):
        clock = SimpleNamespace(now=1000.0, waits=[])
        source = Tokens(clock, *tokens)
        feed = source.feed = new_feed(source)
        found = []

        def follow(token):
            found.append(token)
            if token == refused:
                feed.refused_token = token
                feed._refused_at = clock.now

        changed = SimpleNamespace(wait=clock.waits.append, clear=lambda: None)
        monkeypatch.setattr(
            shoonya_feed, "time", SimpleNamespace(monotonic=lambda: clock.now)
        )
        monkeypatch.setattr(feed, "_follow", follow)
        monkeypatch.setattr(feed, "_changed", changed)
        feed._run()
        return found

    return run


def test_refused_token_is_tried_again_after_a_minute(tried):
    assert tried((0, "refused"), (59, "refused")) == ["refused"]
    assert tried((0, "refused"), (60, "refused")) == ["refused"] * 2


def test_another_token_is_tried_at_once_after_a_refusal(tried):
    assert tried((0, "refused"), (1, "fresh")) == ["refused", "fresh"]


def test_feed_without_a_token_has_tried_so_that_its_caller_goes_on(new_feed):
    feed = new_feed(lambda: None)

    feed.begin(wait_seconds=5)
    has_tried = feed._tried.is_set()
    feed.close()

    assert has_tried


def test_feed_without_a_token_looks_again_as_soon_as_the_session_changes(
    new_feed, monkeypatch
):
    tokens = [None, None, "token"]
    waits = []
    feed = new_feed(lambda: tokens.pop(0))
    feed.session_changed()
    changed = feed._changed

    def wait(seconds):
        # It was the change before this wait that ended it, not an older one.
        waits.append(changed.is_set())

    def follow(_):
        feed._stopping.set()

    monkeypatch.setattr(
        feed, "_changed", SimpleNamespace(wait=wait, clear=changed.clear)
    )
    monkeypatch.setattr(feed, "_follow", follow)
    feed._run()

    assert waits == [True, False, False]


def test_feed_has_begun_once_it_was_asked_to(new_feed):
    feed = new_feed(lambda: None)
    assert not feed.has_begun

    feed.begin(wait_seconds=5)
    has_begun = feed.has_begun
    feed.close()

    assert has_begun


def test_thread_that_ends_at_once_leaves_its_caller_nothing_to_wait_for(
    new_feed, monkeypatch
):
    feed = new_feed()
    monkeypatch.setattr(feed, "_run", lambda: None)

    feed.begin(wait_seconds=5)

    assert feed._tried.is_set()


# -- while it is connected -------------------------------------------------------

LOGGED_IN = ({"t": "ak", "s": "OK"}, {"t": "ok"})


class Socket:
    """Plays frames; each number lets that many seconds pass in silence."""

    def __init__(self, feed, frames):
        self.now = 1000.0
        self.sent = []
        self._feed = feed
        self._frames = list(frames)

    def send(self, text):
        self.sent.append(json.loads(text))

    def recv(self, timeout, decode):
        frame = self._frames.pop(0)
        if not self._frames:
            self._feed._stopping.set()
        if isinstance(frame, dict):
            return json.dumps(frame).encode()
        self.now += frame
        raise TimeoutError

    def kinds(self):
        return [frame["t"] for frame in self.sent]


@pytest.fixture
def play(monkeypatch):
    """Let a feed be connected while these frames come; return its socket."""

    def run(feed, *frames):
        socket = Socket(feed, [*LOGGED_IN, *frames, 0])

        @contextmanager
        def connect(*_, **__):
            yield socket

        monkeypatch.setattr(websockets.sync.client, "connect", connect)
        monkeypatch.setattr(
            shoonya_feed, "time", SimpleNamespace(monotonic=lambda: socket.now)
        )
        feed._follow("token")
        return socket

    return run


def test_silent_connection_gets_a_heartbeat_each_quarter_of_a_minute(new_feed, play):
    assert play(new_feed(), *[1] * 15).kinds() == ["a", "o"]
    assert play(new_feed(), *[1] * 16).kinds() == ["a", "o", "h"]
    assert play(new_feed(), *[1] * 33).kinds() == ["a", "o", "h", "h"]


def test_prices_are_asked_for_once_in_a_connection(new_feed, play):
    feed = new_feed()
    feed.watch("NFO|1")
    feed.watch("NFO|2")

    socket = play(feed, 1, 1, 1)

    assert socket.sent[2:] == [{"t": "t", "k": "NFO|1#NFO|2"}]


def test_frame_that_cannot_be_read_has_the_books_read(new_feed, play):
    feed = new_feed()
    play(feed)
    feed.take_reread()

    feed._take(b"{")

    assert feed.take_reread()


def test_messages_beyond_what_is_kept_have_the_books_read(new_feed, play, monkeypatch):
    monkeypatch.setattr(shoonya_feed, "_MAX_WAITING", 3)
    message = {"t": "om"}
    feed = new_feed()
    play(feed, *[message] * 3)
    assert feed.take_reread()  # the connection itself

    feed._take(json.dumps(message).encode())

    assert feed.take_reread()
    assert len(feed.drain()) == 3


def test_messages_that_are_kept_need_no_books(new_feed, play, monkeypatch):
    monkeypatch.setattr(shoonya_feed, "_MAX_WAITING", 3)
    feed = new_feed()
    play(feed)
    feed.take_reread()

    for _ in range(3):
        feed._take(b'{"t": "om"}')

    assert not feed.take_reread()
    assert len(feed.drain()) == 3
