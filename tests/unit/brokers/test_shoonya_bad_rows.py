"""
A row, a frame or an answer that is not ours, or damaged, affects only itself.

Beside real rows of the simulator come others with unknown products, statuses and
exchanges, missing fields and values of any form.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.brokers.base import Quote
from shoonya_platform.brokers.shoonya_books import ORDERS, POSITIONS, TRADES
from shoonya_platform.brokers.shoonya_margins import products_of
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.margins import Margin
from shoonya_platform.errors import BrokerUnavailable
from tests.contract.broker_worlds import SYMBOL, a_limit_order
from tests.unit.brokers.answered import READINGS, AnsweredBroker, answered_broker

NUMBERS = count(1)
#: How the rows of a book are told apart, in the answer and in what was read.
IDENTITIES = {
    "order_book": ("norenordno", lambda order: order.broker_order_id),
    "trade_book": ("norenordno", lambda trade: trade.broker_order_id),
    "positions": ("tsym", lambda position: position.tradingsymbol),
}
BOOKS = {book.name: book for book in (ORDERS, TRADES, POSITIONS)}
FORMS = ["1,234.50", "", " ", "NA", "1e3", "-65", "65.5", "0x10", "9" * 99]

WORDS = ["F", "B", "H", "MTF", "HALTED", "NCX", "BCD", "NSE", "SHORT", "null"]
VALUES = st.one_of(
    st.sampled_from([*FORMS, *WORDS]),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    # Made from text each time: the answer is changed afterwards.
    st.sampled_from(["{}", "[]", '{"a":["1"]}', '[["F"]]', '["65"]']).map(json.loads),
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory) -> Iterator[AnsweredBroker]:
    with answered_broker(tmp_path_factory.mktemp("account")) as made:
        # Two good rows of each book, of two instruments.
        for route in ("OrderBook", "TradeBook", "PositionBook"):
            rows = json.loads(made.recorded[route][1])
            other = {"norenordno": "77", "tsym": "OTHER-EQ", "flid": "7"}
            other = {key: other.get(key, value) for key, value in rows[0].items()}
            made.recorded[route] = (200, json.dumps([*rows, other]).encode())
        yield made


@pytest.fixture(autouse=True)
def begin_again(broker: AnsweredBroker) -> None:
    broker.forget()
    broker.canned = dict(broker.recorded)
    broker.unreadable()


@st.composite
def damaged(draw, row):
    """Return a row with one to three fields changed or missing."""
    row = dict(row)
    for name in draw(st.lists(st.sampled_from(sorted(row)), min_size=1, max_size=3)):
        if draw(st.booleans()):
            row[name] = draw(VALUES)
        else:
            row.pop(name, None)
    return row


def answered(broker, route, value) -> None:
    broker.forget()
    broker.canned = {**broker.recorded, route: (200, json.dumps(value).encode())}


def listed(broker, name):
    return [row for row in broker.unreadable() if row.book == name]


@settings(max_examples=150)
@pytest.mark.parametrize("name", IDENTITIES)
@given(data=st.data())
def test_bad_row_of_a_book_leaves_the_others_as_they_are(broker, name, data):
    field, identity = IDENTITIES[name]
    route = BOOKS[name].route
    rows = json.loads(broker.recorded[route][1])
    answered(broker, route, rows)
    before = READINGS[name](broker)
    ours = {identity(each) for each in before}
    bad = []
    for _ in range(data.draw(st.integers(1, 3))):
        own = {field: f"9{next(NUMBERS)}"}
        row = data.draw(damaged(data.draw(st.sampled_from(rows)) | own))
        # What it is called may be damaged, and is not what another is called.
        if row.get(field) in list(ours):
            row[field] = own[field]
        bad.append(row)
    mixed = data.draw(st.permutations([*rows, *bad]))

    answered(broker, route, mixed)
    found = READINGS[name](broker)

    same = [each for each in found if identity(each) in ours]
    assert sorted(same, key=repr) == sorted(before, key=repr)
    others = {identity(each) for each in found} - ours
    passed_over = listed(broker, name)
    # A doubled name counts once; none is lost without being listed.
    assert len(others) + len(passed_over) <= len(bad)
    assert passed_over or others
    # A trade belongs to its order, whose row has the product.
    for row in bad if name != "trade_book" else []:
        if row.get("prd") in ("F", "B", "H"):
            assert row.get(field) not in list(others)
    # Reading it again reports the same, so that it is shown once.
    answered(broker, route, mixed)
    READINGS[name](broker)
    assert listed(broker, name) == passed_over


@pytest.mark.parametrize("name", IDENTITIES)
@given(data=st.data())
def test_bad_row_that_is_alone_is_listed(broker, name, data):
    book = BOOKS[name]
    row = json.loads(broker.recorded[book.route][1])[0]
    signs = sorted(book.signs & row.keys())
    bad = row | {name: data.draw(VALUES) for name in signs[1:]}
    del bad[signs[0]]

    answered(broker, book.route, [bad])
    found = READINGS[name](broker)

    assert len(found) + len(listed(broker, name)) == 1


@pytest.mark.parametrize("code", ["F", "B", "H"])
def test_position_of_a_product_that_is_not_ours_hides_none_of_ours(broker, code):
    rows = json.loads(broker.recorded["PositionBook"][1])
    mine = rows[0] | {"prd": "I", "netqty": "65"}
    answered(broker, "PositionBook", [mine, rows[0] | {"prd": code, "netqty": "-650"}])

    (found,) = broker.positions()

    assert (found.product, found.quantity) == (Product.MIS, 65)
    (row,) = listed(broker, "positions")
    assert (row.why, row.may_be_ours) == (f"'prd' is '{code}'", False)
    assert not row.may_hide(found.tradingsymbol)


@pytest.mark.parametrize(
    ("change", "symbol", "may_hide"),
    [
        pytest.param({"netqty": "NA"}, SYMBOL, True, id="quantity"),
        pytest.param({"netqty": "NA"}, "OTHER-EQ", False, id="of-another"),
        pytest.param({"prd": None}, SYMBOL, True, id="product-missing"),
        pytest.param({"prd": ["M"]}, SYMBOL, True, id="product-nested"),
        pytest.param({"tsym": None}, "OTHER-EQ", True, id="symbol-missing"),
        pytest.param({"tsym": None, "prd": "F"}, SYMBOL, False, id="mtf"),
    ],
)
def test_position_that_cannot_be_read_says_what_it_may_hide(
    broker, change, symbol, may_hide
):
    rows = json.loads(broker.recorded["PositionBook"][1])
    answered(broker, "PositionBook", [rows[0] | change, rows[1]])

    broker.positions()

    (row,) = listed(broker, "positions")
    assert row.may_hide(symbol) is may_hide


@settings(max_examples=100)
@given(data=st.data())
def test_bad_order_message_leaves_the_others_as_they_are(broker, data):
    row = json.loads(broker.recorded["OrderBook"][1])[0]
    frame = {key: value for key, value in row.items() if key not in ("stat", "prd")}
    frame |= {"t": "om", "pcode": row["prd"], "reporttype": "New", "status": "OPEN"}
    good = [frame | {"norenordno": f"8{next(NUMBERS)}"} for _ in range(2)]
    bad = data.draw(damaged(frame | {"norenordno": f"9{next(NUMBERS)}"}))
    numbers = {each["norenordno"] for each in good}
    if bad.get("norenordno") in list(numbers):
        del bad["norenordno"]

    for each in (good[0], bad, good[1]):
        broker.feed._take(json.dumps(each).encode())
    found = broker.reports()

    told = [report.order.broker_order_id for report in found]
    assert [number for number in told if number in numbers] == [
        each["norenordno"] for each in good
    ]


@settings(max_examples=100)
@given(data=st.data())
def test_bad_price_frame_leaves_the_price_of_another_as_it_is(broker, data):
    feed = broker.feed
    for key in ("NFO|1", "NFO|2"):
        feed.watch(key)
    feed._up.set()
    frame = {"t": "tf", "e": "NFO", "tk": "1", "lp": "101.50", "v": "1", "ft": "1"}
    feed._take(json.dumps(frame | {"tk": "2", "lp": "7.25"}).encode())

    bad = data.draw(damaged(frame))
    if bad.get("tk") == "2":
        del bad["tk"]
    feed._take(json.dumps(bad).encode())

    other = feed.last_price("NFO|2")
    feed._up.clear()
    assert str(other) == "7.25"


@settings(max_examples=60)
@pytest.mark.parametrize(
    ("name", "route", "needed"),
    [
        ("limits", "Limits", {"cash", "payin", "payout", "marginused"}),
        ("quote", "GetQuotes", {"exch", "token", "tsym", "lp", "lc", "uc"}),
        (
            "instrument",
            "GetSecurityInfo",
            {"exch", "token", "tsym", "ls", "ti", "frzqty", "pp", "cname", "instname"},
        ),
    ],
)
@given(data=st.data())
def test_bad_field_of_a_single_answer_is_no_other_figure(
    broker, name, route, needed, data
):
    row = json.loads(broker.recorded[route][1])
    answered(broker, route, row)
    before = READINGS[name](broker)
    bad = data.draw(damaged(row))
    changed = {key for key in {*row, *bad} if row.get(key) != bad.get(key)}

    answered(broker, route, bad)
    try:
        found = READINGS[name](broker)
    except BrokerUnavailable:
        found = None
        assert changed & {*needed, "stat", "emsg", "prcftr_d"}

    if found is not None and not changed & {*needed, "prcftr_d"}:
        assert found == before
    if name == "quote" and found is not None:
        assert isinstance(found, Quote)
    # The next answer is read as if nothing had been.
    answered(broker, route, row)
    assert READINGS[name](broker) == before


@given(data=st.data())
def test_bad_row_of_a_search_hides_no_other(broker, data):
    found = json.loads(broker.recorded["SearchScrip"][1])
    good = next(row for row in found["values"] if row["tsym"] == SYMBOL)
    bad = [data.draw(damaged(good | {"tsym": "OTHER-EQ"})) for _ in range(2)]
    bad += [data.draw(VALUES)]
    bad = [r for r in bad if not isinstance(r, dict) or r.get("tsym") != SYMBOL]
    answered(broker, "SearchScrip", found | {"values": [*bad, good]})

    assert broker._search(Exchange.NFO, SYMBOL) == good["token"]


@given(data=st.data())
def test_bad_product_of_an_account_hides_no_other(data):
    good = {"prd": "M", "s_prdt_ali": "NRML", "exch": ["NFO", "MCX"]}
    bad = data.draw(damaged({"prd": "F", "s_prdt_ali": "MTF", "exch": ["NSE"]}))

    found = products_of({"prarr": [bad, data.draw(VALUES), good]})

    assert found is not None
    assert Product.NRML in found[Exchange.NFO]
    assert Product.NRML in found[Exchange.MCX]


@given(data=st.data())
def test_bad_answer_of_the_margin_calculator_is_a_margin_or_a_failed_question(
    broker, data
):
    row = {
        "stat": "Ok",
        "cash": "1,000.00",
        "marginused": "10.00",
        "marginusedprev": "0",
        "ordermargin": "10.00",
        "remarks": "",
    }
    order = a_limit_order("O-9", price="50")
    answered(broker, "GetOrderMargin", data.draw(damaged(row)))

    with contextlib.suppress(BrokerUnavailable):
        assert isinstance(broker.margin([order]), Margin)

    answered(broker, "GetOrderMargin", row)
    assert broker.margin([replace(order)]).required == 10
