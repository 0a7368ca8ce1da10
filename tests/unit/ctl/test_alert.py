"""shoonyactl alert: list, template and check, over a store and the paper broker."""

import json

import pytest

from shoonya_platform.domain.alert_form import decode, parse
from shoonya_platform.domain.orders import Intent
from shoonya_platform.domain.refused_alerts import RefusedAlert
from shoonya_platform.errors import AlertRefused, Denied, NothingFilled
from shoonya_platform.testing.orders import a_leg, alert_body, store_alert

ENTRY = {
    "ticker": "NIFTY1!",
    "exchange": "NSE",
    "action": "buy",
    "contracts": "65",
    "close": "26000",
}


def refuse(store, clock, body='{"stoploss": 5}'):
    refused = RefusedAlert(
        code="KEY_UNKNOWN",
        reason="stoploss: there is no such key",
        hint="",
        http_status=400,
        client="203.0.113.7",
        body=body,
    )
    with store.transaction(durable=False):
        store.refusals.add(refused, at=clock.now())


def test_list_shows_alerts_and_refused_ones_apart(ctl, store, clock):
    alert_id = store_alert(store)
    refuse(store, clock)

    (alert,) = ctl("alert", "list", "--json").document
    (refused,) = ctl("alert", "list", "--refused", "--json").document

    assert alert["alert_id"] == alert_id
    assert refused["code"] == "KEY_UNKNOWN"
    assert refused["body"] == '{"stoploss": 5}'
    assert refused["times"] == 1
    assert "KEY_UNKNOWN" in ctl("alert", "list", "--refused").out
    assert alert_id in ctl("alert", "list").out


def test_list_shows_no_body_of_a_stranger(ctl, store, clock):
    refuse(store, clock, body=None)

    (refused,) = ctl("alert", "list", "--refused", "--json").document

    assert refused["body"] is None


@pytest.mark.parametrize(
    ("options", "intent"),
    [
        (["--action", "buy", "--quantity", "65"], Intent.ENTRY),
        (["--action", "exit", "--product", "MIS"], Intent.EXIT),
    ],
)
def test_template_of_an_indicator_is_an_alert(ctl, options, intent):
    printed = ctl("alert", "template", "--no-secret", "--strategy", "mine", *options)

    filled = printed.out.replace("{{ticker}}", "NIFTY1!")
    filled = filled.replace("{{exchange}}", "NSE").replace("{{close}}", "26000")
    filled = filled.replace("{{timenow}}", "2026-11-25T04:30:00Z")
    alert = parse(decode(filled.encode()))
    assert (alert.strategy, alert.intent) == ("mine", intent)


def test_template_needs_a_quantity_for_what_is_bought(ctl):
    assert ctl("alert", "template", "--action", "buy").code == 2


@pytest.fixture
def reconciled(store):
    """The broker's books were read since the start."""
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
        store.recovery.record(succeeded=True, summary="", report="{}")
    return store


def test_check_before_the_first_reconciliation_says_what_entries_wait_for(ctl, store):
    checked = ctl("alert", "check", "-", "--json", stdin=json.dumps(ENTRY))

    assert checked.document["verdict"] == "waits"
    assert "books" in checked.document["reason"]
    assert store.alerts.recent(limit=1) == []


def test_check_shows_what_would_be_sent_and_does_nothing(ctl, reconciled):
    store = reconciled
    checked = ctl("alert", "check", "-", "--json", stdin=json.dumps(ENTRY))

    assert checked.code == 0
    document = checked.document
    assert document["verdict"] == "would be sent"
    (order,) = document["orders"]
    assert order["received"] == "NSE:NIFTY1!"
    assert (order["exchange"], order["side"], order["quantity"]) == ("NFO", "BUY", 65)
    assert order["tradingsymbol"].startswith("NIFTY")
    assert (order["product"], order["status"]) == ("NRML", "passed")
    assert document["margin_required"] is not None
    assert store.alerts.recent(limit=1) == []
    assert store.orders.recent(limit=1) == []


@pytest.mark.parametrize(
    ("alert", "code", "verdict"),
    [
        pytest.param(
            ENTRY | {"stoploss": 5}, AlertRefused.exit_code, "refused", id="refused"
        ),
        pytest.param(
            ENTRY | {"ticker": "NIFTY"}, AlertRefused.exit_code, "refused", id="unknown"
        ),
        pytest.param(
            ENTRY | {"contracts": "66"}, Denied.exit_code, "denied", id="no lot"
        ),
        pytest.param(
            alert_body(a_leg(), execution_type="exit"),
            NothingFilled.exit_code,
            "nothing to do",
            id="flat",
        ),
    ],
)
def test_check_ends_with_what_would_become_of_it(ctl, reconciled, alert, code, verdict):
    checked = ctl("alert", "check", "-", "--json", stdin=json.dumps(alert))

    assert checked.code == code
    assert checked.document["verdict"] == verdict
    assert ctl("alert", "check", "-", stdin=json.dumps(alert)).code == code
