"""What fills against all plans is exited again, and shown."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.taking_back import FOR_EXIT, FOR_LEG
from shoonya_platform.testing.orders import an_alert, store_alert, store_order
from tests.unit.execution.order_watcher.conftest import both
from tests.unit.execution.rows import S


def cancel(store, broker, watcher, order, number, by):
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by=by)
        store.orders.finish_cancel(order.order_id, result="sent")
    broker.end(number, S.CANCELED)
    watcher.step()


def exits(store):
    return [
        (leg.tradingsymbol, leg.quantity)
        for stored in store.alerts.recent(limit=99)
        if stored.alert.intent is Intent.EXIT
        for leg in stored.alert.legs
    ]


def shown(store):
    return store.discrepancies.open(DiscrepancyKind.FILL_UNWANTED)


@pytest.mark.parametrize(
    ("by", "is_exited"),
    [
        (f"{FOR_EXIT} A261125-1", True),
        (f"{FOR_LEG} 2 is denied", True),
        ("risk_manager", True),
        ("somebody: flatten", True),
        # Whoever cancels an order alone has not said that nothing may be held.
        ("somebody", False),
    ],
)
def test_withdrawn_entry_that_fills_after_its_end_is_exited(
    watcher, store, broker, by, is_exited
):
    order, number = both(store, broker)
    cancel(store, broker, watcher, order, number, by)

    broker.fill(number, 25)
    watcher.step()
    assert exits(store) == [(order.tradingsymbol, 25)] * is_exited
    assert len(shown(store)) == is_exited

    broker.fill(number, 40)
    watcher.step()
    assert {quantity for _, quantity in exits(store)} == (
        {25, 40} if is_exited else set()
    )


@pytest.mark.parametrize("is_planned", [True, False])
def test_entry_that_fills_on_after_its_exit_has_gone_on_is_exited(
    watcher, store, broker, is_planned
):
    order, number = both(store, broker)
    exit_id = store_alert(store, an_alert(execution_type="exit"))
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by=f"{FOR_EXIT} {exit_id}")
        if is_planned:
            store.alerts.record(exit_id, AlertStatus.PLANNED, outcome="", text="")

    broker.fill(number, 25)
    watcher.step()

    assert exits(store).count((order.tradingsymbol, 25)) == is_planned


def test_exit_that_opens_a_position_is_taken_back(watcher, store, broker):
    store_order(store, S.FILLED, quantity=40)
    order, number = both(store, broker, intent=Intent.EXIT, side=Side.SELL)
    cancel(store, broker, watcher, order, number, "trading_bot for exit A261125-1")

    # Of 65 that it sells, 40 were held.
    broker.fill(number, 65)
    watcher.step()

    assert exits(store) == [(order.tradingsymbol, 25)]


def test_exit_that_closes_what_is_held_is_not(watcher, store, broker):
    store_order(store, S.FILLED, quantity=65)
    _, number = both(store, broker, intent=Intent.EXIT, side=Side.SELL)

    broker.fill(number, 65)
    watcher.step()

    assert exits(store) == []
    assert shown(store) == []


def test_entry_that_fills_before_its_end_is_not(watcher, store, broker):
    order, number = both(store, broker)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by=f"{FOR_EXIT} A261125-1")
    broker.fill(number, 25)
    broker.end(number, S.CANCELED)

    watcher.step()

    assert exits(store) == []
