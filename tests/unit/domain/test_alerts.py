"""
An alert is read strictly, in both its forms; what is wrong is named.

Long, as what is refused is one table, a line for each mistake.
"""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoonya_platform.domain.alert_form import (
    ANONYMOUS_DUPLICATE_SECONDS,
    NAMED_DUPLICATE_SECONDS,
    decode,
    parse,
    parse_stored,
)
from shoonya_platform.domain.alerts import MAX_LEGS, Alert, alert_id, client_order_id
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import AlertId, Intent, OrderType, Side
from shoonya_platform.errors import AlertRefused
from shoonya_platform.testing.orders import SYMBOL, a_leg, alert_body

FLAT = {
    "ticker": SYMBOL,
    "exchange": "NFO",
    "action": "buy",
    "contracts": "65",
    "price": "26000.05",
}


def read(body: object) -> Alert:
    return parse(decode(json.dumps(body).encode()))


def refused(body: object) -> AlertRefused:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(AlertRefused) as caught:
        parse(decode(raw))
    return caught.value


# -- the two forms -------------------------------------------------------------


def test_original_form_has_one_leg_for_each_of_its_legs():
    alert = read(
        alert_body(
            a_leg("NIFTY28DEC27C26000", direction="SELL"),
            a_leg("NIFTY28DEC27P26000", direction="SELL", qty=130, product_type="I"),
            product_type="M",
            exchange="nfo",
        )
    )

    assert (alert.strategy, alert.intent) == ("straddle", Intent.ENTRY)
    assert alert.exchange is Exchange.NFO
    call, put = alert.legs
    assert (call.tradingsymbol, call.side) == ("NIFTY28DEC27C26000", Side.SELL)
    assert (call.quantity, call.product) == (65, Product.NRML)
    assert (put.quantity, put.product) == (130, Product.MIS)
    assert not alert.is_test


def test_flat_form_is_a_single_leg_made_of_placeholders():
    alert = read(FLAT)

    (leg,) = alert.legs
    assert (leg.tradingsymbol, leg.side, leg.quantity) == (SYMBOL, Side.BUY, 65)
    assert leg.order_type is OrderType.MARKET
    assert leg.price == Decimal("26000.05")
    assert alert.strategy == "default"


def test_keys_count_in_any_case_and_between_blanks():
    shouted = {f" {key.upper()} ": value for key, value in FLAT.items()}

    assert read(shouted).legs == read(FLAT).legs


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("symbol", "ticker"),
        ("tradingsymbol", "ticker"),
        ("side", "action"),
        ("direction", "action"),
        ("quantity", "contracts"),
        ("qty", "contracts"),
    ],
)
def test_field_has_several_names(alias, name):
    renamed = {alias if key == name else key: value for key, value in FLAT.items()}

    assert read(renamed).legs == read(FLAT).legs


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        pytest.param(
            {"type": "SL-M", "trigger": "90"}, OrderType.STOP_MARKET, id="type"
        ),
        pytest.param({"pricetype": "LMT"}, OrderType.LIMIT, id="pricetype"),
        pytest.param({"order_type": "limit"}, OrderType.LIMIT, id="lower-case"),
        pytest.param(
            {"order_type": "SL", "trigger_price": 90}, OrderType.STOP_LIMIT, id="SL"
        ),
    ],
)
def test_order_types_have_the_names_of_their_field(fields, found):
    (leg,) = read(FLAT | fields).legs

    assert leg.order_type is found
    assert leg.trigger_price == (90 if found.needs_trigger else None)


@pytest.mark.parametrize(
    ("text", "quantity"),
    [("65", 65), ("65.0", 65), ("6.5e1", 65), (65, 65), (65.0, 65), (" 65", 65)],
)
def test_quantity_may_be_decimal_text_if_it_is_whole(text, quantity):
    assert read(FLAT | {"contracts": text}).legs[0].quantity == quantity


@pytest.mark.parametrize("price", [0, 0.0, "0", "0.00", "", None])
def test_price_of_0_or_none_means_at_the_market(price):
    assert read(FLAT | {"price": price}).legs[0].price is None


def test_close_stands_in_for_a_price_unless_the_order_needs_its_own():
    at_close = {"price": "", "close": "101.5"}

    assert read(FLAT | at_close).legs[0].price == Decimal("101.5")
    assert refused(FLAT | at_close | {"type": "LMT"}).code == "FIELD_MISSING"


def test_price_keeps_the_decimals_it_was_written_with():
    assert str(read(FLAT | {"price": 0.1}).legs[0].price) == "0.1"


def test_empty_placeholder_is_a_field_that_was_not_given():
    alert = read(FLAT | {"strategy": "", "timenow": None, "id": ""})

    assert (alert.strategy, alert.sent_at) == ("default", None)


# -- what it is meant to do ----------------------------------------------------


@pytest.mark.parametrize(
    ("word", "intent"),
    [("entry", Intent.ENTRY), ("EXIT", Intent.EXIT), ("Adjust", Intent.ADJUST)],
)
def test_execution_type_says_what_it_is(word, intent):
    assert read(alert_body(execution_type=word)).intent is intent
    assert read(FLAT | {"execution_type": word}).intent is intent


@pytest.mark.parametrize(
    ("now", "before", "intent"),
    [
        pytest.param("long", "flat", Intent.ENTRY, id="from-flat"),
        pytest.param("", "", Intent.ENTRY, id="not-told"),
        pytest.param("flat", "long", Intent.EXIT, id="to-flat"),
        pytest.param("FLAT", "Long", Intent.EXIT, id="any-case"),
        pytest.param("long", "long", Intent.ADJUST, id="adds"),
        pytest.param("short", "long", Intent.ADJUST, id="reverses"),
    ],
)
def test_flat_form_is_told_by_the_positions_before_and_after(now, before, intent):
    fields = {"market_position": now, "prev_market_position": before}

    assert read(FLAT | fields).intent is intent


@pytest.mark.parametrize("value", [True, 1, "SUCCESS", "FAILURE", "true", "yes"])
def test_test_mode_is_a_test_whatever_it_says(value):
    assert read(alert_body(test_mode=value)).is_test


@pytest.mark.parametrize("value", [False, 0, "false", "FALSE", "0", "no", "off", ""])
def test_test_mode_that_says_no_is_no_test(value):
    # Taken for a test, the alert would be answered kindly and never traded.
    assert not read(alert_body(test_mode=value)).is_test


# -- what is refused -----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        pytest.param(b"", "BODY_NOT_JSON", "not JSON", id="empty"),
        pytest.param(b"buy 65", "BODY_NOT_JSON", "not JSON", id="text"),
        pytest.param(b'{"a": 1', "BODY_NOT_JSON", "not JSON", id="cut-off"),
        pytest.param(b"\xff\xfe\xff", "BODY_NOT_JSON", "not JSON", id="not-utf-8"),
        pytest.param(b"[" * 100_000, "BODY_NOT_JSON", "not JSON", id="bomb"),
        pytest.param(
            b'{"ticker": "\\ud800"}', "BODY_NOT_JSON", "surrogates", id="half-a-letter"
        ),
        pytest.param(
            b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", "BODY_TOO_DEEP", "16", id="deep"
        ),
        pytest.param(b"[]", "BODY_NOT_AN_OBJECT", "list", id="list"),
        pytest.param(b'"x"', "BODY_NOT_AN_OBJECT", "str", id="string"),
        pytest.param(
            b'{"side": "BUY", "qty": 1, "qty": 2}', "KEY_TWICE", "'qty'", id="twice"
        ),
        pytest.param(b'{"qty": 1, "QTY": 2}', "KEY_TWICE", "qty", id="twice-in-case"),
        pytest.param(FLAT | {"quantity": 1}, "KEY_TWICE", "'qty'", id="twice-by-alias"),
        pytest.param(
            alert_body(a_leg(quantity=1)), "KEY_TWICE", "legs[0].qty", id="twice-in-leg"
        ),
        pytest.param({"secret_key": "x"}, "LEGS_MISSING", "'legs'", id="no-legs"),
        pytest.param(alert_body(legs=[]), "LEGS_COUNT", "was 0", id="legs-empty"),
        pytest.param(
            alert_body(legs=[a_leg()] * (MAX_LEGS + 1)),
            "LEGS_COUNT",
            f"1 to {MAX_LEGS}",
            id="legs-many",
        ),
        pytest.param(
            alert_body(legs={"a": 1}), "FIELD_INVALID", "legs: ", id="legs-object"
        ),
        pytest.param(
            alert_body(legs=["x"]), "FIELD_INVALID", "legs[0]: ", id="leg-text"
        ),
        pytest.param(
            alert_body(execution_type=None),
            "FIELD_MISSING",
            "execution_type",
            id="no-execution-type",
        ),
        pytest.param(
            alert_body(execution_type="buy"),
            "FIELD_INVALID",
            "ADJUST, ENTRY, EXIT, was 'buy'",
            id="execution-type",
        ),
        pytest.param(
            alert_body(exchange="NYSE"),
            "FIELD_INVALID",
            "exchange: expected one of BFO, BSE, CDS, MCX, NFO, NSE, was 'NYSE'",
            id="exchange",
        ),
        pytest.param(
            alert_body(strategy_name="a\nb"),
            "FIELD_INVALID",
            "strategy_name",
            id="name",
        ),
        pytest.param(
            alert_body(strategy_name="x" * 65),
            "FIELD_INVALID",
            "1 to 64",
            id="long-name",
        ),
        pytest.param(
            alert_body(strategy_name=5), "FIELD_INVALID", "strategy_name", id="name-5"
        ),
        pytest.param(
            alert_body(timenow="2026-11-25T10:00:00"),
            "FIELD_INVALID",
            "its zone",
            id="time-without-zone",
        ),
        pytest.param(
            alert_body(timenow="soon"), "FIELD_INVALID", "timenow", id="time-text"
        ),
        pytest.param(
            alert_body(timenow="0001-01-01T00:00:00+05:30"),
            "FIELD_INVALID",
            "this century",
            id="time-before-all-zones",
        ),
        pytest.param(
            alert_body(timenow="1999-12-31T23:59:59Z"),
            "FIELD_INVALID",
            "this century",
            id="time-of-the-last-century",
        ),
        pytest.param(
            alert_body(timenow="2100-01-01T00:00:00Z"),
            "FIELD_INVALID",
            "this century",
            id="time-of-the-next-century",
        ),
        pytest.param(
            alert_body(a_leg(direction="LONG")),
            "FIELD_INVALID",
            "legs[0].direction: expected one of BUY, SELL, was 'LONG'",
            id="direction",
        ),
        pytest.param(
            alert_body(a_leg(), a_leg("NIFTY'; --")),
            "FIELD_INVALID",
            "legs[1].tradingsymbol",
            id="symbol",
        ),
        pytest.param(
            alert_body({"direction": "BUY", "qty": 1}),
            "FIELD_INVALID",
            "'tradingsymbol'",
            id="leg-without-symbol",
        ),
        pytest.param(
            FLAT | {"contracts": ""}, "FIELD_MISSING", "qty", id="no-quantity"
        ),
        pytest.param(
            alert_body(a_leg(order_type="BEST")),
            "FIELD_INVALID",
            "legs[0].order_type: expected one of LIMIT, LMT, MARKET",
            id="order-type",
        ),
        pytest.param(
            alert_body(a_leg(product_type="X")),
            "FIELD_INVALID",
            "legs[0].product_type: expected one of C, CNC, I, M, MIS, NRML, was 'X'",
            id="product",
        ),
        pytest.param(
            alert_body(a_leg(order_type="LMT")),
            "FIELD_MISSING",
            "legs[0].price: a LIMIT order",
            id="limit-without-price",
        ),
        pytest.param(
            FLAT | {"type": "SL-M"},
            "FIELD_MISSING",
            "trigger_price: a STOP_MARKET order",
            id="stop-without-trigger",
        ),
    ],
)
def test_refusal_has_a_code_and_names_the_place(body, code, named):
    error = refused(body)

    assert error.code == code
    assert named in error.sentence
    assert error.status == 400


@pytest.mark.parametrize(
    "quantity",
    ["0", "-65", "65.5", "NaN", "sNaN", "Infinity", "1e9", "1e1000000", -1, 0.1, 1e30],
)
def test_quantity_is_a_whole_number_of_units_from_1_to_10_million(quantity):
    error = refused(alert_body(a_leg(qty=quantity)))

    assert (error.code, error.message[:11]) == ("FIELD_INVALID", "legs[0].qty")


def test_largest_quantity_price_and_number_of_legs_pass():
    legs = [a_leg(qty=10_000_000, price=100_000_000)] * MAX_LEGS

    alert = read(alert_body(*legs, timenow="2000-01-01T00:00:00Z"))

    assert len(alert.legs) == MAX_LEGS
    assert (alert.legs[0].quantity, alert.legs[0].price) == (
        10_000_000,
        Decimal(100_000_000),
    )


@pytest.mark.parametrize("quantity", [True, [], {}, "many"])
def test_quantity_that_is_no_number_is_refused(quantity):
    assert "qty" in refused(alert_body(a_leg(qty=quantity))).message


@pytest.mark.parametrize(
    "price", ["-1", "NaN", "sNaN", "Infinity", "-Infinity", "100000000.01", "1e400"]
)
def test_price_is_a_finite_sum_of_rupees(price):
    error = refused(alert_body(a_leg(price=price)))

    assert (error.code, error.message[:13]) == ("FIELD_INVALID", "legs[0].price")


def test_message_quotes_no_more_than_40_letters_of_what_was_sent():
    assert len(refused(alert_body(exchange="X" * 10_000)).message) < 120


# -- duplicates ----------------------------------------------------------------


def test_alert_that_names_itself_is_a_duplicate_all_day():
    first, again, other = (
        read(FLAT | {"id": name, "price": price})
        for name, price in (("A", "1"), ("A", "2"), ("B", "1"))
    )

    assert first.dedupe_key == again.dedupe_key != other.dedupe_key
    assert first.duplicate_seconds == NAMED_DUPLICATE_SECONDS


def test_names_are_each_strategys_own():
    one, two = (read(FLAT | {"id": "A", "strategy": name}) for name in ("one", "two"))

    assert one.dedupe_key != two.dedupe_key


@pytest.mark.parametrize("key", ["id", "alert_id", "alertTimestamp", "dedupe_id"])
def test_name_may_be_a_number(key):
    assert (
        read(FLAT | {key: 1732500000}).dedupe_key
        == read(FLAT | {"id": "1732500000"}).dedupe_key
    )


def test_alert_with_its_time_is_the_same_alert_all_day():
    fields = {"timenow": "2026-11-25T04:30:00Z"}
    alert, again = read(FLAT | fields), read(FLAT | fields)
    later = read(FLAT | {"timenow": "2026-11-25T04:30:01Z"})

    assert alert.dedupe_key == again.dedupe_key != later.dedupe_key
    assert alert.duplicate_seconds == NAMED_DUPLICATE_SECONDS
    assert alert.sent_at == datetime(2026, 11, 25, 4, 30, tzinfo=UTC)


def test_anonymous_alert_is_a_duplicate_only_as_long_as_the_sender_resends():
    alert = read(FLAT)

    assert alert.dedupe_key == read(dict(reversed(FLAT.items()))).dedupe_key
    assert alert.duplicate_seconds == ANONYMOUS_DUPLICATE_SECONDS


def test_secret_is_no_part_of_what_makes_a_duplicate():
    assert read(FLAT | {"secret": "new"}).dedupe_key == read(FLAT).dedupe_key


# -- what is kept --------------------------------------------------------------


@pytest.mark.parametrize("name", ["secret_key", "SECRET_KEY", "secret", " Secret "])
def test_secret_is_nowhere_in_what_is_stored(name):
    secret = "correct-horse"
    alert = read(
        alert_body(a_leg(**{name: secret}), comment={"why": [{name: secret}]})
        | {name: secret}
    )

    assert secret not in alert.body
    assert secret not in repr(alert)


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        pytest.param(
            FLAT | {"stoploss": 5}, "KEY_UNKNOWN", "'trailing_stoploss'", id="unknown"
        ),
        pytest.param(
            FLAT | {"quantiti": 5}, "KEY_UNKNOWN", "mean 'quantity'?", id="mistyped"
        ),
        pytest.param(
            alert_body(a_leg(stoploss=5)), "KEY_UNKNOWN", "legs[0].stoploss", id="leg"
        ),
        pytest.param(
            alert_body(order_type="LMT"), "KEY_UNKNOWN", "each of the legs", id="place"
        ),
        pytest.param(FLAT | {"target": 9}, "KEY_UNSUPPORTED", "target", id="builder"),
        pytest.param(
            alert_body(when_price="26000"), "KEY_UNSUPPORTED", "when_price", id="legs"
        ),
    ],
)
def test_key_that_means_nothing_is_refused_and_the_nearest_is_named(body, code, named):
    error = refused(body)

    assert error.code == code
    assert named in error.sentence


def test_keys_that_only_describe_are_taken_and_so_are_builders_without_a_value():
    alert = read(
        alert_body(underlying="NIFTY", expiry="28DEC27", strategy_stoploss=0, target="")
    )

    assert alert.ignored_keys == ()


def test_exit_is_not_held_up_by_keys_that_mean_nothing():
    alert = read(alert_body(a_leg(x=1), execution_type="exit", stoploss=5))

    assert alert.intent is Intent.EXIT
    assert alert.ignored_keys == ("stoploss", "legs[0].x")


@pytest.mark.parametrize("key", [*FLAT, "strategy", "comment", "timenow", "id", "open"])
def test_placeholder_that_was_not_filled_in_is_refused_in_every_field(key):
    error = refused(FLAT | {key: "{{strategy.order.action}}"})

    assert error.code == "PLACEHOLDER_UNRESOLVED"
    assert "{{strategy.order.action}}" in error.message


@pytest.mark.parametrize("key", a_leg())
def test_placeholder_in_a_leg_is_refused_with_its_place(key):
    error = refused(alert_body(a_leg(), a_leg(**{key: "{{close}}"})))

    assert error.code == "PLACEHOLDER_UNRESOLVED"
    assert error.message.startswith(f"legs[1].{key}: ")


def test_what_the_strategy_states_is_carried():
    alert = read(
        FLAT
        | {
            "market_position": "long",
            "market_position_size": "65",
            "prev_market_position": "Short",
            "prev_market_position_size": 130.0,
        }
    )

    assert (alert.market_position, alert.market_position_size) == ("long", 65)
    assert (alert.prev_market_position, alert.prev_market_position_size) == (
        "short",
        130,
    )
    assert alert.intent is Intent.ADJUST


@pytest.mark.parametrize(
    "fields",
    [
        {"market_position": "longish"},
        {"prev_market_position": 5},
        {"market_position_size": "many"},
        {"market_position_size": -65},
        {"prev_market_position_size": "0.5"},
        {"market_position": "flat", "market_position_size": 65},
        {"prev_market_position": "long", "prev_market_position_size": 0},
    ],
)
def test_position_stated_in_other_words_is_refused(fields):
    error = refused(FLAT | fields)

    assert error.code == "FIELD_INVALID"
    assert error.message.startswith(list(fields)[-1])


@pytest.mark.parametrize(
    "body",
    [
        {"ticker": SYMBOL, "market_position": "flat"},
        {"ticker": SYMBOL, "execution_type": "exit"},
        alert_body({"tradingsymbol": SYMBOL}, execution_type="exit"),
    ],
)
def test_exit_needs_neither_side_nor_quantity(body):
    (leg,) = read(body).legs

    assert (leg.side, leg.quantity) == (None, None)


@pytest.mark.parametrize("key", ["direction", "qty"])
@pytest.mark.parametrize("intent", ["entry", "adjust"])
def test_all_but_an_exit_needs_side_and_quantity(key, intent):
    leg = {name: value for name, value in a_leg().items() if name != key}
    error = refused(alert_body(leg, execution_type=intent))

    assert error.code == "FIELD_MISSING"
    assert error.message.startswith(f"legs[0].{key}: ")


def test_alert_of_an_earlier_version_is_read_from_its_body_leniently():
    body = {**FLAT, "stoploss": 5, "market_position": "{{strategy.market_position}}"}
    fields = decode(json.dumps(body).encode())

    assert parse_stored(fields).legs == read(FLAT).legs


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(FLAT, id="flat"),
        pytest.param(alert_body(a_leg(), a_leg(order_type="LMT", price=5)), id="legs"),
        pytest.param(FLAT | {"timenow": "2026-11-25T10:00:00+05:30"}, id="time"),
        pytest.param(
            FLAT | {"time": float("nan"), "low": 10**300, "open": "ü\0"}, id="odd"
        ),
    ],
)
def test_alert_read_back_from_its_stored_body_is_the_same(body):
    alert = read(body)

    assert parse(json.loads(alert.body)) == alert


# -- whatever comes ------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
# fmt: off
words = st.sampled_from([
    "BUY", "exit", "NFO", SYMBOL, "LMT", "SL", "65", "0.05", "1e5", "sNaN", "flat",
    "M", "2026-11-25T04:30:00Z",
])
keys = st.sampled_from([
    *FLAT, "legs", "secret_key", "id", "timenow", "type", "trigger", "test_mode",
    "execution_type", "product", "close", "strategy", "market_position", "QTY",
])
# fmt: on
fields = st.dictionaries(keys, words | json_values, max_size=4)
# Whole nonsense, and alerts that are right but for a few fields.
bodies = (
    fields
    | fields.map(lambda changed: FLAT | changed)
    | st.builds(
        lambda outer, leg: alert_body(a_leg(**leg)) | outer,
        st.just({}) | fields,
        fields,
    )
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_but_a_refusal(body):
    with contextlib.suppress(AlertRefused):
        parse(decode(body))


@given(bodies)
@example(FLAT | {"price": "sNaN"})
@example(FLAT | {"ticker": "\ud800"})
@example(FLAT | {"contracts": 10**4000})
def test_no_json_raises_anything_but_a_refusal(body):
    try:
        fields = decode(json.dumps(body).encode())
        alert = parse(fields)
    except AlertRefused as e:
        e.sentence.encode()  # an answer can be made of it
        return
    assert parse(json.loads(alert.body)) == alert
    alert.body.encode()


# -- ids -----------------------------------------------------------------------


def test_id_says_the_day_and_fits_the_brokers_remarks():
    stored = alert_id(datetime(2026, 11, 25, tzinfo=UTC), bytes(range(1, 6)))
    order = client_order_id(stored, MAX_LEGS, 3)

    assert stored.startswith("A261125-")
    assert order == f"O{stored[1:]}-20r3"
    assert len(order) <= 20 + 1  # Noren has taken 20 to 30


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=5, max_size=5))
def test_ids_differ_where_the_entropy_does(one, two):
    moment = datetime(2026, 11, 25, tzinfo=UTC) + timedelta(hours=1)

    assert (alert_id(moment, one) == alert_id(moment, two)) == (one == two)


def test_first_attempt_has_no_mark_and_later_ones_do():
    name = AlertId("A261125-7K3M9QXZ")

    assert client_order_id(name, 1, 1) == "O261125-7K3M9QXZ-1"
    assert client_order_id(name, 1, 2) == "O261125-7K3M9QXZ-1r2"
