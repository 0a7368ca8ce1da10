"""Faults on demand."""

from datetime import timedelta

import pytest

from shoonya_platform.brokers.paper import FaultKind
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.errors import (
    BrokerRejected,
    BrokerUnavailable,
    NotAllowed,
    OutcomeUnknown,
)
from tests.unit.brokers.paper.conftest import BEGIN, market, status


def test_fault_ordered_by_one_process_befalls_another(open_broker, broker):
    open_broker().add_fault("lose_request", count=2)

    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            broker.place(market())
    broker.place(market())

    assert len(broker.order_book()) == 1
    assert broker.faults() == []


def test_refuse_is_a_rejection_with_nothing_placed(broker):
    broker.add_fault(FaultKind.REFUSE)

    with pytest.raises(BrokerRejected, match="on demand"):
        broker.place(market())

    assert broker.order_book() == []
    broker.place(market())


@pytest.mark.parametrize("seconds", [2.0, 5.0])
def test_slow_answer_up_to_the_time_out_comes_late_and_is_an_answer(
    broker, clock, seconds
):
    broker.add_fault(FaultKind.SLOW, seconds=seconds)

    placed = broker.place(market())

    assert clock.slept == [seconds]
    assert status(broker, placed) is OrderStatus.FILLED


def test_answer_slower_than_the_time_out_is_none_though_the_order_is_placed(
    broker, clock
):
    broker.add_fault(FaultKind.SLOW, seconds=60.0)

    with pytest.raises(OutcomeUnknown):
        broker.place(market())

    assert clock.slept == [5.0]
    assert len(broker.order_book()) == 1


def test_dropped_report_is_missing_and_the_books_know_better(broker):
    broker.add_fault(FaultKind.DROP_REPORT, count=2)

    placed = broker.place(market())

    assert broker.reports() == []
    assert status(broker, placed) is OrderStatus.FILLED


def test_doubled_report_is_told_twice_and_traded_once(broker):
    broker.add_fault(FaultKind.DOUBLE_REPORT, count=2)

    broker.place(market())

    reports = broker.reports()
    assert [r.order.status for r in reports] == ["accepted"] * 2 + ["filled"] * 2
    assert reports[2] == reports[3]
    assert len(broker.trade_book()) == 1


def test_held_order_is_filled_once_the_faults_are_cleared(broker):
    broker.add_fault(FaultKind.HOLD_ORDERS)
    held = broker.place(market("O-held"))
    free = broker.place(market("O-free"))

    assert status(broker, held) is OrderStatus.ACCEPTED
    assert status(broker, free) is OrderStatus.FILLED

    broker.clear_faults()
    assert status(broker, held) is OrderStatus.FILLED


def test_held_order_is_filled_when_its_time_is_over(broker, clock):
    broker.add_fault(FaultKind.HOLD_ORDERS, seconds=10.0)
    held = broker.place(market())
    assert status(broker, held) is OrderStatus.ACCEPTED

    clock.time += timedelta(seconds=10)
    assert status(broker, held) is OrderStatus.FILLED


def test_held_order_can_be_canceled(broker):
    broker.add_fault(FaultKind.HOLD_ORDERS)
    held = broker.place(market())

    broker.cancel(held)
    broker.clear_faults()

    assert status(broker, held) is OrderStatus.CANCELED


def test_outage_lasts_its_seconds_however_often_it_is_met(broker, clock):
    broker.add_fault(FaultKind.UNAVAILABLE, seconds=30.0)

    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            broker.order_book()
    clock.time += timedelta(seconds=30)

    assert broker.order_book() == []
    assert broker.faults() == []


def test_faults_are_listed_in_the_order_they_were_added(broker):
    broker.add_fault(FaultKind.SLOW, seconds=1.5)
    broker.add_fault(FaultKind.DROP_REPORT, count=3)

    faults = broker.faults()

    assert [(f.kind, f.count, f.seconds) for f in faults] == [
        ("slow", 1, 1.5),
        ("drop_report", 3, 0.0),
    ]
    assert faults[0].added_at == BEGIN


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(("earthquake", 1, 0.0), id="kind"),
        pytest.param(("slow", 0, 0.0), id="count"),
        pytest.param(("slow", 1, -1.0), id="seconds"),
        pytest.param(("slow", 1, float("nan")), id="not-a-number"),
    ],
)
def test_impossible_fault_is_refused(broker, fault):
    with pytest.raises(NotAllowed):
        broker.add_fault(*fault)
