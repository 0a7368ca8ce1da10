"""The shared list of conditions: what is in it, how urgent, and with what action."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shoonya_platform.assessment.assess import assess
from shoonya_platform.assessment.conditions import (
    KINDS,
    ConditionKind,
    Rules,
    Severity,
)
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.assessment.waiting import look_for_waiting
from shoonya_platform.config.settings import Broker, Recovery, Settings
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.discrepancies import (
    INCIDENTS,
    Discrepancy,
    DiscrepancyKind,
)
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Intent, OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.writer import InstrumentWriter
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import ServiceView, Supervisor
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_alert, store_order
from tests.masters import LISTS, zipped

C, D = ConditionKind, DiscrepancyKind


@pytest.fixture
def fresh(tmp_path, clock):
    """A store before any reconciliation."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db", service="tests", run_id="run-1", clock=clock
    )
    yield opened
    opened.close()


@pytest.fixture
def store(fresh):
    """A store that has just been compared with the broker."""
    with fresh.transaction(durable=False):
        fresh.recovery.begin(silent_seconds=15)
    record(fresh)
    return fresh


def note(store, kind, subject="X"):
    found = Discrepancy(
        kind=kind, subject=subject, text=f"{kind} of {subject}", action="look at it"
    )
    with store.transaction(durable=False):
        store.discrepancies.note(found)


def resolve(store, kind, subject="X"):
    with store.transaction(durable=False):
        store.discrepancies.resolve(kind, subject)


def acknowledge(store, number=1):
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(number, by="priya")


def view(service, state, cause=""):
    return ServiceView(
        service=service,
        state=ServiceStatus(state),
        pid=None,
        since=None,
        restarts=0,
        text="",
        cause=cause,
        memory_bytes=None,
        supervisor=Supervisor.MANAGER,
    )


def record(store, *, succeeded=True, summary="all well"):
    with store.transaction(durable=False):
        store.recovery.record(succeeded=succeeded, summary=summary, report="{}")


def after(seconds):
    return BEGIN + timedelta(seconds=seconds)


def test_nothing_to_report_is_an_empty_list(store):
    assert assess(store, BEGIN) == []


@pytest.mark.parametrize("kind", DiscrepancyKind)
def test_each_discrepancy_is_in_the_list_until_it_is_over_or_acknowledged(store, kind):
    note(store, kind)

    (found,) = assess(store, BEGIN)

    assert (found.kind, found.key, found.discrepancy_id) == (kind, f"{kind}:X", 1)
    assert (found.text, found.action) == (f"{kind} of X", "look at it")
    assert found.needs_acknowledgement is (kind in INCIDENTS)
    resolve(store, kind)
    left = assess(store, BEGIN)
    if kind not in INCIDENTS:
        assert left == []
        return
    (found,) = left
    assert found.severity is Severity.WARNING
    assert found.action == "shoonyactl discrepancy acknowledge 1"
    acknowledge(store)
    assert assess(store, BEGIN) == []


@pytest.mark.parametrize("kind", [D.POSITION_DIFFERS, D.LEG_OVERFILLED])
def test_acknowledging_hides_nothing_that_lasts(store, kind):
    note(store, kind)
    before = assess(store, BEGIN)[0].severity

    acknowledge(store)

    (found,) = assess(store, BEGIN)
    assert found.severity is before
    assert "acknowledged by priya" in found.text
    assert not found.needs_acknowledgement


def test_unknown_outcome_is_in_the_list_once_with_and_without_its_discrepancy(store):
    order = store_order(store, OrderStatus.OUTCOME_UNKNOWN)

    (found,) = assess(store, BEGIN)
    assert found.key == f"outcome_unknown:{order.client_order_id}"
    assert (found.order_id, found.severity) == (order.order_id, Severity.WARNING)
    assert assess(store, after(120))[0].severity is Severity.CRITICAL

    note(store, D.OUTCOME_UNKNOWN, order.client_order_id)
    (found,) = assess(store, BEGIN)
    assert found.discrepancy_id == 1
    assert assess(store, after(120))[0].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("state", "cause", "severity", "text", "action"),
    [
        ("failed", "exit code 1", "critical", "is failed (exit code 1)", "why"),
        ("failed", "given up: too many restarts", "critical", "given up", "why"),
        ("stopped", "", "critical", "is stopped", "start"),
        ("backoff", "killed", "warning", "is backoff (killed)", "why"),
        ("starting", "", "warning", "is starting", "why"),
    ],
)
def test_service_that_is_not_running_is_in_the_list(
    store, state, cause, severity, text, action
):
    services = [view("dashboard", state, cause), view("trading_bot", "running")]

    (found,) = assess(store, BEGIN, services=services)

    assert (found.key, found.severity) == ("service_down:dashboard", severity)
    assert text in found.text
    assert found.action == f"shoonyactl {action} dashboard"


@pytest.mark.parametrize(
    ("supervisor", "action"),
    [
        (Supervisor.SYSTEMD, "shoonyactl start dashboard"),
        (Supervisor.MANAGER, "shoonyactl start dashboard"),
        (Supervisor.HEARTBEAT, "shoonyactl up"),
        (Supervisor.NONE, "shoonyactl up"),
    ],
)
def test_stopped_service_is_started_by_what_can_start_it(store, supervisor, action):
    stopped = replace(view("dashboard", "stopped"), supervisor=supervisor)

    (found,) = assess(store, BEGIN, services=[stopped])

    assert found.action == action


def test_service_without_heartbeat_is_silent_unless_it_is_known_to_be_down(store):
    with store.transaction(durable=False):
        store.services.beat(pid=7, status="works", started_at=BEGIN)

    assert assess(store, after(59)) == []
    (found,) = assess(store, after(61), services=[view("tests", "running")])
    assert (found.key, found.severity) == ("service_silent:tests", "critical")
    (found,) = assess(store, after(61), services=[view("tests", "failed")])
    assert found.kind is C.SERVICE_DOWN

    with store.transaction(durable=False):
        store.services.end()
    assert assess(store, after(61)) == []


def test_slow_broker_is_in_the_list_until_a_heartbeat_without_slow_answers(store):
    def beat(seconds):
        with store.transaction(durable=False):
            store.services.beat(
                pid=7, status="works", started_at=BEGIN, slow_answer_seconds=seconds
            )

    beat(4.5)
    (found,) = assess(store, BEGIN)
    assert (found.key, found.severity) == ("broker_slow", "warning")
    assert "took 4.5 s within the last minute (tests)" in found.text
    (silent,) = assess(store, after(61))
    assert silent.kind is C.SERVICE_SILENT

    beat(0.0)
    assert assess(store, BEGIN) == []


def test_reconciliation_that_failed_is_old_or_is_awaited_is_in_the_list(fresh):
    store = fresh
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    (found,) = assess(store, BEGIN)
    assert (found.kind, found.severity) == (C.RECONCILIATION_AWAITED, "warning")
    assert assess(store, BEGIN, rules=Rules(entries_wait=False)) == []

    record(store, succeeded=False, summary="refused")
    first, second = assess(store, BEGIN)
    assert (first.kind, first.severity) == (C.RECONCILIATION_FAILED, "critical")
    assert "refused" in first.text
    assert second.kind is C.RECONCILIATION_AWAITED

    record(store)
    assert assess(store, after(179)) == []
    (found,) = assess(store, after(180))
    assert (found.kind, found.severity) == (C.RECONCILIATION_OLD, "warning")


@pytest.mark.parametrize(
    ("status", "waits_for"),
    [
        (OrderStatus.INITIALIZED, "risk_manager"),
        (OrderStatus.RISK_PASSED, "execution_guard"),
        (OrderStatus.GUARD_PASSED, "command_service"),
        (OrderStatus.SUBMITTED, "the broker's answer"),
        (OrderStatus.PENDING_REPLACE, "the broker's answer to new terms"),
        (OrderStatus.PENDING_CANCEL, "the broker's answer to a cancel"),
    ],
)
def test_orders_that_wait_too_long_are_one_condition_a_status(store, status, waits_for):
    oldest = store_order(store, status)
    store_order(store, status)

    assert assess(store, after(29.9)) == []
    (found,) = assess(store, after(30))
    assert (found.key, found.severity) == (f"orders_wait:{status}", "warning")
    assert found.order_id == oldest.order_id
    assert found.text.startswith(f"2 orders {status}, waiting for {waits_for}")
    assert assess(store, after(120))[0].severity is Severity.CRITICAL


def test_exit_that_waits_for_its_market_is_a_condition_of_its_own(store):
    order = store_order(store, OrderStatus.RISK_PASSED, intent=Intent.EXIT)
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=DiscrepancyKind.EXIT_WAITS,
                subject=order.client_order_id,
                text="waits",
                action="nothing",
                order_id=order.order_id,
            )
        )

    severities = {found.kind: found.severity for found in assess(store, after(3600))}
    assert severities[DiscrepancyKind.EXIT_WAITS] == "warning"
    assert C.ORDERS_WAIT not in severities
    assert look_for_waiting(store, after(3600)).number == 0

    other = store_order(store, OrderStatus.RISK_PASSED)
    found = next(c for c in assess(store, after(3600)) if c.kind is C.ORDERS_WAIT)
    assert found.order_id == other.order_id
    assert found.text.startswith("1 order risk_passed")


def test_alert_without_orders_waits_too_long(store):
    alert_id = store_alert(store)

    assert assess(store, after(29.9)) == []
    (found,) = assess(store, after(30))
    assert (found.key, found.severity) == ("alerts_wait", "warning")
    assert alert_id in found.text


@pytest.mark.parametrize("status", [OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED])
def test_order_that_works_for_long_is_in_the_list_if_wanted(store, status):
    order = store_order(store, status)
    rules = Rules(old_order_seconds=100)

    assert assess(store, after(100)) == []
    assert assess(store, after(99), rules=rules) == []
    (found,) = assess(store, after(100), rules=rules)
    assert (found.kind, found.severity) == (C.ORDERS_OLD, "warning")
    assert found.action == f"shoonyactl order cancel {order.order_id}"


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_trading_that_is_not_active_is_in_the_list(store, state):
    with store.transaction(durable=False):
        store.trading.set(state, reason="enough", by="priya")

    (found,) = assess(store, BEGIN)

    assert (found.kind, found.severity) == (C.TRADING_NOT_ACTIVE, "warning")
    assert found.text == f"trading is {state}: enough (by priya)"


def test_critical_ones_come_first_and_keys_differ(store):
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="enough", by="priya")
    note(store, D.ORDER_ADOPTED, "O1")
    note(store, D.POSITION_DIFFERS, "NFO:X NRML")
    note(store, D.POSITION_DIFFERS, "NFO:Y NRML")

    found = assess(store, BEGIN, services=[view("dashboard", "starting")])

    assert [each.severity for each in found] == ["critical"] * 2 + ["warning"] * 3
    assert len({each.key for each in found}) == len(found)


def test_each_kind_has_a_page_of_the_runbook(store):
    assert len(set(KINDS)) == len(DiscrepancyKind) + len(ConditionKind)
    note(store, D.POSITION_DIFFERS)
    assert assess(store, BEGIN)[0].runbook == "docs/runbook.md#positions-differ"


def test_rules_follow_the_configuration():
    rules = configured_rules(
        Settings(recovery=Recovery(interval_seconds=60, entries_wait=False))
    )

    assert rules.reconciliation_seconds == 360
    assert rules.old_order_seconds == 3600
    assert not rules.entries_wait


def test_what_waits_is_counted_with_the_age_of_its_oldest(store):
    store_alert(store)
    for status in OrderStatus:
        store_order(store, status)

    waiting = look_for_waiting(store, after(40))

    # An alert, three before the broker, four without its answer.
    assert waiting.number == 1 + 3 + 4
    assert waiting.oldest_seconds == 40


def test_nothing_is_younger_than_new(store):
    store_order(store, OrderStatus.INITIALIZED)

    assert look_for_waiting(store, BEGIN - timedelta(days=1)).oldest_seconds == 0
    assert assess(store, BEGIN - timedelta(days=1)) == []


# -- the broker's lists ---------------------------------------------------------


@pytest.fixture
def lists(tmp_path, clock):
    """What loads the lists, and the rules that go with them."""
    writer = InstrumentWriter(tmp_path / "instruments.db")
    answers: dict[Exchange, bytes | None] = {
        exchange: zipped(text) for exchange, text in LISTS.items()
    }

    def download(url):
        found = answers[Exchange(url.removeprefix("x/").partition("_")[0])]
        if found is None:
            raise BrokerUnavailable("HTTP 502")
        return found

    masters = MasterRefresh(writer, "x/", market_calendar(), clock, download=download)
    yield masters, answers, Rules(instruments_file=writer.path)
    writer.close()


def load_all(masters):
    for exchange in Exchange:
        masters.load(exchange)


def test_lists_of_today_need_no_attention(store, lists, clock):
    masters, _, rules = lists
    load_all(masters)

    assert assess(store, clock.now(), rules=rules) == []


def test_list_that_was_never_loaded_is_critical_with_exchange_and_reason(
    store, lists, clock
):
    masters, answers, rules = lists
    answers[Exchange.MCX] = None
    load_all(masters)

    (found,) = assess(store, clock.now(), rules=rules)

    assert (found.kind, found.severity) == (C.INSTRUMENTS_MISSING, "critical")
    assert "MCX" in found.text
    assert "HTTP 502" in found.text
    assert found.action == "shoonyactl instrument refresh"


@pytest.mark.parametrize("content", [None, b"no database"])
def test_without_the_file_all_lists_are_missing(store, lists, clock, content):
    _, _, rules = lists
    if content is not None:
        rules.instruments_file.write_bytes(content)

    (found,) = assess(store, clock.now(), rules=rules)

    assert found.kind == C.INSTRUMENTS_MISSING


def test_list_of_yesterday_is_a_warning_after_a_while(store, lists, clock):
    masters, answers, rules = lists
    load_all(masters)
    # The next morning, 8:29 and 8:31 in India.
    clock.advance((22 * 60 + 29) * 60)
    record(store)
    assert assess(store, clock.now(), rules=rules) == []
    clock.advance(120)
    answers[Exchange.NFO] = None
    load_all(masters)

    (found,) = assess(store, clock.now(), rules=rules)

    assert (found.kind, found.severity) == (C.INSTRUMENTS_OLD, "warning")
    assert "NFO: HTTP 502" in found.text
    assert "MCX" not in found.text


def test_old_list_that_is_used_is_a_warning(store, lists, clock):
    masters, answers, rules = lists
    answers[Exchange.BSE] = zipped(LISTS[Exchange.BSE], date(2026, 10, 1))
    load_all(masters)

    (found,) = assess(store, clock.now(), rules=rules)

    assert found.kind == C.INSTRUMENTS_OLD
    assert "made on 2026-10-01" in found.text


@pytest.mark.parametrize(("name", "has_lists"), [("paper", False), ("shoonya", True)])
def test_only_the_real_broker_has_lists(name, has_lists):
    rules = configured_rules(Settings(broker=Broker(name=name)))

    assert (rules.instruments_file is not None) is has_lists


@pytest.mark.parametrize(
    ("hours", "severity"), [(0, Severity.CRITICAL), (15, Severity.WARNING)]
)
def test_login_is_urgent_while_an_exchange_is_open(store, hours, severity):
    note(store, DiscrepancyKind.LOGIN_NEEDED, "shoonya")
    rules = Rules(calendar=market_calendar(), reconciliation_seconds=1e9)

    (found,) = assess(store, after(hours * 3600), rules=rules)

    assert (found.kind, found.severity) == (DiscrepancyKind.LOGIN_NEEDED, severity)
