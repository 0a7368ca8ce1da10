"""The margin calculator's answers, and the products of an account."""

import json
from decimal import Decimal

import pytest

from shoonya_platform.brokers.shoonya_margins import (
    basket_margin,
    margin_fields,
    order_margin,
    products_of,
)
from shoonya_platform.brokers.shoonya_words import Unreadable
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Side
from tests.contract.broker_worlds import LOT, SYMBOL, a_limit_order, an_order

AFFORDED = {
    "stat": "Ok",
    "cash": "500000.00",
    "marginused": "176246.49",
    "marginusedprev": "0.00",
    "ordermargin": "176246.49",
    "remarks": "",
}
#: `marginused` is the shortfall then.
REFUSED = AFFORDED | {
    "cash": "4950.30",
    "marginused": "171296.19",
    "remarks": "Insufficient Balance",
}
BASKET = {
    "stat": "Ok",
    "marginused": "196915.48",
    "marginusedtrade": "95406.56",
    "marginusedprev": "20000.00",
    "remarks": "",
}
LIMITS = {
    "stat": "Ok",
    "cash": "50000.00",
    "payin": "10000.00",
    "payout": "1000.00",
    "collateral": "30000.00",
    "marginused": "20000.00",
}


def test_order_is_asked_about_with_a_limit_whatever_its_type():
    market = an_order(price=Decimal("101.5"))

    fields = margin_fields([market], "FA1", "FA1")

    assert fields == {
        "uid": "FA1",
        "actid": "FA1",
        "exch": "NFO",
        "tsym": SYMBOL,
        "qty": str(LOT),
        "prc": "101.5",
        "prd": "M",
        "trantype": "B",
        "prctyp": "LMT",
    }


def test_spread_is_asked_about_as_a_whole():
    legs = [a_limit_order(price="90"), a_limit_order(price="80", side=Side.SELL)]

    fields = margin_fields(legs, "FA1", "FA1")

    assert (fields["prc"], fields["trantype"]) == ("90", "B")
    (other,) = json.loads(json.dumps(fields))["basketlists"]
    assert (other["prc"], other["trantype"], other["exch"]) == ("80", "S", "NFO")
    assert "uid" not in other


def test_margin_of_an_order_that_is_afforded():
    margin = order_margin(AFFORDED)

    assert (margin.required, margin.available) == (
        Decimal("176246.49"),
        Decimal("500000.00"),
    )
    assert not margin.is_refused


def test_margin_of_an_order_that_is_not_afforded_is_not_the_shortfall():
    margin = order_margin(REFUSED)

    assert (margin.required, margin.available, margin.is_refused) == (
        Decimal("176246.49"),
        Decimal("4950.30"),
        True,
    )


def test_cash_of_a_refused_order_is_less_what_is_blocked():
    row = REFUSED | {"cash": "200000", "marginusedprev": "150000"}

    assert order_margin(row).available == 50000


def test_margin_of_a_spread_is_what_is_blocked_once_all_have_traded():
    margin = basket_margin(BASKET, LIMITS)

    assert margin.required == Decimal("75406.56")
    # 50000 + 10000 - 1000 + 30000 of collateral - 20000 blocked.
    assert margin.available == 69000


@pytest.mark.parametrize("name", ["ordermargin", "cash"])
def test_answer_without_its_figures_is_none(name):
    row = {key: value for key, value in AFFORDED.items() if key != name}

    with pytest.raises(Unreadable):
        order_margin(row)
    with pytest.raises(Unreadable):
        order_margin(AFFORDED | {name: "lots"})


def test_basket_without_its_figures_is_none():
    with pytest.raises(Unreadable):
        basket_margin({"stat": "Ok"}, LIMITS)
    with pytest.raises(Unreadable):
        basket_margin(BASKET, {"stat": "Ok"})


PRARR = [
    {"prd": "C", "s_prdt_ali": "CNC", "exch": ["NSE", "BSE"]},
    {"prd": "M", "s_prdt_ali": "NRML", "exch": ["NFO", "BFO", "BCD", "MCX"]},
    {"prd": "I", "s_prdt_ali": "MIS", "exch": ["NSE", "NFO"]},
    {"prd": "F", "s_prdt_ali": "MTF", "exch": ["NSE"]},
    {"prd": "B", "exch": "NSE"},
    "noise",
    {"exch": ["NSE"]},
]


def test_products_are_those_of_ours_by_exchange():
    found = products_of({"prarr": PRARR}) or {}

    assert {exchange: set(each) for exchange, each in found.items()} == {
        Exchange.NSE: {Product.CNC, Product.MIS},
        Exchange.BSE: {Product.CNC},
        Exchange.NFO: {Product.NRML, Product.MIS},
        Exchange.BFO: {Product.NRML},
        Exchange.MCX: {Product.NRML},
    }


@pytest.mark.parametrize("row", [{}, {"prarr": "C"}, {"prarr": []}, {"prarr": [7]}])
def test_products_that_are_not_told_are_none(row):
    assert products_of(row) is None
