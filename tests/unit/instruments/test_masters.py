"""The broker's lists: every heading, and what a damaged row costs."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.instruments import Exchange, Kind, Right, Source
from shoonya_platform.instruments.masters import MasterDamaged, Reading, read_master
from tests.masters import LISTS, MADE_ON, NFO, NSE, with_rows, zipped


def read(exchange, text=None, today=MADE_ON):
    reading = Reading()
    content = zipped(LISTS[exchange] if text is None else text)
    found = {
        each.tradingsymbol: each
        for each in read_master(content, exchange, reading, today)
    }
    return found, reading


@pytest.mark.parametrize("exchange", Exchange)
def test_each_row_is_read_whatever_the_headings(exchange):
    found, reading = read(exchange)

    assert reading.rows == LISTS[exchange].count("\n") - 1
    assert len(found) + sum(reading.skipped.values()) == reading.rows
    assert reading.made_on == MADE_ON
    assert {each.exchange for each in found.values()} == {exchange}
    assert {each.source for each in found.values()} == {Source.MASTER}


def test_share_has_lot_tick_and_series():
    found, _ = read(Exchange.NSE)

    share = found["M&M-EQ"]
    assert (share.token, share.lot_size, share.tick_size) == ("2031", 1, Decimal("0.1"))
    assert (share.kind, share.underlying, share.instrument_type) == (
        Kind.CASH,
        "M&M",
        "EQ",
    )
    assert (share.expiry, share.price_factor) == (None, 1)


def test_option_has_expiry_strike_and_right():
    found, _ = read(Exchange.NFO)

    option = found["JSWSTEEL29DEC26C1047.5"]
    assert (option.kind, option.underlying) == (Kind.OPTION, "JSWSTEEL")
    assert (option.expiry, option.strike, option.right) == (
        date(2026, 12, 29),
        Decimal("1047.5"),
        Right.CALL,
    )


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        pytest.param(Exchange.NFO, "BANKNIFTY29DEC26F", id="-0.01"),
        pytest.param(Exchange.CDS, "USDINR29DEC26F", id="-1e-07"),
        pytest.param(Exchange.MCX, "GOLD04DEC26", id="0"),
    ],
)
def test_future_has_no_strike_whatever_the_list_says(exchange, symbol):
    found, _ = read(exchange)

    assert (found[symbol].kind, found[symbol].strike) == (Kind.FUTURE, None)


@pytest.mark.parametrize(
    ("exchange", "symbol", "factor"),
    [
        pytest.param(Exchange.MCX, "GOLD04DEC26", "100", id="GNGD"),
        pytest.param(Exchange.MCX, "GOLDM04DEC26", "0.1", id="GNGD-below-1"),
        pytest.param(Exchange.MCX, "ALUMINIUM31DEC26", "1000", id="kilograms"),
        pytest.param(Exchange.CDS, "USDINR29DEC26F", "1000", id="Multiplier"),
        pytest.param(Exchange.NFO, "NIFTY29DEC26F", "1", id="no-heading"),
    ],
)
def test_price_factor_is_the_published_one(exchange, symbol, factor):
    found, _ = read(exchange)

    assert found[symbol].price_factor == Decimal(factor)


def test_underlying_of_bse_is_the_symbols_own_and_not_its_code():
    found, _ = read(Exchange.BFO)

    assert {symbol: each.underlying for symbol, each in found.items()} == {
        "ETERNAL26DEC355PE": "ETERNAL",
        "ETERNAL26DECFUT": "ETERNAL",
        "SENSEX26DEC85000CE": "SENSEX",
        "SENSEX26D0385000CE": "SENSEX",
        "SENSEX5026DECFUT": "SENSEX50",
    }


@pytest.mark.parametrize(
    ("exchange", "symbol", "token"),
    [
        pytest.param(Exchange.NSE, "NIFTY INDEX", "26000", id="tick-0"),
        pytest.param(Exchange.CDS, "USDINR", "1", id="without-figures"),
    ],
)
def test_index_is_known_by_its_token_and_not_tradable(exchange, symbol, token):
    found, _ = read(exchange)

    assert found[symbol].token == token
    assert not found[symbol].is_tradable
    assert found[symbol].tick_size > 0


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param(
            "NFO,,65,NIFTY,X,29-DEC-2026,OPTIDX,CE,1,0.05,", "no symbol", id="token"
        ),
        pytest.param(
            "NFO,1,65,NIFTY,,29-DEC-2026,OPTIDX,CE,1,0.05,", "no symbol", id="symbol"
        ),
        pytest.param(
            "NSE,1,65,NIFTY,X,29-DEC-2026,OPTIDX,CE,1,0.05,", "another", id="other"
        ),
        pytest.param("NFO,1,x,NIFTY,X,29-DEC-2026,OPTIDX,CE,1,0.05,", "lot", id="lot"),
        pytest.param(
            "NFO,1,0,NIFTY,X,29-DEC-2026,OPTIDX,CE,1,0.05,", "lot", id="lot-0"
        ),
        pytest.param(
            "NFO,1,65,NIFTY,X,29-DEC-2026,OPTIDX,CE,1,0,", "tick", id="tick-0"
        ),
        pytest.param(
            "NFO,1,65,NIFTY,X,29-DEC-2026,OPTIDX,CE,1,NaN,", "tick", id="tick"
        ),
        pytest.param("NFO,1,65,NIFTY,X,29-DEC-2026,OPTIDX,CE,1", "tick", id="cut-off"),
        pytest.param(
            "NFO,1,65,NIFTY,X,31-FEB-2026,OPTIDX,CE,1,0.05,", "expiry", id="day"
        ),
        pytest.param("NFO,1,65,NIFTY,X,,FUTIDX,XX,0,0.05,", "expiry", id="no-expiry"),
        pytest.param(
            "NFO,1,65,NIFTY,X,29-DEC-2026,OPTIDX,XX,1,0.05,", "strike", id="right"
        ),
        pytest.param(
            "NFO,1,65,NIFTY,X,29-DEC-2026,OPTIDX,CE,-1,0.05,", "strike", id="strike"
        ),
        pytest.param(
            "NFO,1,65,NIFTY,X,29-DEC-2026,SPREAD,CE,1,0.05,", "type", id="type"
        ),
    ],
)
def test_damaged_row_is_counted_and_affects_no_other(row, why):
    whole, _ = read(Exchange.NFO)

    found, reading = read(Exchange.NFO, with_rows(NFO, row))

    assert found == whole
    ((reason, count),) = reading.skipped.items()
    assert why in reason
    assert count == 1


@pytest.mark.parametrize("factor", ["", "0", "x", "-1"])
def test_row_without_a_usable_factor_is_left_out_not_guessed(factor):
    row = f"MCX,9,1,{factor},TIN,TIN31DEC26,31-DEC-2026,FUTCOM,XX,0,1,"

    found, reading = read(Exchange.MCX, with_rows(LISTS[Exchange.MCX], row))

    assert "TIN31DEC26" not in found
    assert reading.skipped == {"price factor damaged": 1}


def test_what_has_expired_is_counted():
    _, reading = read(Exchange.BFO, today=date(2026, 12, 4))

    assert (reading.dated, reading.expired) == (5, 1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>502 Bad Gateway</html>", id="html"),
        pytest.param(zipped(NFO)[:-60], id="cut-off"),
        pytest.param(zipped("A,B,\n1,2,\n"), id="other-headings"),
    ],
)
def test_what_is_not_a_list_is_refused_as_a_whole(content):
    with pytest.raises(MasterDamaged):
        list(read_master(content, Exchange.NFO, Reading(), MADE_ON))


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_any_damaged_bytes_end_in_rows_or_in_one_error(changes):
    content = bytearray(zipped(NSE))
    for place, value in changes:
        content[place % len(content)] = value

    try:
        found = list(read_master(bytes(content), Exchange.NSE, Reading(), MADE_ON))
    except MasterDamaged:
        return

    assert all(each.lot_size >= 1 and each.tick_size > 0 for each in found)
