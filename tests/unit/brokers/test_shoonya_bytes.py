"""What the broker sent becomes plain values, whatever it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.brokers.shoonya_answers import NotOk, SessionExpired, judge
from shoonya_platform.brokers.shoonya_bytes import NotJson, decode, printable
from shoonya_platform.errors import BrokerUnavailable, OutcomeUnknown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
)
DEEP = b"[" * 100_000 + b"]" * 100_000


def is_plain(value: object, depth: int = 0) -> bool:
    if isinstance(value, list):
        return depth < 6 and all(is_plain(each, depth + 1) for each in value)
    if isinstance(value, dict):
        return depth < 6 and all(
            is_plain(part, depth + 1) for pair in value.items() for part in pair
        )
    if isinstance(value, str):
        value.encode()
        return True
    return value is None or isinstance(value, bool)


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_any_bytes_are_plain_values_or_not_json(content):
    try:
        value = decode(content)
    except NotJson:
        return

    assert is_plain(value)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        pytest.param(b'{"a": 1.10}', {"a": "1.10"}, id="a-number-keeps-its-text"),
        pytest.param(b"[NaN, -Infinity]", ["NaN", "-Infinity"], id="no-number"),
        pytest.param(b"9" * 5000, "9" * 5000, id="more-digits-than-int-takes"),
        pytest.param(b'"\\ud800x"', "\ufffdx", id="lone-surrogate"),
        pytest.param(
            b'{"\\uDc00": {"a": "\\uDBFF"}}',
            {"\ufffd": {"a": "\ufffd"}},
            id="lone-surrogate-within",
        ),
        pytest.param(b'"\\ud83d\\ude00"', "\U0001f600", id="a-pair-is-a-character"),
        pytest.param(b'"\xff\xe9"', "\ufffd\ufffd", id="not-utf-8"),
        pytest.param(b"\xef\xbb\xbf[]", [], id="byte-order-mark"),
        pytest.param(b"[[[[[[[[1]]]]]]]]", [[[[[[None]]]]]], id="deeper-than-noren"),
        pytest.param(
            b'{"a":[{"b":[{"c":[{}]}]}]}',
            {"a": [{"b": [{"c": [None]}]}]},
            id="a-row-deeper-than-noren",
        ),
    ],
)
def test_odd_json_is_read(content, value):
    assert decode(content) == value


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\x1f\x8b\x08\x00", b"<html>", b"{'a': 1}", DEEP, b"\xff\xfe{\x00"],
    ids=["empty", "cut", "gzip", "html", "python", "too-deep", "utf-16"],
)
def test_what_is_not_json_says_so(content):
    with pytest.raises(NotJson):
        decode(content)


def test_text_for_a_person_is_one_short_line():
    assert printable("  no\nsuch\tthing ", 40) == "no such thing"
    assert printable("x" * 10**6, 40) == "x" * 39 + "…"


@given(st.integers(100, 599), st.binary() | JSON.map(json.dumps).map(str.encode))
def test_any_answer_proves_one_of_four_things(status, content):
    try:
        answer = judge("PlaceOrder", status, content)
    except (NotOk, BrokerUnavailable, OutcomeUnknown) as e:
        str(e).encode()
        return

    assert status == 200
    assert isinstance(answer, dict | list)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(DEEP, OutcomeUnknown, id="too-deep"),
        pytest.param(b'"OK"', OutcomeUnknown, id="a-scalar"),
        pytest.param(b"", OutcomeUnknown, id="empty"),
        pytest.param(b'{"stat":"Not_Ok","emsg":"\\ud800"}', NotOk, id="surrogate"),
        pytest.param(b'{"stat":"Not_Ok","emsg":[["x"]]}', NotOk, id="emsg-is-a-list"),
        pytest.param(b'{"stat":"Not_Ok"}', NotOk, id="no-emsg"),
        pytest.param(
            b'{"stat":"Not_Ok","emsg":"ORA:Request Timed Out"}',
            OutcomeUnknown,
            id="timed-out-behind-the-front",
        ),
        pytest.param(
            b'{"stat":"Not_Ok","emsg":"Session Expired : Invalid Session Key"}',
            SessionExpired,
            id="session",
        ),
    ],
)
def test_odd_answer_is_judged(content, error):
    with pytest.raises(error) as caught:
        judge("PlaceOrder", 200, content)

    assert caught.type is error
    assert len(str(caught.value)) < 500
