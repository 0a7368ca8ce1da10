"""trading_bot cancels and closes what a leg has beyond its quantity."""

import pytest

from shoonya_platform.domain.alerts import copy_name
from shoonya_platform.domain.discrepancies import Discrepancy
from shoonya_platform.domain.discrepancies import DiscrepancyKind as K
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import Intent, OrderType, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.orders import a_fill, store_alert, store_order
from tests.unit.execution.rows import S, T, set_trading


def note(store, kind, order):
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=kind,
                subject=order.client_order_id,
                text="a text",
                action="look",
                order_id=order.order_id,
            )
        )


def closings(store, order):
    return [
        (other.side, other.quantity, other.intent, other.order_type)
        for other in store.orders.of_alert(order.alert_id)
        if other.side is not order.side
    ]


def asked_to_cancel(store):
    return [request.order_id for request in store.orders.cancel_requests(limit=9)]


def doubled(store, status=S.FILLED, **changes):
    """Return a filled order, and the broker's second one under its id."""
    order = store_order(store, S.FILLED, **changes)
    copy = store_order(
        store,
        status,
        alert_id=order.alert_id,
        attempt=2,
        client_order_id=copy_name(order.client_order_id, 1),
        **changes,
    )
    note(store, K.DUPLICATE_ORDER, copy)
    return order, copy


def test_what_a_doubled_order_filled_is_closed_once(bot, store, clock):
    order, _ = doubled(store)

    for _ in range(3):
        bot.step()
        clock.advance(2)

    assert closings(store, order) == [(Side.SELL, 65, Intent.EXIT, OrderType.MARKET)]
    assert store.discrepancies.unresolved(K.DUPLICATE_ORDER)


def test_incident_is_over_when_the_excess_is_closed(bot, store, clock):
    order, _ = doubled(store)
    bot.step()
    closing = store.orders.of_alert(order.alert_id)[-1]
    with store.transaction(durable=False):
        for trigger in (T.RISK_PASSED, T.GUARD_PASSED, T.SUBMITTED, T.ACCEPTED):
            closing = store.orders.record(closing, trigger)
        store.orders.fill(closing, a_fill(65))

    clock.advance(2)
    bot.step()

    assert store.discrepancies.unresolved() == []
    assert [found.kind for found in store.discrepancies.open()] == [K.DUPLICATE_ORDER]
    assert [position.quantity for position in store.positions.open()] == [65]


def test_doubled_order_that_still_works_is_canceled(bot, store):
    _, copy = doubled(store, S.ACCEPTED)

    bot.step()

    assert asked_to_cancel(store) == [copy.order_id]


def test_excess_that_an_exit_has_closed_is_not_closed_again(bot, store):
    order, _ = doubled(store)
    store_order(store, S.FILLED, side=Side.SELL, quantity=130, intent=Intent.EXIT)

    bot.step()

    assert closings(store, order) == []
    assert store.discrepancies.unresolved() == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"strategy": "another"}, id="another-strategy"),
        pytest.param({"product": Product.MIS}, id="another-product"),
        pytest.param({"intent": Intent.ADJUST}, id="no-exit"),
        pytest.param({"side": Side.BUY}, id="other-side"),
    ],
)
def test_excess_is_not_left_to_an_order_that_does_not_close_it(bot, store, changes):
    order, _ = doubled(store)
    fields = {"side": Side.SELL, "intent": Intent.EXIT, **changes}
    store_order(store, S.ACCEPTED, quantity=100, **fields)

    bot.step()

    assert [quantity for _, quantity, _, _ in closings(store, order)] == [65]


def test_closing_of_an_excess_notifies_the_operator(bot, store, caplog):
    doubled(store)

    bot.step()

    errors = [record.event for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["surplus_closed"]


def test_excess_that_an_exit_is_about_to_close_is_left_to_it(bot, store):
    order, _ = doubled(store)
    store_order(store, S.ACCEPTED, side=Side.SELL, quantity=100, intent=Intent.EXIT)

    bot.step()

    assert [quantity for _, quantity, _, _ in closings(store, order)] == [30]


def test_doubled_exit_is_bought_back(bot, store):
    store_order(store, S.FILLED)
    order, _ = doubled(store, side=Side.SELL, intent=Intent.EXIT)

    bot.step()

    assert closings(store, order) == [(Side.BUY, 65, Intent.EXIT, OrderType.MARKET)]


def test_closing_that_was_denied_is_tried_again_later_and_later(bot, store, clock):
    order, _ = doubled(store)
    made = []
    for _ in range(100):
        bot.step()
        made.append(len(closings(store, order)))
        newest = store.orders.of_alert(order.alert_id)[-1]
        if newest.status is S.INITIALIZED:
            with store.transaction(durable=False):
                store.orders.record(newest, T.DENIED, reason="closed")
        clock.advance(2)

    # After 10, 20, 40 and 80 s.
    assert [made.count(number) for number in (1, 2, 3, 4)] == [5, 10, 20, 40]


def test_surplus_is_closed_while_trading_is_halted(bot, store):
    order, _ = doubled(store)
    set_trading(store, TradingState.HALTED)

    bot.step()

    assert len(closings(store, order)) == 1


def test_cancel_that_is_on_its_way_is_not_asked_for_again(bot, store):
    doubled(store, S.PENDING_CANCEL)

    bot.step()

    assert asked_to_cancel(store) == []


@pytest.mark.parametrize("status", [S.NOT_PLACED, S.REJECTED])
def test_entry_that_was_given_up_and_filled_is_closed(bot, store, status):
    order = store_order(store, status)
    with store.transaction(durable=False):
        found = store.orders.record(order, T.FOUND)
        store.orders.fill(found, a_fill(65))
    note(store, K.ORDER_REAPPEARED, order)

    bot.step()

    assert closings(store, order) == [(Side.SELL, 65, Intent.EXIT, OrderType.MARKET)]


def test_entry_that_was_given_up_and_works_is_canceled(bot, store):
    order = store_order(store, S.NOT_PLACED)
    with store.transaction(durable=False):
        store.orders.record(order, T.FOUND)
    note(store, K.ORDER_REAPPEARED, order)

    bot.step()

    assert asked_to_cancel(store) == [order.order_id]


def test_exit_that_was_given_up_and_turned_up_still_exits(bot, store):
    store_order(store, S.FILLED)
    order = store_order(store, S.NOT_PLACED, side=Side.SELL, intent=Intent.EXIT)
    with store.transaction(durable=False):
        found = store.orders.record(order, T.FOUND)
        store.orders.note_number(found, "B77", is_confirmed=True)
    note(store, K.ORDER_REAPPEARED, order)

    bot.step()

    assert asked_to_cancel(store) == []
    assert closings(store, order) == []
    assert store.discrepancies.unresolved() == []


def test_of_a_lost_exit_and_its_replacement_only_one_works_on(bot, store):
    store_order(store, S.FILLED)
    alert_id = store_alert(store)
    lost = store_order(
        store, S.NOT_PLACED, alert_id=alert_id, side=Side.SELL, intent=Intent.EXIT
    )
    store_order(
        store,
        S.ACCEPTED,
        alert_id=alert_id,
        attempt=2,
        side=Side.SELL,
        intent=Intent.EXIT,
    )
    with store.transaction(durable=False):
        store.orders.record(lost, T.FOUND)
    note(store, K.ORDER_REAPPEARED, lost)

    bot.step()

    assert asked_to_cancel(store) == [lost.order_id]
    assert closings(store, lost) == []
