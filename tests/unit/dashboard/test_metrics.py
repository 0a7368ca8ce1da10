"""`/metrics`: what Prometheus reads, and what the shipped rules ask for."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shoonya_platform.assessment.conditions import KINDS
from shoonya_platform.dashboard.meter import EventMeter
from shoonya_platform.domain.orders import OrderTrigger
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from tests.unit.dashboard.test_log import write

MONITORING = Path(__file__).parents[3] / "monitoring"
#: Names as rules write them.
NAME = re.compile(r"\bshoonya_[a-z_]+")


def samples(client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(client, name: str, **labels: str) -> float:
    return samples(client)[f"shoonya_{name}", frozenset(labels.items())]


def test_services_and_their_restarts(client, views):
    views[0] = replace(views[0], state=ServiceStatus.BACKOFF, restarts=2)
    name = views[0].service

    assert value(client, "service_up", service=name) == 0
    assert value(client, "service_up", service=views[1].service) == 1
    assert value(client, "service_state", service=name, state="backoff") == 1
    assert value(client, "service_restarts", service=name) == 2
    assert value(client, "service_memory_bytes", service=name) == 15 << 20


def test_counters_count_from_the_first_look_on(client, ledger):
    ledger.filled(ledger.order(), "100")
    samples(client)

    ledger.filled(ledger.order(), "100")
    ledger.move("risk_manager", ledger.order(), OrderTrigger.DENIED, reason="X: a=1")

    accepted = {"service": "command_service", "event": "accepted"}
    assert value(client, "order_events_total", **accepted) == 1
    assert value(client, "hop_seconds_count", **accepted) == 1
    assert value(client, "hop_seconds_bucket", **accepted, le="+Inf") == 1
    assert value(client, "hop_seconds_bucket", **accepted, le="0.1") == 1
    assert value(client, "orders", status="filled") == 2


def test_denials_are_counted_by_code(store, ledger):
    meter = EventMeter()
    meter.read(store)
    for _ in range(3):
        order = ledger.order()
        with ledger.store("risk_manager").transaction(durable=False):
            ledger.store("risk_manager").orders.record(
                order,
                OrderTrigger.DENIED,
                text="DAILY_LOSS_LIMIT: daily_pnl=-1",
                reason="DAILY_LOSS_LIMIT: daily_pnl=-1",
            )
    meter.read(store)

    assert meter.denials == {"DAILY_LOSS_LIMIT": 3}


def test_what_waits_has_a_depth_and_an_age(client, ledger, clock):
    ledger.order()
    clock.advance(7)

    assert value(client, "queue_depth", service="risk_manager") == 1
    assert value(client, "queue_age_seconds", service="risk_manager") >= 7
    assert value(client, "queue_age_seconds", service="execution_guard") == 0


def test_trading_state_and_money(client, store):
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="x", by="y")

    assert value(client, "trading_state", state="HALTED") == 1
    assert value(client, "trading_state", state="ACTIVE") == 0
    assert value(client, "pnl_rupees", kind="unrealised") == 0


def reconcile(ledger, *, succeeded: bool) -> None:
    store = ledger.store("recovery_service")
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=10)
        store.recovery.record(succeeded=succeeded, summary="", report="{}")


def test_broker_that_cannot_be_read_is_told(client, ledger, clock):
    name = ("shoonya_reconciliation_succeeded", frozenset[tuple[str, str]]())
    assert name not in samples(client)

    for succeeded in (False, True, False):
        clock.advance(30)
        reconcile(ledger, succeeded=succeeded)
        assert samples(client)[name] == succeeded


def test_log_is_counted_and_what_it_lacks(client, tmp_path):
    write(tmp_path, "risk_manager", 1, "before")
    samples(client)
    write(tmp_path, "risk_manager", 2, "broke", more="    | Traceback\n")
    told = " event=journal_gap lost=37"
    write(tmp_path, "risk_manager", 3, "37 records lost", fields=told)

    component = {"component": "risk_manager"}
    assert value(client, "log_records_total", **component) == 2
    assert value(client, "log_lost_records_total", **component, copy="journal") == 37
    assert value(client, "log_disk_bytes", **component) > 0
    assert value(client, "log_budget_bytes") == 700 << 20


@pytest.mark.parametrize("name", ["alerts.yml", "grafana.json"])
def test_shipped_files_ask_for_metrics_that_there_are(client, ledger, tmp_path, name):
    samples(client)
    ledger.filled(ledger.order(), "100")
    order = ledger.order()
    ledger.move("risk_manager", order, OrderTrigger.DENIED, reason="X")
    reconcile(ledger, succeeded=True)
    write(tmp_path, "risk_manager", 1, "x", fields=" event=file_gap lost=1")
    known = {metric for metric, _ in samples(client)}

    asked = set(NAME.findall((MONITORING / name).read_text()))

    assert asked
    assert asked <= known


def test_each_kind_of_condition_has_a_rule():
    text = (MONITORING / "alerts.yml").read_text()
    kinds = re.findall(r'shoonya_conditions\{kind=~?"([a-z_|]+)"', text)
    named = set("|".join(kinds).split("|"))

    # A service has a rule that names it.
    assert "shoonya_service_up == 0" in text
    assert named | {"service_down"} == {str(kind) for kind in KINDS}


def test_grafanas_file_is_a_dashboard():
    document = json.loads((MONITORING / "grafana.json").read_text())

    assert document["uid"] == "shoonya"
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids)) > 10


@pytest.mark.parametrize(
    ("group", "status"),
    [("", 200), ("/all", 200), ("/webhook", 200), ("/orders", 200), ("/none", 404)],
)
def test_ready(client, group, status):
    assert client.get(f"/ready{group}").status_code == status


def test_group_that_is_not_ready_names_who_is_not(client, views):
    views[:] = [
        replace(view, state=ServiceStatus.FAILED)
        if view.service == "risk_manager"
        else view
        for view in views
    ]

    answer = client.get("/ready/orders")

    assert answer.status_code == 503
    assert answer.json()["not_ready"] == {"risk_manager": "failed"}
    assert client.get("/ready/webhook").status_code == 200
