"""shoonyactl check: one line and a plugin's exit code, whatever happens."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import check
from shoonya_platform.ctl._probing import (
    Facts,
    Limits,
    Result,
    Waiting,
    figures,
    findings,
    line,
    look_for_waiting,
    result_of,
    summary,
)
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import ServiceView, Supervisor
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_alert, store_order

#: A plugin's line: text without a bar, then figures that a program can take apart.
LINE = re.compile(
    r"SHOONYA (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+"
    r"(\| (\w+=[\d.]+[a-z]?(;[\d.]*){0,4} ?)+)?\n"
)
LIMITS = Limits(warn_age=30, crit_age=120)
states = st.sampled_from(ServiceStatus)


def view(service, state="running", **changes):
    return ServiceView(
        **{
            "service": service,
            "state": ServiceStatus(state),
            "pid": 1,
            "since": None,
            "restarts": 0,
            "text": "",
            "cause": "",
            "memory_bytes": None,
            "supervisor": Supervisor.MANAGER,
            **changes,
        }
    )


def facts(*, age=0.0, number=0, trading=TradingState.ACTIVE, others=(), **changes):
    return Facts(
        **{
            "services": [*others, *(view(name) for name in COMPONENTS[len(others) :])],
            "waiting": Waiting(number=number, oldest_seconds=age),
            "trading": trading,
            **changes,
        }
    )


@pytest.fixture
def reconciled(store):
    """The store of a platform that has compared itself with its broker."""
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=1)
        store.recovery.record(succeeded=True, summary="", report="{}")
    return store


@pytest.fixture
def eight(monkeypatch):
    """The eight run, as far as the probe can see."""
    services = [view(name) for name in COMPONENTS]
    monkeypatch.setattr(check, "read_services", lambda *_, **__: services)
    return services


# -- the verdict ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "result", "text"),
    [
        pytest.param(facts(), Result.OK, "", id="all-well"),
        pytest.param(
            facts(others=[view("dashboard", "failed", cause="exit code 1")]),
            Result.CRITICAL,
            "dashboard is failed (exit code 1)",
            id="failed",
        ),
        pytest.param(
            facts(others=[view("dashboard", "stopped")]),
            Result.CRITICAL,
            "dashboard is stopped",
            id="stopped",
        ),
        pytest.param(
            facts(others=[view("dashboard", "backoff")]),
            Result.WARNING,
            "dashboard is backoff",
            id="backoff",
        ),
        pytest.param(
            facts(trading=TradingState.HALTED),
            Result.WARNING,
            "trading is HALTED",
            id="halted",
        ),
        pytest.param(
            facts(awaits_reconciliation=True),
            Result.WARNING,
            "entries wait for the first reconciliation",
            id="reconciliation",
        ),
        pytest.param(facts(number=1, age=29.9), Result.OK, "", id="young"),
        pytest.param(
            facts(number=1, age=30.0),
            Result.WARNING,
            "something has waited for 30 s",
            id="old",
        ),
        pytest.param(
            facts(number=1, age=120.0),
            Result.CRITICAL,
            "something has waited for 120 s",
            id="too-old",
        ),
        pytest.param(
            facts(waiting=None, trading=None, trouble="locked"),
            Result.UNKNOWN,
            "locked",
            id="store",
        ),
    ],
)
def test_each_trouble_has_its_result_and_its_words(found, result, text):
    told = findings(found, LIMITS)

    assert result_of(told) is result
    assert (told[0].text if told else "") == text


def test_what_is_broken_counts_for_more_than_what_nobody_knows():
    found = facts(
        others=[view("dashboard", "starting"), view("trading_bot", "failed")],
        waiting=None,
        trouble="locked",
    )

    assert [each.result for each in findings(found, LIMITS)] == [
        Result.CRITICAL,
        Result.UNKNOWN,
        Result.WARNING,
    ]


@given(
    services=st.lists(states, min_size=1, max_size=8),
    age=st.floats(0, 1e9),
    number=st.integers(0, 10**6),
    cause=st.text(max_size=40),
    trading=st.none() | st.sampled_from(TradingState),
)
def test_it_is_one_line_in_a_plugins_form_and_ok_only_if_all_runs(
    services, age, number, cause, trading
):
    found = facts(
        services=[
            view(f"s{n}", state, cause=cause) for n, state in enumerate(services)
        ],
        number=number,
        age=age,
        trading=trading,
    )
    told = findings(found, LIMITS)
    text = "; ".join([*(each.text for each in told), summary(found)])

    assert LINE.fullmatch(line(result_of(told), text, figures(found, LIMITS)) + "\n")
    if result_of(told) is Result.OK:
        assert set(services) == {ServiceStatus.RUNNING}
        assert age < LIMITS.warn_age


def test_what_waits_is_counted_with_the_age_of_its_oldest(store):
    store_alert(store)
    for status in OrderStatus:
        store_order(store, status)

    waiting = look_for_waiting(store, BEGIN + timedelta(seconds=40))

    # An alert, three before the broker, four without its answer.
    assert waiting.number == 1 + 3 + 4
    assert waiting.oldest_seconds == 40


def test_nothing_is_younger_than_new(store):
    store_order(store, OrderStatus.INITIALIZED)

    assert look_for_waiting(store, BEGIN - timedelta(days=1)).oldest_seconds == 0


# -- the command ---------------------------------------------------------------


def test_all_well_is_0_and_the_line_says_so(ctl, reconciled, eight):
    result = ctl("check")

    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "SHOONYA OK - 8 of 8 running, trading ACTIVE, nothing waits"
        " | running=8;;;0;8 restarts=0;;;0 waiting=0;;;0 oldest=0s;30;120;0\n"
    )


def test_limits_are_given_by_options(ctl, reconciled, clock, eight):
    store_order(reconciled, OrderStatus.INITIALIZED)
    clock.advance(3600)

    assert ctl("check").code == 2
    assert ctl("check", "--warn-age", "9999", "--crit-age", "9999").code == 0
    result = ctl("check", "--warn-age", "1", "--crit-age", "9999")
    assert result.code == 1
    assert ";1;9999;0" in result.out


def test_failed_service_is_2_and_named_first(ctl, reconciled, eight):
    eight[3] = view("execution_guard", "failed", cause="killed|by SIGKILL")

    result = ctl("check")

    assert result.code == 2
    assert result.out.startswith(
        "SHOONYA CRITICAL - execution_guard is failed (killed/by SIGKILL); "
        "7 of 8 running, "
    )


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize(
    "trouble",
    ["nothing", "configuration", "store", "store-beside-services", "bug", "option"],
)
def test_what_cannot_be_read_is_3_on_one_line(
    ctl, home, monkeypatch, request, trouble, form
):
    arguments = []
    if trouble == "configuration":
        (home / "shoonya.toml").write_text("[webhook]\nport = 'x'\n")
    elif trouble.startswith("store"):
        (home / "state" / "orders.db").write_bytes(b"no database" * 100)
    elif trouble == "bug":
        monkeypatch.setattr(check, "_facts", lambda _: 1 / 0)
    elif trouble == "option":
        arguments = ["--loud"]
    if trouble == "store-beside-services":
        request.getfixturevalue("eight")
    else:
        nobody = [
            view(name, "stopped", supervisor=Supervisor.NONE) for name in COMPONENTS
        ]
        monkeypatch.setattr(check, "read_services", lambda *_, **__: nobody)

    result = ctl("check", *arguments, *form)

    assert (result.code, result.err) == (3, "")
    if form and trouble != "option":
        assert result.document["result"] == "UNKNOWN"
        assert result.document["problems"]
    else:
        assert LINE.fullmatch(result.out)
        assert result.out.startswith("SHOONYA UNKNOWN - ")


def test_json_has_each_service_with_its_state(ctl, reconciled, eight):
    eight[0] = view("recovery_service", "backoff")

    document = ctl("check", "--json").document

    assert document["result"] == "WARNING"
    assert document["problems"] == ["recovery_service is backoff"]
    assert document["services"]["recovery_service"] == "backoff"
    assert set(document["services"]) == set(COMPONENTS)
    assert (document["trading"], document["waiting"]) == ("ACTIVE", 0)
