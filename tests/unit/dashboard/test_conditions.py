"""What needs attention, on the page, in JSON and as figures; and acknowledging it."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from shoonya_platform.assessment.assess import assess
from shoonya_platform.assessment.conditions import KINDS, Severity
from shoonya_platform.dashboard.passwords import hash_password
from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import OrderId, OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.testing.orders import store_order
from tests.unit.dashboard.test_login import PASSWORD, log_in, token_of
from tests.unit.dashboard.test_metrics import reconcile, value

K = DiscrepancyKind


@pytest.fixture
def locked(open_client):
    client = open_client(password_hash=hash_password(PASSWORD))
    log_in(client)
    return client


@pytest.fixture
def overfilled(store):
    """An incident that is over, and waits for a person."""
    note(store, K.LEG_OVERFILLED, "<b>O1</b>")
    with store.transaction(durable=False):
        store.discrepancies.resolve(K.LEG_OVERFILLED, "<b>O1</b>")


def note(store, kind, subject="NFO:X NRML", order_id=None):
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=kind,
                subject=subject,
                text=f"we hold -65 of {subject}, the broker says -130",
                action="shoonyactl risk reduce",
                order_id=order_id,
            )
        )


def acknowledge(client, number=1, **form):
    return client.post(
        f"/discrepancies/{number}/acknowledge", data=form, follow_redirects=False
    )


def test_page_has_each_condition_with_its_action_above_the_services(client, store):
    store_order(store, OrderStatus.ACCEPTED)
    note(store, K.LEG_OVERFILLED, order_id=OrderId(1))
    note(store, K.POSITION_DIFFERS)

    html = client.get("/").text

    assert "2 conditions need attention" in html
    assert html.index("2 conditions need") < html.index('id="services-title"')
    assert "we hold -65 of NFO:X NRML, the broker says -130" in html
    assert html.count("shoonyactl risk reduce") == 2
    assert 'href="/orders/1"' in html
    # Without a password nothing can be changed here.
    assert "/acknowledge" not in html


def test_nothing_to_attend_to_takes_no_room(client, store):
    assert client.get("/fragments/conditions").text.strip() == ""


def test_dead_service_is_shown_without_the_store_too(client, store, views):
    views[2] = replace(views[2], state=ServiceStatus.FAILED, cause="given up")
    store.close()

    answer = client.get("/fragments/conditions")

    assert answer.status_code == 200
    assert f"{views[2].service} is failed (given up)" in answer.text
    assert client.get("/api/conditions").status_code == 503


def test_page_json_and_figures_show_the_same_list(client, store, views, clock):
    views[2] = replace(views[2], state=ServiceStatus.BACKOFF)
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="enough", by="priya")
    for kind in K:
        note(store, kind)

    listed = client.get("/api/conditions").json()["conditions"]
    page = client.get("/fragments/conditions").text

    expected = assess(store, clock.now(), services=views)
    # The page's own rules: entries do not wait in these tests.
    keys = [each.key for each in expected if each.kind != "reconciliation_awaited"]
    assert [each["key"] for each in listed] == keys
    assert len(keys) == len(K) + 2
    for each in listed:
        assert each["text"] in page
        assert each["runbook"].startswith("docs/runbook.md#")
    for severity in Severity:
        number = sum(each["severity"] == severity for each in listed)
        figures = sum(
            value(client, "conditions", kind=kind, severity=severity) for kind in KINDS
        )
        assert figures == number
    for kind in K:
        assert value(client, "discrepancies", kind=kind) == 1


def test_failed_reconciliation_is_a_condition(client, ledger):
    reconcile(ledger, succeeded=False)

    (found,) = client.get("/api/conditions").json()["conditions"]

    assert (found["kind"], found["severity"]) == ("reconciliation_failed", "critical")


def test_discrepancies_are_listed_until_they_are_over(client, store, overfilled):
    note(store, K.ORDER_MISSING)

    incident, condition = client.get("/api/discrepancies").json()["discrepancies"]

    assert (incident["kind"], incident["is_incident"]) == ("leg_overfilled", True)
    assert incident["resolved_at"] == "2026-02-09T09:00:00+00:00"
    assert (condition["is_incident"], condition["resolved_at"]) == (False, None)


def test_incident_is_acknowledged_and_that_is_recorded(
    locked, store, overfilled, caplog
):
    assert "/discrepancies/1/acknowledge" in locked.get("/").text
    asked = locked.get("/discrepancies/1/acknowledge").text
    assert "&lt;b&gt;O1&lt;/b&gt;" in asked
    assert store.discrepancies.open()

    with caplog.at_level(logging.INFO):
        answer = acknowledge(locked, csrf_token=token_of(asked))

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert store.discrepancies.open() == []
    assert store.discrepancies.get(1).acknowledged_by == "operator"
    (record,) = [
        r
        for r in caplog.records
        if getattr(r, "event", "") == "discrepancy_acknowledged"
    ]
    assert (record.user, record.client, record.changed) == (
        "operator",
        "testclient",
        True,
    )
    assert "Acknowledged by operator" in locked.get("/discrepancies/1/acknowledge").text


def test_first_name_stays_where_it_is_acknowledged_twice(locked, store, overfilled):
    token = token_of(locked.get("/discrepancies/1/acknowledge").text)
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(1, by="priya")

    assert acknowledge(locked, csrf_token=token).status_code == 303
    assert store.discrepancies.get(1).acknowledged_by == "priya"


@pytest.mark.parametrize("token", ["", "x", "é"])
def test_form_without_the_sessions_token_acknowledges_nothing(
    locked, store, overfilled, token
):
    assert acknowledge(locked, csrf_token=token).status_code == 400
    assert store.discrepancies.open()


def test_form_from_another_site_acknowledges_nothing(locked, store, overfilled):
    token = token_of(locked.get("/discrepancies/1/acknowledge").text)

    answer = locked.post(
        "/discrepancies/1/acknowledge",
        data={"csrf_token": token},
        headers={"Origin": "https://evil.example"},
    )

    assert answer.status_code == 400
    assert store.discrepancies.open()


def test_without_a_password_nothing_is_acknowledged(client, store, overfilled):
    assert client.get("/discrepancies/1/acknowledge").status_code == 400
    assert acknowledge(client).status_code == 400
    assert store.discrepancies.open()


@pytest.mark.parametrize(("number", "status"), [("9", 404), ("x", 400), ("0", 400)])
def test_unknown_number_is_refused(locked, number, status):
    answer = locked.get(f"/discrepancies/{number}/acknowledge")

    assert answer.status_code == status
