"""Noren's dialect, as the documents have it and as it was seen live."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shoonya_platform.brokers import shoonya_words as words
from shoonya_platform.brokers.shoonya_http import encode
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderStatus, OrderType, Side
from tests.contract.broker_worlds import a_limit_order, an_order

NOW = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
#: A message of a full fill, as it was seen live: `pcode`, blank `rejreason`.
LIVE_FILL = {
    "t": "om",
    "norenordno": "24101600226847",
    "uid": "FT0001",
    "actid": "FT0001",
    "exch": "NFO",
    "tsym": "NIFTY17OCT24C25200",
    "qty": "30",
    "prc": "2.85",
    "pcode": "I",
    "remarks": "O261124-7K3M9QXZ-1",
    "rejreason": " ",
    "status": "COMPLETE",
    "reporttype": "Fill",
    "trantype": "S",
    "prctyp": "LMT",
    "ret": "DAY",
    "exchordid": "1300000033498283",
    "fillshares": "30",
    "avgprc": "2.85",
    "flqty": "30",
    "flprc": "2.85",
    "flid": "3849283",
    "fltm": "16-10-2024 11:15:20",
    "exch_tm": "16-10-2024 11:15:20",
}


def test_live_fill_is_read():
    report = words.report_of(LIVE_FILL, now=NOW)

    order = report.order
    assert (order.status, order.side, order.product) == (
        OrderStatus.FILLED,
        Side.SELL,
        Product.MIS,
    )
    assert order.client_order_id == "O261124-7K3M9QXZ-1"
    assert (order.reason, order.average_price) == ("", Decimal("2.85"))
    assert order.updated_at == datetime(2024, 10, 16, 5, 45, 20, tzinfo=UTC)
    assert report.fill is not None
    assert report.fill.trade_id == "24101600226847-3849283"
    assert (report.fill.quantity, report.fill.price) == (30, Decimal("2.85"))


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("PENDING", "", OrderStatus.ACCEPTED),
        ("OPEN", "", OrderStatus.ACCEPTED),
        ("Open", "10", OrderStatus.PARTIALLY_FILLED),
        ("TRIGGER_PENDING", "", OrderStatus.ACCEPTED),
        ("TRIGGER PENDING", "", OrderStatus.ACCEPTED),
        ("AFTER MARKET ORDER REQ RECEIVED", "", OrderStatus.ACCEPTED),
        ("CANCEL PENDING", "10", OrderStatus.PARTIALLY_FILLED),
        ("NEW", "", OrderStatus.ACCEPTED),
        ("REPLACED", "", OrderStatus.ACCEPTED),
        ("INVALID_STATUS_TYPE", "", OrderStatus.ACCEPTED),
        ("COMPLETE", "30", OrderStatus.FILLED),
        ("Complete", "30", OrderStatus.FILLED),
        ("CANCELED", "", OrderStatus.CANCELED),
        ("CANCELED", "10", OrderStatus.CANCELED),
        ("CANCELLED", "", OrderStatus.CANCELED),
        ("REJECTED", "", OrderStatus.REJECTED),
        ("REJECT", "", OrderStatus.REJECTED),
    ],
)
def test_each_spelling_of_a_status(word, filled, status):
    row = {**LIVE_FILL, "status": word, "fillshares": filled}

    assert words.order_of(row, now=NOW).status is status


@pytest.mark.parametrize(
    ("row", "moment"),
    [
        pytest.param(
            {"exch_tm": "00:00:00 01-01-1980", "norentm": "10:00:00 25-11-2026"},
            NOW,
            id="1980-is-no-time",
        ),
        pytest.param({"exch_tm": "25-11-2026 10:00:00"}, NOW, id="exchange"),
        pytest.param({"exch_tm": "", "norentm": "soon"}, NOW, id="none-at-all"),
    ],
)
def test_each_form_of_a_time(row, moment):
    bare = {key: LIVE_FILL[key] for key in LIVE_FILL if key not in ("exch_tm", "fltm")}

    assert words.order_of({**bare, **row}, now=NOW).updated_at == moment


def test_order_of_another_program_has_no_client_order_id():
    row = {key: value for key, value in LIVE_FILL.items() if key != "remarks"}

    assert words.order_of(row, now=NOW).client_order_id is None
    assert words.order_of({**row, "remarks": " "}, now=NOW).client_order_id is None


@pytest.mark.parametrize(
    "field", ["norenordno", "exch", "tsym", "trantype", "pcode", "qty", "status"]
)
def test_row_that_lacks_what_it_must_have_is_unreadable(field):
    row = {key: value for key, value in LIVE_FILL.items() if key != field}

    with pytest.raises(words.Unreadable):
        words.order_of(row, now=NOW)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pcode": "F"}, "'pcode' is 'F'"),
        ({"status": "never seen before"}, "'status' is 'never seen before'"),
        ({"exch": "NCX"}, "'exch' is 'NCX'"),
        ({"trantype": "BUY"}, "'trantype' is 'BUY'"),
        ({"qty": "65.5"}, "'qty' is 65.5"),
        ({"qty": "1e999999999"}, "'qty' is '1e999999999'"),
        ({"qty": "9" * 5000}, "'qty' is '99999"),
        ({"qty": "0"}, "'qty' is 0"),
        ({"qty": "-65"}, "'qty' is -65"),
        ({"qty": ["65"]}, "'qty' is a list"),
        ({"qty": True}, "'qty' is a bool"),
        ({"fillshares": "-1"}, "'fillshares' is -1"),
        ({"avgprc": "2,85,x"}, "'avgprc' is '285x'"),
        ({"flprc": ""}, "'flprc' is missing"),
        ({"flqty": "\u0663"}, "'flqty' is '\u0663'"),
        ({"norenordno": "24 1"}, "'norenordno' is '24 1'"),
    ],
)
def test_row_with_what_it_cannot_have_is_unreadable_and_says_why(change, why):
    with pytest.raises(words.Unreadable) as error:
        words.report_of({**LIVE_FILL, **change}, now=NOW)

    assert str(error.value).startswith(why)
    assert len(str(error.value)) < 80


@pytest.mark.parametrize(
    ("text", "quantity"), [("65", 65), ("65.00", 65), ("1,00,000", 100_000)]
)
def test_each_form_of_a_quantity(text, quantity):
    assert words.order_of({**LIVE_FILL, "qty": text}, now=NOW).quantity == quantity


@pytest.mark.parametrize("text", ["", " ", "nan", "-nan", "inf", "None", "-", "0.00"])
def test_price_that_is_none_is_not_a_fault(text):
    row = {**LIVE_FILL, "avgprc": text, "trgprc": text}

    order = words.order_of(row, now=NOW)

    assert order.trigger_price is None
    assert order.average_price in (None, Decimal(0))


def test_time_that_is_yet_to_come_is_none():
    row = {**LIVE_FILL, "exch_tm": "16-10-2099 11:15:20", "fltm": "", "norentm": ""}

    assert words.order_of(row, now=NOW).updated_at == NOW


def test_money_that_is_not_there_is_not_zero():
    for row in ({}, {"stat": "Ok", "norenordno": "1"}, {"cash": "much"}):
        with pytest.raises(words.Unreadable):
            words.limits_of(row)


def test_misspelt_order_number_is_read_too():
    row = {**LIVE_FILL, "norenoordno": "24101600226847"}
    del row["norenordno"]

    assert words.order_of(row, now=NOW).broker_order_id == "24101600226847"


def test_closed_position_has_no_average_price():
    row = {
        "exch": "NFO",
        "tsym": "NIFTY27JAN26C25700",
        "prd": "M",
        "netqty": "0",
        "netavgprc": "101.50",
        "rpnl": "-1,250.75",
        "lp": "99.00",
    }

    position = words.position_of(row)

    assert (position.quantity, position.average_price) == (0, Decimal(0))
    assert position.realised_pnl == Decimal("-1250.75")
    assert position.last_price == Decimal("99.00")


@pytest.mark.parametrize(
    ("fields", "factor"),
    [
        pytest.param({"prcftr": "100.000000", "mult": "1"}, 100, id="gold"),
        pytest.param({"prcftr": "0.100000"}, Decimal("0.1"), id="goldm"),
        pytest.param({"prcftr": "1.000000", "mult": "1000"}, None, id="multiplier"),
        pytest.param({}, None, id="missing"),
        pytest.param({"prcftr": "0.00"}, None, id="nothing"),
        pytest.param({"prcftr": "-1"}, None, id="negative"),
        pytest.param({"prcftr": "much"}, None, id="damaged"),
        pytest.param({"prcftr": "1", "mult": "x"}, None, id="multiplier-damaged"),
    ],
)
def test_price_factor_of_a_position_never_makes_its_row_unreadable(fields, factor):
    row = {"exch": "MCX", "tsym": "GOLD05FEB27", "prd": "M", "netqty": "1", **fields}

    assert words.position_of(row).price_factor == factor


def test_money_paid_in_counts_and_paid_out_does_not():
    limits = words.limits_of({"cash": "100.50", "payin": "50", "payout": "25"})

    assert (limits.cash, limits.margin_used) == (Decimal("125.50"), Decimal(0))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(an_order(), {"prctyp": "MKT", "prc": "0"}, id="market"),
        pytest.param(
            a_limit_order(price="90.05"),
            {"prctyp": "LMT", "prc": "90.05"},
            id="limit",
        ),
        pytest.param(
            an_order(
                order_type=OrderType.STOP_LIMIT, price="1E+2", trigger_price="101"
            ),
            {"prctyp": "SL-LMT", "prc": "100", "trgprc": "101"},
            id="stop-limit",
        ),
        pytest.param(
            an_order(order_type=OrderType.STOP_MARKET, trigger_price="101"),
            {"prctyp": "SL-MKT", "prc": "0", "trgprc": "101"},
            id="stop-market",
        ),
        pytest.param(
            an_order(product=Product.MIS, side=Side.SELL),
            {"prd": "I", "trantype": "S"},
            id="intraday-sell",
        ),
        pytest.param(
            an_order(tradingsymbol="M&M-EQ", product=Product.CNC),
            {"tsym": "M%26M-EQ", "prd": "C"},
            id="ampersand",
        ),
    ],
)
def test_order_is_written_as_noren_wants_it(order, expected):
    fields = words.place_fields(order, "U1", "U1")

    assert expected.items() <= fields.items()
    assert ("trgprc" in fields) == order.order_type.needs_trigger
    assert fields["remarks"] == "O-1"
    assert all(fields.values())


def test_body_has_no_ampersand_that_the_server_would_split_at():
    assert encode({"stext": "M&M"}) == '{"stext":"M\\u0026M"}'


def test_symbol_comes_back_as_it_is_known():
    assert words.symbol_of({"tsym": "M%26M-EQ"}) == "M&M-EQ"
    assert words.symbol_of({"tsym": "M&M-EQ"}) == "M&M-EQ"
    row = {**LIVE_FILL, "exch": "NSE"}
    assert words.order_of(row, now=NOW).exchange is Exchange.NSE
