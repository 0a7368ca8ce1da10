"""
Whatever the broker answers, only the port's three errors come out.

The answers are real ones of the simulator, with a value, a row or some bytes changed,
and plain noise.
"""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.errors import BrokerRejected, BrokerUnavailable, OutcomeUnknown
from tests.contract.broker_worlds import a_change, a_limit_order
from tests.unit.brokers.answered import READINGS, AnsweredBroker, answered_broker

CHANGES = {
    "place": lambda broker: broker.place(a_limit_order("O-9", price="50")),
    "modify": lambda broker: broker.modify(a_change(broker.resting)),
    "cancel": lambda broker: broker.cancel(broker.resting),
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[AnsweredBroker]:
    with answered_broker(tmp_path_factory.mktemp("account")) as made:
        yield made


@pytest.fixture(autouse=True)
def begin_afresh(broker: AnsweredBroker) -> None:
    """Forget what the last answer of another test has done, such as a dead session."""
    broker.forget()


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["\ud800", "F", "1e999999999", "9" * 500, "NaN", "-5", "1_0"]),
    st.sampled_from(["00:00:00 01-01-0001", "\u0661\u0662", " ", "\x00", "Infinity"]),
    # Made from text each time: a change may go on within them.
    st.sampled_from(["[]", "{}", "[[]]", '[{"stat":"Ok"}]']).map(json.loads),
)


@st.composite
def changed(draw, content: bytes) -> bytes:
    """Change a real answer: a field, a row, or its bytes."""
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if value is None or draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(content)))
        until = draw(st.integers(at, len(content)))
        noise: bytes = draw(st.binary(max_size=8))
        return content[:at] + noise + content[until:]
    for _ in range(draw(st.integers(1, 4))):
        row = value
        if isinstance(value, list):
            how = draw(st.sampled_from(["row", "add", "swap", "drop"]))
            index = draw(st.integers(0, max(len(value) - 1, 0)))
            if how == "add" or not value:
                value.append(draw(VALUES))
                continue
            if how == "drop":
                del value[index]
                continue
            if how == "swap":
                value[index] = draw(VALUES)
                continue
            row = value[index]
        if not isinstance(row, dict) or not row:
            return json.dumps(draw(VALUES)).encode()
        name = draw(st.sampled_from(sorted(row)))
        if draw(st.booleans()):
            row[name] = draw(VALUES)
        else:
            del row[name]
    return json.dumps(value).encode()


STATUSES = st.sampled_from([200, 200, 200, 200, 400, 401, 500, 502])


def answers(draw, broker: AnsweredBroker) -> dict[str, tuple[int, bytes]]:
    """Draw an answer for each route: changed, another's, noise, or as it was."""
    found = {}
    for route, (status, content) in sorted(broker.recorded.items()):
        kind = draw(st.sampled_from(["changed", "changed", "other", "noise", "real"]))
        if kind == "other":
            content = broker.recorded[draw(st.sampled_from(sorted(broker.recorded)))][1]
        elif kind == "noise":
            content = draw(st.binary(max_size=40))
        elif kind == "changed":
            content = draw(changed(content))
            status = draw(STATUSES)
        found[route] = (status, content)
    return found


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


@settings(max_examples=60)
@pytest.mark.parametrize("name", READINGS)
@given(data=st.data())
def test_any_answer_to_a_reading_is_read_or_unavailable(broker, name, data):
    broker.forget()
    broker.canned = answers(data.draw, broker)

    try:
        found = READINGS[name](broker)
    except BrokerUnavailable as e:
        found = [e.message, e.hint or ""]
    found = [found, broker.unreadable()]

    # What cannot be encoded can be neither logged nor stored.
    for text in texts(found):
        text.encode()


@settings(max_examples=60)
@pytest.mark.parametrize("name", CHANGES)
@given(data=st.data())
def test_any_answer_to_a_change_is_one_of_the_ports_outcomes(broker, name, data):
    broker.forget()
    broker.canned = answers(data.draw, broker)

    try:
        CHANGES[name](broker)
    except (BrokerRejected, BrokerUnavailable, OutcomeUnknown) as e:
        for text in texts([e.message, e.hint or ""]):
            text.encode()


FRAMES = (
    b'{"t":"om","norenordno":"26113000000001","uid":"U","actid":"U","exch":"NFO",'
    b'"tsym":"NIFTY27JAN26C25700","qty":"65","prc":"2.85","pcode":"I","remarks":"O-1",'
    b'"status":"COMPLETE","reporttype":"Fill","trantype":"S","prctyp":"LMT",'
    b'"ret":"DAY","fillshares":"65","avgprc":"2.85","flqty":"65","flprc":"2.85",'
    b'"flid":"3849283","fltm":"30-11-2026 11:15:20","rejreason":" "}',
    b'{"t":"tf","e":"NFO","tk":"35001","lp":"101.50","ft":"1764490000"}',
    b'{"t":"tk","e":"NFO","tk":"35001","lp":"101.50","ts":"NIFTY27JAN26C25700"}',
    b'{"t":"ok"}',
)


@settings(max_examples=300)
@given(data=st.data())
def test_any_frame_is_a_report_a_price_or_listed(broker, data):
    broker.forget()
    broker.canned = dict(broker.recorded)
    broker.feed.watch("NFO|35001")
    frame = data.draw(st.sampled_from(FRAMES))
    content = data.draw(st.one_of(changed(frame), st.binary(max_size=40)))

    broker.feed._take(content)

    found = [broker.reports(), broker.unreadable(), broker.feed.last_price("NFO|35001")]
    for text in texts(found):
        text.encode()


@settings(max_examples=60)
@given(data=st.data())
def test_any_answer_to_a_log_in_is_a_token_or_unavailable(broker, data):
    real = b'{"stat":"Ok","access_token":"t","expires_in":"86400","uname":"A"}'
    content = data.draw(st.one_of(changed(real), st.binary(max_size=40)))
    broker.forget()
    broker.canned = {"GenAcsTok": (data.draw(STATUSES), content)}
    session, token = broker.session, broker.session.token()

    try:
        found, ends_at = session.exchange("code", "secret")
        assert found.isascii()
        assert found.isprintable()
        assert ends_at is None or ends_at.tzinfo is not None
    except (BrokerUnavailable, BrokerRejected) as e:
        e.message.encode()
    finally:
        session._token = token


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"stat":"Ok"}', id="none"),
        pytest.param(b'{"stat":"Ok","norenordno":""}', id="blank"),
        pytest.param(b'{"stat":"Ok","norenordno":["1"]}', id="a-list"),
        pytest.param(b'{"stat":"Ok","norenordno":"1\\n2"}', id="two-lines"),
        pytest.param(b'{"stat":"Ok","norenordno":"\\ud800"}', id="a-surrogate"),
        pytest.param(b'{"stat":"Ok","result":"26113000000001"}', id="of-a-cancel"),
        pytest.param(b'[{"stat":"Ok","norenordno":"1"}]', id="of-a-book"),
    ],
)
def test_place_without_a_usable_number_is_an_unknown_outcome(broker, content):
    broker.forget()
    broker.canned = {"PlaceOrder": (200, content)}

    with pytest.raises(OutcomeUnknown):
        CHANGES["place"](broker)


@pytest.mark.parametrize("name", ["modify", "cancel"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"stat":"Ok","result":"1"}', id="another-order"),
        pytest.param(b'{"stat":"Ok","cash":"1.00"}', id="another-request"),
        pytest.param(b'{"stat":"Ok","result":{}}', id="an-object"),
    ],
)
def test_change_that_is_answered_for_another_is_an_unknown_outcome(
    broker, name, content
):
    broker.forget()
    broker.canned = {"ModifyOrder": (200, content), "CancelOrder": (200, content)}

    with pytest.raises(OutcomeUnknown):
        CHANGES[name](broker)


@pytest.mark.parametrize("name", ["order_book", "trade_book", "positions"])
@pytest.mark.parametrize("other", ["OrderBook", "TradeBook", "PositionBook", "Limits"])
def test_answer_to_another_reading_is_no_book(broker, name, other):
    routes = {"order_book": "OrderBook", "trade_book": "TradeBook"}
    route = routes.get(name, "PositionBook")
    broker.forget()
    broker.canned = {**broker.recorded, route: broker.recorded[other]}

    if other == route:
        assert READINGS[name](broker)
    else:
        with pytest.raises(BrokerUnavailable, match="something else"):
            READINGS[name](broker)
