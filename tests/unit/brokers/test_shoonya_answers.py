"""Every known wording, with each HTTP status, with and without JSON."""

import itertools
import json

import pytest

from shoonya_platform.brokers.shoonya_answers import (
    NotOk,
    SessionExpired,
    TooManyRequests,
    judge,
)
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown

DEAD, WAIT, REFUSED, UNKNOWN = (
    SessionExpired,
    TooManyRequests,
    NotOk,
    OutcomeUnknown,
)

STATUSES = (200, 400, 401, 403, 429, 500, 502, 503, 504)

DEAD_WORDINGS = [
    "Session Expired : Invalid Session Key",
    "Session Expired :  Invalid Session Key",
    "Invalid Access Token",
    "Invalid Token",
    "Session Token Expired",
    "Access token has expired",
    "session timed out",
    "Token is invalid",
    "User not logged in",
]
BUSY_WORDINGS = [
    "Too many requests",
    "Rate limit exceeded",
    "Requests limit reached, try later",
    "Request throttled",
]
UNCLEAR_WORDINGS = [
    "Order Entry Timeout",
    "ORA:Request Timed Out",
    "Rejected : ORA:Request Timed Out",
    "Server Timeout :  ",
]
OTHER_WORDINGS = [
    "Rejected : ORA:Order not found",
    "Invalid Input :  jData is not valid json object",
    "RED:Margin Shortfall:INR 28,030.64 Available:INR 29.36 for C-X [Y]",
    "EXCH:16283:The order price is not multiple of the tick size",
    "Session is closed for this exchange",
    " ",
]


def as_json(emsg: str) -> bytes:
    return json.dumps({"stat": "Not_Ok", "emsg": emsg}).encode()


def in_a_list(emsg: str) -> bytes:
    return b"[" + as_json(emsg) + b"]"


def as_text(emsg: str) -> bytes:
    return emsg.encode()


def as_page(emsg: str) -> bytes:
    return f"<html><body><h1>{emsg}</h1></body></html>".encode()


FORMS = (as_json, in_a_list, as_text, as_page)


def expected(wordings: list[str], status: int, form: object) -> type[Exception]:
    """Return what an answer means, said another way than in the code."""
    is_json = form in (as_json, in_a_list)
    if wordings is UNCLEAR_WORDINGS:
        return BrokerUnavailable if status == 403 and not is_json else UNKNOWN
    if status == 401:
        return DEAD
    if status >= 500:
        if wordings is DEAD_WORDINGS and form is not as_page:
            return DEAD
        return UNKNOWN
    if wordings is DEAD_WORDINGS:
        return DEAD
    if status == 429 or wordings is BUSY_WORDINGS:
        return WAIT
    if is_json:
        return REFUSED
    return BrokerUnavailable if status == 403 else UNKNOWN


@pytest.mark.parametrize(
    ("wordings", "status", "form"),
    [
        pytest.param(wordings, status, form, id=f"{name}-{status}-{form.__name__}")
        for (name, wordings), status, form in itertools.product(
            {
                "dead": DEAD_WORDINGS,
                "busy": BUSY_WORDINGS,
                "unclear": UNCLEAR_WORDINGS,
                "other": OTHER_WORDINGS,
            }.items(),
            STATUSES,
            FORMS,
        )
    ],
)
def test_each_wording_means_the_same_with_any_status_and_form(wordings, status, form):
    want = expected(wordings, status, form)

    for emsg in wordings:
        with pytest.raises((NotOk, BrokerUnavailable, OutcomeUnknown)) as raised:
            judge("PlaceOrder", status, form(emsg))
        assert type(raised.value) is want, emsg


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("content", [b"", b"null", b"7", b"{}", b"<html>", b"[]"])
def test_answers_without_a_word(status, content):
    want: type[Exception] = UNKNOWN
    if status == 401:
        want = DEAD
    elif status == 429:
        want = WAIT
    elif status == 403:
        want = BrokerUnavailable
    if status == 200 and content in (b"{}", b"[]"):
        assert judge("OrderBook", status, content) == json.loads(content)
        return

    with pytest.raises((NotOk, BrokerUnavailable, OutcomeUnknown)) as raised:
        judge("PlaceOrder", status, content)

    assert type(raised.value) is want


@pytest.mark.parametrize("status", [s for s in STATUSES if s != 200])
def test_ok_with_another_status_than_200_proves_nothing(status):
    with pytest.raises(OutcomeUnknown):
        judge("PlaceOrder", status, b'{"stat":"Ok","norenordno":"26120100000001"}')


@pytest.mark.parametrize("route", ["GetQuotes", "GetSecurityInfo", "TPSeries"])
def test_token_of_an_instrument_is_not_taken_for_the_sessions(route):
    content = as_json("Invalid Input : Invalid Token")

    with pytest.raises(NotOk) as raised:
        judge(route, 200, content)
    assert not isinstance(raised.value, SessionExpired)

    with pytest.raises(SessionExpired):
        judge(route, 401, content)


def test_reasons_are_passed_on_and_pages_are_not():
    with pytest.raises(SessionExpired) as refused:
        judge("OrderBook", 401, as_page("secret inside"))
    assert refused.value.emsg == "HTTP 401"

    with pytest.raises(NotOk) as plain:
        judge("OrderBook", 400, as_json("Invalid Input"))
    assert plain.value.emsg == "Invalid Input"


def test_rows_that_mention_a_session_are_rows():
    content = b'[{"stat":"Ok","rejreason":"Session Expired"},{"stat":"Ok"}]'

    assert len(judge("OrderBook", 200, content)) == 2
