"""A session that dies: nothing is lost, one login is asked for, and it goes on."""

import json

import pytest

from shoonya_platform.brokers.shoonya import ShoonyaBroker
from shoonya_platform.brokers.shoonya_account import ShoonyaAccount
from shoonya_platform.brokers.shoonya_http import Reply
from shoonya_platform.brokers.shoonya_session import DEAD_SECONDS, write_private
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.errors import BrokerUnavailable, LoginNeeded, OutcomeUnknown
from tests.contract.broker_worlds import an_order

PLACED = Reply(200, b'{"stat":"Ok","norenordno":"26112500000001"}')
EXPIRED = Reply(
    200, b'{"stat":"Not_Ok","emsg":"Session Expired : Invalid Session Key"}'
)
NO_JSON = Reply(401, b"")
HTML = Reply(401, b"<html><h1>401 Authorization Required</h1></html>")


class Scripted:
    """Answers by the token that is sent, and counts what was asked with it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.refused: dict[str, Reply] = {}

    def __call__(self, method, url, name, body, headers) -> Reply:
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        self.asked.append((name, token))
        return self.refused.get(token, PLACED)


@pytest.fixture
def server() -> Scripted:
    return Scripted()


@pytest.fixture
def open_broker(tmp_path, clock, server, monkeypatch):
    opened = []

    def call() -> ShoonyaBroker:
        account = ShoonyaAccount(
            generation="oauth",
            user_id="FA1",
            vendor_code="FA1_U",
            imei="",
            api_url="http://localhost:1/",
            websocket_url="ws://localhost:1/",
            login_url="",
            scrip_url="",
            folder=tmp_path,
            timeout_seconds=1.0,
            orders_per_second=9,
            requests_per_minute=180,
            secret=lambda name: None,
        )
        made = ShoonyaBroker(account, clock, tell=lambda text: None)
        monkeypatch.setattr(made._transport, "_exchange", server)
        opened.append(made)
        return made

    yield call
    for each in opened:
        each.close()


def log_in(folder, token: str) -> None:
    record = {"token": token, "user_id": "FA1", "logins": [1.0]}
    write_private(folder / "session.json", json.dumps(record))


@pytest.mark.parametrize("answer", [EXPIRED, NO_JSON, HTML])
def test_order_waits_for_a_login_and_goes_out_after_it(
    open_broker, server, tmp_path, answer
):
    log_in(tmp_path, "old")
    server.refused["old"] = answer
    broker = open_broker()

    with pytest.raises(LoginNeeded) as raised:
        broker.place(an_order("O-1"))
    assert "shoonyactl broker login" in raised.value.sentence
    log_in(tmp_path, "new")

    assert broker.place(an_order("O-1")) == "26112500000001"
    assert [token for _, token in server.asked] == ["old", "new"]


def test_other_processes_do_not_try_a_dead_token(open_broker, server, tmp_path):
    log_in(tmp_path, "old")
    server.refused["old"] = NO_JSON
    first, second = open_broker(), open_broker()
    with pytest.raises(LoginNeeded):
        first.place(an_order("O-1"))

    with pytest.raises(LoginNeeded, match="HTTP 401"):
        second.place(an_order("O-2"))

    assert len(server.asked) == 1


def test_token_that_a_gateway_refused_once_is_tried_again(
    open_broker, server, tmp_path, clock
):
    log_in(tmp_path, "live")
    server.refused["live"] = HTML
    broker, other = open_broker(), open_broker()
    with pytest.raises(LoginNeeded):
        broker.place(an_order("O-1"))
    del server.refused["live"]
    with pytest.raises(LoginNeeded):
        broker.place(an_order("O-1"))

    clock.advance(DEAD_SECONDS + 1)

    assert broker.place(an_order("O-1"))
    assert other.place(an_order("O-2"))
    record = json.loads((tmp_path / "session.json").read_text())
    assert record["dead_digest"] == record["death"] == ""


def test_new_session_that_is_refused_too_asks_for_a_login(
    open_broker, server, tmp_path
):
    log_in(tmp_path, "old")
    server.refused = {"old": EXPIRED, "new": EXPIRED}
    broker = open_broker()
    broker.session.token()
    log_in(tmp_path, "new")

    with pytest.raises(LoginNeeded):
        broker.place(an_order("O-1"))
    with pytest.raises(LoginNeeded):
        broker.place(an_order("O-1"))

    assert [token for _, token in server.asked] == ["old", "new"]


def test_too_many_requests_holds_all_requests_for_as_long_as_it_says(
    open_broker, server, tmp_path, clock
):
    log_in(tmp_path, "live")
    server.refused["live"] = Reply(429, b"<html>slow down</html>", 7.0)
    broker = open_broker()

    with pytest.raises(BrokerUnavailable, match="fewer requests"):
        broker.place(an_order("O-1"))
    del server.refused["live"]
    clock.advance(6.9)
    with pytest.raises(BrokerUnavailable, match="fewer requests"):
        broker.place(an_order("O-1"))
    assert len(server.asked) == 1
    clock.advance(0.2)

    assert broker.place(an_order("O-1"))


def test_gateway_that_names_a_time_is_not_asked_before(
    open_broker, server, tmp_path, clock
):
    log_in(tmp_path, "live")
    server.refused["live"] = Reply(503, b"<html>busy</html>", 5.0)
    broker = open_broker()

    # It may have passed the order on.
    with pytest.raises(OutcomeUnknown):
        broker.place(an_order("O-1"))
    del server.refused["live"]
    with pytest.raises(BrokerUnavailable):
        broker.order_book()
    clock.advance(5.1)

    assert broker.place(an_order("O-2"))


def test_time_out_in_the_answer_is_an_unknown_outcome(open_broker, server, tmp_path):
    log_in(tmp_path, "live")
    broker = open_broker()
    for emsg in ("Order Entry Timeout", "ORA:Request Timed Out", "Server Timeout :  "):
        content = json.dumps({"stat": "Not_Ok", "emsg": emsg}).encode()
        server.refused["live"] = Reply(200, content)

        with pytest.raises(OutcomeUnknown):
            broker.place(an_order("O-1"))


PRARR = [{"prd": "C", "exch": ["NSE"]}, {"prd": "I", "exch": ["NSE", "NFO"]}]
PRODUCTS = {
    Exchange.NSE: {Product.CNC, Product.MIS},
    Exchange.NFO: {Product.MIS},
}


def test_products_of_a_login_are_kept_with_the_session(
    open_broker, server, tmp_path, monkeypatch
):
    answer = {"stat": "Ok", "access_token": "fresh", "prarr": PRARR}
    monkeypatch.setattr(
        Scripted, "__call__", lambda *_: Reply(200, json.dumps(answer).encode())
    )
    open_broker().session.exchange("code", "secret")
    monkeypatch.setattr(Scripted, "__call__", lambda *_: Reply(502, b"<html>"))

    assert open_broker().products() == PRODUCTS


def test_products_that_a_login_lacks_are_asked_for_once(
    open_broker, server, tmp_path, monkeypatch
):
    asked = []

    def answer(self, method, url, name, body, headers):
        asked.append(name)
        return Reply(200, json.dumps({"stat": "Ok", "prarr": PRARR}).encode())

    monkeypatch.setattr(Scripted, "__call__", answer)
    log_in(tmp_path, "live")

    assert open_broker().products() == PRODUCTS
    assert open_broker().products() == PRODUCTS
    assert asked == ["UserDetails"]


def test_products_that_are_told_nowhere_are_none(open_broker, server, tmp_path):
    log_in(tmp_path, "live")

    assert open_broker().products() is None


def test_margin_of_one_order_is_one_request_and_of_a_spread_two(
    open_broker, server, tmp_path, monkeypatch
):
    asked = []
    answer = {
        "stat": "Ok",
        "cash": "100",
        "ordermargin": "60",
        "marginusedtrade": "70",
    }

    def answered(self, method, url, name, body, headers):
        asked.append(name)
        return Reply(200, json.dumps(answer).encode())

    monkeypatch.setattr(Scripted, "__call__", answered)
    log_in(tmp_path, "live")
    broker = open_broker()

    assert broker.margin([an_order()]).required == 60
    assert broker.margin([an_order(), an_order("O-2")]).required == 70
    assert asked == ["GetOrderMargin", "GetBasketMargin", "Limits"]
