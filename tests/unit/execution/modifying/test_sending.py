"""Other terms are sent once."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.orders import CLOSED, Intent, Side
from shoonya_platform.domain.terms import ModifyStage
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
)
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.testing.orders import store_order
from tests.preconditions import at_any_moment
from tests.unit.execution.modifying.conftest import request, stage, working
from tests.unit.execution.rows import HALTED, S, current, set_trading, triggers


def test_intention_is_durable_before_the_broker_hears_of_it(
    watched_store, broker, clock, rings
):
    order = working(watched_store, broker)
    request(watched_store, order, stage=ModifyStage.GUARD_PASSED)
    command = CommandService(
        watched_store, broker, clock, rings, at_any_moment(watched_store)
    )
    seen = []

    def look(_):
        seen.append(
            (
                current(watched_store, order).status,
                stage(watched_store, order),
                watched_store.waited_for_disk[-1],
            )
        )

    broker.on_modify = look
    command.step()

    assert seen == [(S.PENDING_REPLACE, "sending", True)]


def test_refused_terms_leave_the_order_as_it_was(store, broker, command):
    order = working(store, broker, S.PARTIALLY_FILLED, filled_quantity=25)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    broker.answer_modify(BrokerRejected("RED:no"))

    command.step()

    after = current(store, order)
    assert (after.status, after.price) == (S.PARTIALLY_FILLED, Decimal(100))
    assert stage(store, order) == "rejected: RED:no"
    assert triggers(store, order)[-1] == "replace_rejected"


def test_terms_that_were_not_sent_are_not_sent_later(store, broker, command):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    broker.answer_modify(BrokerUnavailable("connection refused"))

    for _ in range(3):
        command.step()

    assert current(store, order).status is S.ACCEPTED
    assert stage(store, order) == "rejected: not sent: connection refused"
    assert len(broker.modified) == 1


@pytest.mark.parametrize("error", [OutcomeUnknown("no answer"), BrokerError("odd")])
def test_terms_without_a_clear_answer_are_never_sent_again(
    store, broker, command, rings, error
):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    broker.answer_modify(error)

    for _ in range(3):
        command.step()

    assert current(store, order).status is S.PENDING_REPLACE
    assert stage(store, order) == "unknown"
    assert len(broker.modified) == 1
    assert "recovery_service" in rings


def test_what_an_earlier_run_was_sending_is_unknown(store, broker, clock, rings):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)

    def die(_):
        raise KeyboardInterrupt

    broker.on_modify = die
    first = CommandService(store, broker, clock, rings, at_any_moment(store))
    with pytest.raises(KeyboardInterrupt):
        first.step()
    broker.on_modify = None
    again = CommandService(store, broker, clock, rings, at_any_moment(store))
    again.begin()
    again.step()

    assert stage(store, order) == "unknown"
    assert len(broker.modified) == 1


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_order_at_its_end_gets_no_terms(store, command, broker, status):
    order = store_order(store, status)
    request(store, order, stage=ModifyStage.GUARD_PASSED)

    command.step()

    assert stage(store, order) == f"the order is {status}"
    assert broker.modified == []


def test_new_terms_of_an_exit_are_sent_after_a_halt(store, broker, command):
    order = working(store, broker, intent=Intent.EXIT, side=Side.SELL)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    set_trading(store, TradingState.HALTED)

    command.step()

    assert len(broker.modified) == 1


def test_halt_after_the_guards_look_keeps_terms_back(store, broker, command):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    set_trading(store, TradingState.HALTED)

    command.step()

    assert stage(store, order) == f"denied: {HALTED}"
    assert broker.modified == []
