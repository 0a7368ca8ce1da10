"""The websocket as the SDKs use it: prices, depth, order messages."""

from __future__ import annotations

import pytest

from shoonya_platform.testing.waiting import eventually
from tests.sdks.conftest import Sdk

pytestmark = pytest.mark.sdks

SBIN = "NSE|3045"


@pytest.fixture
def feed(sdk: Sdk) -> Sdk:
    """The SDK with an open websocket."""
    sdk.call("start_websocket")
    # 0.0.37 takes only the answer of the generation before it for an opened socket.
    if sdk.release.version != "0.0.37":
        sdk.wait_for(is_of("opened"))
    sdk.call("subscribe_orders")
    return sdk


def is_of(kind: str):
    return lambda frame: frame["t"] == kind


def test_touchline_begins_with_a_snapshot_and_ends_with_unsubscribing(feed):
    feed.call("subscribe", [SBIN, "NSE|26000"])

    share = feed.wait_for(lambda f: f["t"] == "tk" and f["tk"] == "3045")
    index = feed.wait_for(lambda f: f["t"] == "tk" and f["tk"] == "26000")
    assert (share["ts"], share["lp"], share["bp1"]) == ("SBIN-EQ", "800.00", "799.90")
    assert (index["ts"], index["lp"]) == ("NIFTY INDEX", "25950.00")
    assert "bp2" not in share

    feed.simulator.set_price("NSE", "SBIN-EQ", "801")
    assert feed.wait_for(is_of("tf"))["lp"] == "801.00"

    feed.call("unsubscribe", [SBIN])
    feed.call("subscribe", "NSE|1594")
    feed.wait_for(lambda f: f["t"] == "tk" and f["tk"] == "1594")
    feed.simulator.set_price("NSE", "SBIN-EQ", "802")
    feed.simulator.set_price("NSE", "INFY-EQ", "1500")
    feed.wait_for(lambda f: f["t"] == "tf" and f["tk"] == "1594")
    assert "3045" not in {frame.get("tk") for frame in feed.seen()}


def test_depth_is_a_subscription_of_its_own(feed):
    feed.call("subscribe", SBIN, 2)
    depth = feed.wait_for(is_of("dk"))
    assert (depth["bp5"], depth["sp5"], depth["bo1"]) == ("799.50", "800.50", "2")
    assert {"tbq", "tsq", "uc", "lc", "52h", "ltq"} <= depth.keys()
    feed.call("subscribe", SBIN)
    feed.wait_for(is_of("tk"))

    feed.call("unsubscribe", SBIN)
    # The answer to one frame comes after what the frames before it have done.
    feed.call("subscribe", "NSE|1594", 2)
    feed.wait_for(lambda f: f["t"] == "dk" and f["tk"] == "1594")
    feed.simulator.set_price("NSE", "SBIN-EQ", "801")

    changed = feed.wait_for(is_of("df"))
    assert (changed["lp"], changed["sp5"]) == ("801.00", "801.50")
    assert "tf" not in {frame["t"] for frame in feed.seen()}


def test_order_messages_are_told_step_by_step(feed):
    number = feed.order()["norenordno"]
    feed.call("cancel_order", number)

    last = feed.wait_for(lambda f: f.get("reporttype") == "Canceled")

    assert (last["norenordno"], last["status"]) == (number, "CANCELED")
    assert last["remarks"] == "sdk"
    reports = [frame.get("reporttype") for frame in feed.seen()]
    assert [each for each in reports if each] == [
        *("NewAck", "PendingNew", "New", "PendingCancel"),
    ]


def test_currency_has_four_digits(feed):
    scrip = feed.simulator.account.scrips.search("CDS", "USDINR XX")[0]
    feed.call("subscribe", f"CDS|{scrip.token}")

    frame = feed.wait_for(is_of("tk"))

    assert (frame["lp"], frame["pp"]) == ("88.7525", "4")


def test_websocket_that_is_closed_is_forgotten(feed):
    feed.call("close_websocket")

    feed.wait_for(is_of("closed"))
    eventually(lambda: not feed.simulator.hub.connections())


def test_logging_out_closes_the_websocket(feed):
    feed.call("subscribe", SBIN)
    feed.wait_for(is_of("tk"))

    feed.call("logout")

    feed.wait_for(is_of("closed"))
    eventually(lambda: not feed.simulator.hub.connections())
