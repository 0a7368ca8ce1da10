"""No entry goes out before the books were read."""

from dataclasses import replace

import pytest

from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.execution_guard import PATIENCE_SECONDS, ExecutionGuard
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.execution_guard.conftest import (
    RULES,
    Instruments,
    hold,
    judged,
)
from tests.unit.execution.rows import S


@pytest.fixture
def waiting_guard(store, clock, rings) -> ExecutionGuard:
    """One whose platform has just been started."""
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    rules = replace(RULES, awaits_reconciliation=True)
    return ExecutionGuard(store, Instruments(), rules, clock, rings)


def reconcile(store, *, succeeded, summary=""):
    with store.transaction(durable=False):
        store.recovery.record(succeeded=succeeded, summary=summary, report="{}")


def test_entries_wait_a_moment_for_the_first_reconciliation(waiting_guard, store):
    order = store_order(store, S.RISK_PASSED)
    assert waiting_guard.step() == 0
    assert store.orders.get(order.order_id).status is S.RISK_PASSED

    reconcile(store, succeeded=True)

    assert waiting_guard.step() == 1
    assert store.orders.get(order.order_id).status is S.GUARD_PASSED


def test_entries_are_denied_until_the_first_reconciliation(waiting_guard, store, clock):
    clock.advance(PATIENCE_SECONDS)
    reason = judged(waiting_guard, store)
    assert reason == "AWAITING_RECONCILIATION: first=not done yet"
    assert "entries wait for the first reconciliation" in waiting_guard.status()

    reconcile(store, succeeded=True)

    assert judged(waiting_guard, store) == ""
    assert "wait" not in waiting_guard.status()


def test_reconciliation_that_failed_opens_nothing_and_is_the_reason(
    waiting_guard, store, clock
):
    clock.advance(PATIENCE_SECONDS)
    reconcile(store, succeeded=False, summary="the broker is down")

    assert judged(waiting_guard, store) == (
        "AWAITING_RECONCILIATION: first=the broker is down"
    )


def test_exits_pass_before_the_first_reconciliation(waiting_guard, store):
    hold(store, strategy="straddle")

    assert judged(waiting_guard, store, intent=Intent.EXIT, side=Side.SELL) == ""
