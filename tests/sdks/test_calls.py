"""Every call of every official SDK release is answered as its documentation says."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from shoonya_platform.clock import SystemClock
from tests.sdks.conftest import HELD, Sdk
from tests.sdks.environments import RELEASES

pytestmark = pytest.mark.sdks

#: What sets the SDK up and asks nothing, and the websocket's calls (test_feed).
ELSEWHERE = {
    *("set_session", "set_credentials", "getOAuthURL", "injectOAuthHeader"),
    *("start_websocket", "close_websocket", "subscribe", "unsubscribe"),
    "subscribe_orders",
}


def login(sdk: Sdk) -> None:
    assert sdk.log_in()["susertoken"]


def get_access_token(sdk: Sdk) -> None:
    token, user_id, refresh, account_id = sdk.log_in()
    assert (user_id, account_id) == ("SIM0001", "SIM0001")
    assert token
    assert refresh


def logout(sdk: Sdk) -> None:
    assert sdk.call("logout")["stat"] == "Ok"
    sdk.call("set_session", *_session(sdk))
    assert sdk.call("get_limits")["emsg"] == "Session Expired :  Invalid Session Key"


def _session(sdk: Sdk) -> tuple[str, ...]:
    own = sdk.simulator.credentials.user_id
    both = (own, "", "dead", "dead")
    return both if sdk.release.generation == "oauth" else both[:3]


def forgot_password(sdk: Sdk) -> None:
    found = sdk.call("forgot_password", "SIM0001", "AAAAA0000A", "01-01-1980")
    assert found["stat"] == "Ok"
    assert sdk.call("forgot_password", "OTHER", "A", "B") is None


def forgot_password_otp(sdk: Sdk) -> None:
    assert sdk.call("forgot_password_OTP", "SIM0001", "AAAAA0000A")["stat"] == "Ok"


def get_watch_list_names(sdk: Sdk) -> None:
    assert sdk.call("get_watch_list_names")["values"] == ["1"]


def get_watch_list(sdk: Sdk) -> None:
    values = sdk.call("get_watch_list", "1")["values"]
    assert [row["tsym"] for row in values] == ["NIFTY INDEX", "RELIANCE-EQ"]
    assert sdk.call("get_watch_list", "none") is None


def add_watch_list_scrip(sdk: Sdk) -> None:
    sdk.call("add_watch_list_scrip", "mine", ["NSE|3045", "BSE|500325"])
    values = sdk.call("get_watch_list", "mine")["values"]
    assert [row["tsym"] for row in values] == ["SBIN-EQ", "RELIANCE"]
    assert sdk.call("add_watch_list_scrip", "mine", "NSE|0") is None


def delete_watch_list_scrip(sdk: Sdk) -> None:
    assert sdk.call("delete_watch_list_scrip", "1", "NSE|26000")["stat"] == "Ok"
    values = sdk.call("get_watch_list", "1")["values"]
    assert [row["tsym"] for row in values] == ["RELIANCE-EQ"]


def place_order(sdk: Sdk) -> None:
    number = sdk.order()["norenordno"]
    bought = sdk.order(price_type="MKT", price=0.0)["norenordno"]
    stop = sdk.order(price_type="SL-LMT", price=812, trigger_price=810)["norenordno"]
    assert sdk.order(tradingsymbol="NOSUCHTHING") is None
    rows = {row["norenordno"]: row for row in sdk.rows()}
    assert (rows[number]["status"], rows[number]["remarks"]) == ("OPEN", "sdk")
    assert (rows[bought]["status"], rows[bought]["avgprc"]) == ("COMPLETE", "800.00")
    assert rows[stop]["status"] == "TRIGGER_PENDING"
    amo = sdk.order(amo="Yes", tradingsymbol="M&M-EQ", price=3400)["norenordno"]
    assert {row["norenordno"]: row for row in sdk.rows()}[amo]["tsym"] == "M&M-EQ"


def modify_order(sdk: Sdk) -> None:
    number = sdk.order(quantity=2)["norenordno"]
    common = {"orderno": number, "exchange": "NSE", "tradingsymbol": "SBIN-EQ"}
    terms = {"newquantity": 3, "newprice_type": "LMT", "newprice": 795.0}
    done = sdk.call("modify_order", **common, **terms)
    assert done["result"] == number
    (row,) = sdk.rows()
    assert (row["qty"], row["prc"], row["ret"]) == ("3", "795.00", "DAY")
    off_tick = {"newquantity": 3, "newprice_type": "LMT", "newprice": 795.03}
    assert sdk.call("modify_order", **common, **off_tick) is None
    sdk.call("modify_order", **common, newquantity=3, newprice_type="MKT")
    (row,) = sdk.rows()
    words = (row["status"], row["prctyp"], row["avgprc"])
    assert words == ("COMPLETE", "MKT", "800.00")


def cancel_order(sdk: Sdk) -> None:
    number = sdk.order()["norenordno"]
    assert sdk.call("cancel_order", number)["result"] == number
    assert sdk.rows()[0]["status"] == "CANCELED"
    assert sdk.call("cancel_order", number) is None


def exit_order(sdk: Sdk) -> None:
    distances = {"bookloss_price": 8, "bookprofit_price": 10}
    bracket = sdk.order(product_type="B", price=800, **distances)["norenordno"]
    cover = sdk.order(product_type="H", price=800, bookloss_price=8)["norenordno"]
    legs = [row for row in sdk.rows() if row.get("snonum") == bracket]
    assert [(row["snoordt"], row["trantype"]) for row in legs] == [
        ("0", "S"),
        ("1", "S"),
    ]
    assert (legs[0]["prc"], legs[1]["trgprc"]) == ("810.00", "792.00")
    assert sdk.call("exit_order", bracket, "B")["dmsg"]
    assert sdk.call("exit_order", cover, "H")["dmsg"]
    assert sdk.call("exit_order", "0", "B") is None
    assert {row["netqty"] for row in sdk.call("get_positions")} == {"0"}
    assert not [row for row in sdk.rows() if row["status"] not in ENDS]


ENDS = ("COMPLETE", "CANCELED")


def position_product_conversion(sdk: Sdk) -> None:
    sdk.order(price=800, quantity=5)
    arguments = ("NSE", "SBIN-EQ", 2, "I", "C", "B", "DAY")
    assert sdk.call("position_product_conversion", *arguments)["stat"] == "Ok"
    found = {row["prd"]: row["netqty"] for row in sdk.call("get_positions")}
    assert found == {"C": "3", "I": "2"}
    assert sdk.call("position_product_conversion", *arguments[:-1], "never") is None


def single_order_history(sdk: Sdk) -> None:
    number = sdk.order(price=800)["norenordno"]
    history = sdk.call("single_order_history", number)
    assert [(row["status"], row["rpt"]) for row in history] == [
        ("COMPLETE", "Fill"),
        ("OPEN", "New"),
        ("PENDING", "PendingNew"),
        ("PENDING", "NewAck"),
    ]


def get_order_book(sdk: Sdk) -> None:
    assert sdk.call("get_order_book") is None
    sdk.order(price=800.05)
    (row,) = sdk.rows()
    assert (row["status"], row["rejreason"]) == (
        "REJECTED",
        "EXCH:16283:The order price is not multiple of the tick size",
    )


def get_trade_book(sdk: Sdk) -> None:
    assert sdk.call("get_trade_book") is None
    sdk.order(price=800)
    (row,) = sdk.call("get_trade_book")
    assert (row["flqty"], row["flprc"]) == ("1", "800.00")


def searchscrip(sdk: Sdk) -> None:
    values = sdk.call("searchscrip", "NSE", "REL")["values"]
    assert [row["tsym"] for row in values] == ["RELIANCE-EQ"]
    option = sdk.option()
    words = f"NIFTY {option.expiry:%d%b} CE".upper()
    values = sdk.call("searchscrip", "NFO", words)["values"]
    assert option.tradingsymbol in [row["tsym"] for row in values]
    assert {row["optt"] for row in values} == {"CE"}
    assert sdk.call("searchscrip", "NSE", "M&M")["values"][0]["token"] == "2031"
    assert sdk.call("searchscrip", "NSE", "NOSUCHTHING") is None


def get_option_chain(sdk: Sdk) -> None:
    option = sdk.option()
    chain = sdk.call("get_option_chain", "NFO", option.tradingsymbol, 25950, 4)
    values = chain["values"]
    assert len(values) == 16
    assert {row["optt"] for row in values} == {"CE", "PE"}
    strikes = sorted({float(row["strprc"]) for row in values})
    assert strikes == [25800 + 50 * n for n in range(8)]


def get_security_info(sdk: Sdk) -> None:
    found = sdk.call("get_security_info", "NFO", sdk.option().token)
    assert (found["ls"], found["ti"], found["frzqty"]) == ("65", "0.05", "1800")
    assert (found["prcftr_d"], found["optt"]) == ("(1 / 1 ) * (1 / 1)", "CE")
    assert sdk.call("get_security_info", "NFO", "0") is None


def get_quotes(sdk: Sdk) -> None:
    share = sdk.call("get_quotes", "NSE", "3045")
    assert (share["tsym"], share["lp"], share["ti"]) == ("SBIN-EQ", "800.00", "0.10")
    assert (share["uc"], share["lc"]) == ("960.00", "640.00")
    assert len(share) >= 50
    assert share["sp5"] == "800.50"
    index = sdk.call("get_quotes", "NSE", "26000")
    assert (index["tsym"], index["lp"]) == ("NIFTY INDEX", "25950.00")
    scrips = sdk.simulator.account.scrips.search("CDS", "USDINR XX")
    pair = sdk.call("get_quotes", "CDS", scrips[0].token)
    assert (pair["pp"], pair["lp"]) == ("4", "88.7525")
    assert sdk.call("get_quotes", "NSE", "0") is None


def get_time_price_series(sdk: Sdk) -> None:
    begin = (SystemClock().now() - timedelta(days=7)).timestamp()
    rows = sdk.call("get_time_price_series", "NSE", "3045", begin, interval=60)
    assert {"time", "into", "inth", "intl", "intc", "intv"} <= rows[0].keys()
    assert all(float(row["intl"]) <= float(row["intc"]) for row in rows)
    again = sdk.call("get_time_price_series", "NSE", "3045", begin, interval=60)
    assert again[-1] == rows[-1]


def get_daily_price_series(sdk: Sdk) -> None:
    now = SystemClock().now()
    begin = (now - timedelta(days=14)).timestamp()
    arguments = ("NSE", "SBIN-EQ", begin, now.timestamp())
    rows = [json.loads(text) for text in sdk.call("get_daily_price_series", *arguments)]
    assert len(rows) in (10, 11)
    assert float(rows[0]["inth"]) >= float(rows[0]["intl"])


def get_holdings(sdk: Sdk) -> None:
    (row,) = sdk.call("get_holdings")
    quantity, price = HELD["NSE:INFY-EQ"]
    assert row["exch_tsym"][0]["tsym"] == "INFY-EQ"
    assert (row["holdqty"], row["upldprc"]) == (str(quantity), str(price))


def get_limits(sdk: Sdk) -> None:
    sdk.order(price=790)
    found = sdk.call("get_limits")
    assert (found["cash"], found["marginused"]) == ("10000000.00", "790.00")
    assert sdk.call("get_limits", "C", "CM", "NSE")["seg"] == "CM"


def get_positions(sdk: Sdk) -> None:
    assert sdk.call("get_positions") is None
    scrips = sdk.simulator.account.scrips
    gold = scrips.search("MCX", "GOLD XX")[0]
    sdk.simulator.set_price("MCX", gold.tradingsymbol, "150000")
    where = {"exchange": "MCX", "tradingsymbol": gold.tradingsymbol}
    sdk.order(**where, product_type="M", price_type="MKT")
    sdk.simulator.set_price("MCX", gold.tradingsymbol, "149700")
    (row,) = sdk.call("get_positions")
    # One lot is a kilogram, quoted for ten grams.
    assert (row["netqty"], row["prcftr"]) == ("1", "100.000000")
    assert row["urmtom"] == "-30000.00"


def span_calculator(sdk: Sdk) -> None:
    option = sdk.option()
    position = {
        "prd": "M",
        "exch": "NFO",
        "instname": "OPTIDX",
        "symname": "NIFTY",
        "exd": f"{option.expiry:%d-%b-%Y}",
        "optt": "CE",
        "strprc": str(option.strike),
        "buyqty": "0",
        "sellqty": "65",
        "netqty": "-65",
    }
    found = sdk.call("span_calculator", "SIM0001", [position])
    assert float(found["span"]) > float(found["expo"]) > 0


def option_greek(sdk: Sdk) -> None:
    expiry = sdk.option().expiry
    found = sdk.call(
        "option_greek", f"{expiry:%d-%b-%Y}".upper(), "26000", "26000", "7", "15", "CE"
    )
    assert found["stat"] == "Ok"
    assert 0 < float(found["cal_delta"]) < 1
    assert -1 < float(found["put_delta"]) < 0


def exch_msg(sdk: Sdk) -> None:
    assert sdk.call("exch_msg", "NSE")[0]["exchmsg"]


def linked_scrips(sdk: Sdk) -> None:
    found = sdk.call("linked_scrips", "2885", "NSE")
    assert [row["tsym"] for row in found["equls"]] == ["RELIANCE"]
    assert len(found["fut"]) == len(found["opt_exp"]) == 3


CALLS = {
    "login": login,
    "getAccessToken": get_access_token,
    "logout": logout,
    "forgot_password": forgot_password,
    "forgot_password_OTP": forgot_password_otp,
    "get_watch_list_names": get_watch_list_names,
    "get_watch_list": get_watch_list,
    "add_watch_list_scrip": add_watch_list_scrip,
    "delete_watch_list_scrip": delete_watch_list_scrip,
    "place_order": place_order,
    "modify_order": modify_order,
    "cancel_order": cancel_order,
    "exit_order": exit_order,
    "position_product_conversion": position_product_conversion,
    "single_order_history": single_order_history,
    "get_order_book": get_order_book,
    "get_trade_book": get_trade_book,
    "searchscrip": searchscrip,
    "get_option_chain": get_option_chain,
    "get_security_info": get_security_info,
    "get_quotes": get_quotes,
    "get_time_price_series": get_time_price_series,
    "get_daily_price_series": get_daily_price_series,
    "get_holdings": get_holdings,
    "get_limits": get_limits,
    "get_positions": get_positions,
    "span_calculator": span_calculator,
    "option_greek": option_greek,
    "exch_msg": exch_msg,
    "linked_scrips": linked_scrips,
}


#: What a release does not offer.
LACKS = {
    "NorenRestApiPy-0.0.22": {
        *("getAccessToken", "forgot_password_OTP", "exch_msg", "linked_scrips"),
    },
    "NorenRestApi-0.0.32": {"getAccessToken", "exch_msg", "linked_scrips"},
    "NorenRestApi-0.0.37": {"login", "exch_msg", "linked_scrips"},
    "NorenRestApiOAuth-0.0.41": {"login"},
}


@pytest.mark.parametrize(
    ("release", "name"),
    [
        pytest.param(release, name, id=f"{release}-{name}")
        for release in RELEASES
        for name in CALLS
        if name not in LACKS[str(release)]
    ],
    indirect=["release"],
)
def test_call_is_answered_as_documented(sdk, name):
    CALLS[name](sdk)


def test_each_call_that_a_release_offers_has_a_test(sdk):
    offered = set(sdk.call("public")) - ELSEWHERE

    assert offered == CALLS.keys() - LACKS[str(sdk.release)]


def test_log_in_with_a_wrong_secret_is_refused(stranger):
    own = stranger.simulator.credentials
    if stranger.release.generation == "oauth":
        arguments = ("code", "wrong", own.client_id, own.user_id)
        assert stranger.call("getAccessToken", *arguments) is None
    else:
        words = ("wrong", "000000", own.client_id, "wrong", "x")
        assert stranger.call("login", own.user_id, *words) is None
