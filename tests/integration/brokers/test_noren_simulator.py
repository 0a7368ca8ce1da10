"""The simulator's own manners, asked without the adapter."""

import hashlib
import json

import httpx
import pytest

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.access import totp
from tests.contract.noren_world import SYMBOL, log_in
from tests.integration.brokers.conftest import only_oauth, only_quickauth


@pytest.fixture
def post(simulator):
    def call(route: str, body: str, **headers: str) -> httpx.Response:
        # SDK users have the slash twice.
        return httpx.post(f"{simulator.api_url}/{route}", content=body, headers=headers)

    return call


@pytest.fixture
def ask(simulator, post):
    """Ask with a session, as the generation wants it."""
    if simulator.generation == "oauth":
        token = log_in(simulator)
    else:
        token = post("QuickAuth", f"jData={json.dumps(quick_auth(simulator))}").json()[
            "susertoken"
        ]

    def call(route: str, **fields: object):
        body = f"jData={json.dumps({'uid': 'SIM0001', 'actid': 'SIM0001', **fields})}"
        if simulator.generation == "oauth":
            return post(route, body, Authorization=f"Bearer {token}")
        return post(route, f"{body}&jKey={token}")

    return call


def quick_auth(simulator) -> dict[str, str]:
    own = simulator.credentials
    now = simulator.app.clock.now().timestamp()
    return {
        "source": "API",
        "uid": own.user_id,
        "pwd": hashlib.sha256(own.password.encode()).hexdigest(),
        "factor2": totp(own.totp_secret, now),
        "vc": own.client_id,
        "appkey": hashlib.sha256(
            f"{own.user_id}|{own.api_secret}".encode()
        ).hexdigest(),
        "imei": "x",
    }


ORDER = {
    "exch": "NFO",
    "tsym": SYMBOL,
    "qty": "65",
    "prc": "90",
    "prd": "M",
    "trantype": "B",
    "prctyp": "LMT",
    "ret": "DAY",
    "remarks": "O-1",
}


@pytest.mark.parametrize(
    ("body", "emsg"),
    [
        pytest.param("", "jData is Missing", id="empty"),
        pytest.param("jData={", "not valid json object", id="broken"),
        pytest.param('jData={"tsym":"M&M-EQ"}', "not valid json object", id="raw-&"),
        pytest.param('jData={"qty":65}', "invalid input", id="number"),
        pytest.param('jData={"uid":"SIM0001"}', "Session Expired", id="no-session"),
    ],
)
def test_request_it_cannot_read_is_not_ok(post, body, emsg):
    answer = post("OrderBook", body)

    assert answer.json()["stat"] == "Not_Ok"
    assert emsg in answer.json()["emsg"]


def test_lists_are_arrays_and_nothing_is_an_object_that_says_no_data(ask):
    assert 'Error Occurred : 5 "no data"' in ask("OrderBook").json()["emsg"]

    placed = ask("PlaceOrder", **ORDER).json()

    (row,) = ask("OrderBook").json()
    assert row["norenordno"] == placed["norenordno"]
    assert (row["status"], row["remarks"], row["prd"]) == ("OPEN", "O-1", "M")
    assert "fillshares" not in row
    assert all(isinstance(value, str) for value in row.values())


def test_life_of_an_order_is_told_newest_first(ask, simulator):
    number = ask("PlaceOrder", **ORDER).json()["norenordno"]
    simulator.set_price(Exchange.NFO, SYMBOL, "90")

    history = ask("SingleOrdHist", norenordno=number).json()

    assert [(row["status"], row["rpt"]) for row in history] == [
        ("COMPLETE", "Fill"),
        ("OPEN", "New"),
        ("PENDING", "PendingNew"),
        ("PENDING", "NewAck"),
    ]


def test_canceled_is_spelt_with_one_l(ask):
    number = ask("PlaceOrder", **ORDER).json()["norenordno"]

    assert ask("CancelOrder", norenordno=number).json()["result"] == number

    (row,) = ask("OrderBook").json()
    assert (row["status"], row["cancelqty"]) == ("CANCELED", "65")


def test_empty_price_breaks_it_as_the_real_one(ask):
    answer = ask("PlaceOrder", **{**ORDER, "prc": ""})

    assert (answer.status_code, answer.json()["stat"]) == (400, "Not_Ok")
    assert "basic_string" in answer.json()["emsg"]


def test_other_generations_path_answers_502_html(simulator):
    other = {"quickauth": "NorenWClientAPI", "oauth": "NorenWClientTP"}
    answer = httpx.post(f"{simulator.url}/{other[simulator.generation]}/OrderBook")

    assert answer.status_code == 502
    assert answer.text.startswith("<html>")


@only_quickauth
@pytest.mark.parametrize(
    ("field", "emsg"),
    [
        ("pwd", "Wrong Password"),
        ("factor2", "Invalid OTP"),
        ("vc", "Invalid Vendor code"),
        ("appkey", "Invalid App Key"),
    ],
)
def test_log_in_with_something_wrong_is_400(post, simulator, field, emsg):
    fields = {**quick_auth(simulator), field: "wrong"}

    answer = post("QuickAuth", f"jData={json.dumps(fields)}")

    assert answer.status_code == 400
    assert emsg in answer.json()["emsg"]


@only_oauth
def test_login_page_leads_to_the_code(simulator):
    answer = httpx.get(f"{simulator.login_url}?client_id=SIM0001_U")

    assert answer.status_code == 302
    assert "?code=" in answer.headers["location"]


def test_faults_prices_and_rules_are_ordered_over_http(simulator, ask):
    admin = f"{simulator.url}/_simulator"
    fault = {"kind": "refuse", "count": 2}
    assert httpx.post(f"{admin}/faults", json=fault).status_code == 200
    assert httpx.post(f"{admin}/faults", json={"kind": "x"}).status_code == 400
    price = {"exchange": "NFO", "tradingsymbol": SYMBOL, "price": "77"}
    assert httpx.post(f"{admin}/price", json=price).status_code == 200
    rules = {"market_orders": False}
    assert httpx.post(f"{admin}/rules", json=rules).status_code == 200

    (waiting,) = httpx.get(f"{admin}/state").json()["faults"]
    assert (waiting["kind"], waiting["count"]) == ("refuse", 2)
    assert simulator.account.last_price(Exchange.NFO, SYMBOL) == 77
    assert not simulator.account.rules.market_orders

    assert httpx.delete(f"{admin}/faults").status_code == 200
    assert httpx.get(f"{admin}/state").json()["faults"] == []
    ask("PlaceOrder", **ORDER)
    assert len(httpx.get(f"{admin}/orders").json()) == 1


def test_held_order_fills_when_the_faults_are_cleared(simulator, ask):
    simulator.add_fault("hold_orders")
    ask("PlaceOrder", **{**ORDER, "prc": "110"})
    assert ask("OrderBook").json()[0]["status"] == "OPEN"

    simulator.clear_faults()

    assert ask("OrderBook").json()[0]["status"] == "COMPLETE"
