"""shoonyactl check: one line and a plugin's exit code, whatever happens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.assessment.assess import services_down
from shoonya_platform.assessment.conditions import (
    Condition,
    ConditionKind,
    Rules,
    Severity,
    ordered,
)
from shoonya_platform.assessment.waiting import Waiting
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl import check
from shoonya_platform.ctl._probing import Facts, Result, figures, line, text_of
from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import ServiceView, Supervisor
from shoonya_platform.testing.orders import store_order

#: A plugin's line: text without a bar, then figures that a program can take apart.
LINE = re.compile(
    r"SHOONYA (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+"
    r"(\| (\w+=[\d.]+[a-z]?(;[\d.]*){0,4} ?)+)?\n"
)
RULES = Rules()
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


def condition(severity="critical", text="it differs"):
    return Condition(
        kind=ConditionKind.ORDERS_WAIT,
        severity=Severity(severity),
        text=text,
        action="look",
    )


def facts(*conditions, age=0.0, number=0, services=None, trouble=""):
    services = services or [view(name) for name in COMPONENTS]
    return Facts(
        services=services,
        conditions=ordered([*services_down(services), *conditions]),
        waiting=None if trouble else Waiting(number=number, oldest_seconds=age),
        trading=None if trouble else TradingState.ACTIVE,
        trouble=trouble,
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
    ("found", "result", "problems"),
    [
        pytest.param(facts(), Result.OK, [], id="all-well"),
        pytest.param(facts(condition()), Result.CRITICAL, ["it differs"], id="bad"),
        pytest.param(
            facts(condition("warning")), Result.WARNING, ["it differs"], id="mild"
        ),
        pytest.param(facts(trouble="locked"), Result.UNKNOWN, ["locked"], id="store"),
        pytest.param(
            facts(
                services=[view("dashboard", "starting"), view("trading_bot", "failed")],
                trouble="locked",
            ),
            Result.CRITICAL,
            ["trading_bot is failed", "locked", "dashboard is starting"],
            id="certain-before-unknown-before-mild",
        ),
    ],
)
def test_the_worst_decides_and_comes_first(found, result, problems):
    assert found.result is result
    assert found.problems == problems


def test_line_names_the_first_problems_and_counts_the_others():
    found = facts(*(condition(text=f"problem {number}") for number in range(12)))

    text = text_of(found)

    assert text.startswith("problem 0; problem 1; ")
    assert "problem 5" not in text
    assert "; and 7 more: shoonyactl status; 8 of 8 running" in text


@given(
    services=st.lists(states, min_size=1, max_size=8),
    age=st.floats(0, 1e9),
    number=st.integers(0, 10**6),
    cause=st.text(max_size=40),
    trouble=st.just("") | st.text(max_size=40),
)
def test_it_is_one_line_in_a_plugins_form_and_ok_only_if_all_runs(
    services, age, number, cause, trouble
):
    found = facts(
        services=[
            view(f"s{n}", state, cause=cause) for n, state in enumerate(services)
        ],
        number=number,
        age=age,
        trouble=trouble,
    )

    shown = line(found.result, text_of(found), figures(found, RULES)) + "\n"

    assert LINE.fullmatch(shown)
    if found.result is Result.OK:
        assert set(services) == {ServiceStatus.RUNNING}
        assert not trouble


# -- the command ---------------------------------------------------------------


def test_all_well_is_0_and_the_line_says_so(ctl, reconciled, eight):
    result = ctl("check")

    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "SHOONYA OK - 8 of 8 running, trading ACTIVE, nothing waits"
        " | running=8;;;0;8 restarts=0;;;0 waiting=0;;;0 oldest=0s;30;120;0"
        " discrepancies=0;;;0\n"
    )


def test_limits_are_given_by_options(ctl, reconciled, clock, eight):
    store_order(reconciled, OrderStatus.INITIALIZED)
    clock.advance(3600)
    with reconciled.transaction(durable=False):
        reconciled.recovery.record(succeeded=True, summary="", report="{}")

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
    [
        *("nothing", "configuration", "store", "store-beside-services", "bug"),
        *("option", "value", "ages"),
    ],
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
        monkeypatch.setattr(check, "_facts", lambda *_: 1 / 0)
    elif trouble == "option":
        arguments = ["--loud"]
    elif trouble == "value":
        arguments = ["--warn-age", "x"]
    elif trouble == "ages":
        arguments = ["--warn-age", "100", "--crit-age", "10"]
    if trouble == "store-beside-services":
        request.getfixturevalue("eight")
    else:
        nobody = [
            view(name, "stopped", supervisor=Supervisor.NONE) for name in COMPONENTS
        ]
        monkeypatch.setattr(check, "read_services", lambda *_, **__: nobody)

    result = ctl("check", *arguments, *form)

    assert (result.code, result.err) == (3, "")
    if form:
        assert result.document["result"] == "UNKNOWN"
        assert result.document["problems"]
    else:
        assert LINE.fullmatch(result.out)
        assert result.out.startswith("SHOONYA UNKNOWN - ")


def test_discrepancy_is_not_ok_and_in_the_line_with_its_figures(ctl, reconciled, eight):
    with reconciled.transaction(durable=False):
        reconciled.discrepancies.note(
            Discrepancy(
                kind=DiscrepancyKind.POSITION_DIFFERS,
                subject="NFO:X NRML",
                text="NFO:X NRML: we hold -65, the broker says -130",
                action="shoonyactl recovery",
            )
        )

    result = ctl("check")

    assert result.code == 2
    assert result.out.startswith(
        "SHOONYA CRITICAL - NFO:X NRML: we hold -65, the broker says -130; 8 of 8"
    )
    assert "discrepancies=1;;;0" in result.out
    (found,) = ctl("check", "--json").document["conditions"]
    assert found == {
        "key": "position_differs:NFO:X NRML",
        "kind": "position_differs",
        "severity": "critical",
        "text": "NFO:X NRML: we hold -65, the broker says -130",
        "action": "shoonyactl recovery",
        "subject": "NFO:X NRML",
        "order_id": None,
        "since": "2026-11-25T04:30:00+00:00",
        "discrepancy_id": 1,
        "needs_acknowledgement": False,
        "runbook": "docs/runbook.md#positions-differ",
    }
    assert ctl("status", "--json").document["conditions"][0] == found


def test_json_has_each_service_with_its_state(ctl, reconciled, eight):
    eight[0] = view("recovery_service", "backoff")

    document = ctl("check", "--json").document

    assert document["result"] == "WARNING"
    assert document["problems"] == ["recovery_service is backoff"]
    assert document["services"]["recovery_service"] == "backoff"
    assert set(document["services"]) == set(COMPONENTS)
    assert (document["trading"], document["waiting"]) == ("ACTIVE", 0)
