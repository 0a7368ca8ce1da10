"""An exit closes what is held, and leaves nothing behind."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import CLOSED, OPEN, Intent, Side
from shoonya_platform.execution.overtaking import (
    CANCEL_AGAIN_SECONDS,
    IGNORED_SECONDS,
    UNKNOWN_PATIENCE,
)
from shoonya_platform.testing.orders import SYMBOL, a_leg, store_order
from tests.unit.execution.rows import S, T
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    PUT,
    asked_to_cancel,
    exit_alert,
    hold,
    outcome,
    walk,
)


@pytest.mark.parametrize(
    ("bought", "side"), [(Side.BUY, Side.SELL), (Side.SELL, Side.BUY)]
)
def test_exit_takes_side_and_quantity_from_the_position(bot, store, bought, side):
    hold(store, 195, side=bought)
    # The alert carries the side that it once entered with, and no quantity.
    alert_id = exit_alert(store, a_leg(direction=str(bought)))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.intent, order.side, order.quantity) == (Intent.EXIT, side, 195)


@pytest.mark.parametrize(
    ("named", "closed"), [(64, 64), (130, 130), (195, 195), (390, 195)]
)
def test_exit_closes_the_quantity_it_names_and_no_more_than_is_held(
    bot, store, named, closed
):
    hold(store, 195)
    alert_id = exit_alert(store, a_leg(qty=named))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.side, order.quantity) == (Side.SELL, closed)


def test_exit_without_side_and_quantity_closes_what_is_held(bot, store):
    hold(store, 130, side=Side.SELL)
    alert_id = exit_alert(store, {"tradingsymbol": SYMBOL})

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.side, order.quantity) == (Side.BUY, 130)


def test_exit_to_flat_closes_all_whatever_the_order_says(bot, store):
    hold(store, 195)
    alert_id = exit_alert(store, a_leg(qty=130), market_position="flat")

    bot.step()

    assert store.orders.of_alert(alert_id)[0].quantity == 195


def test_exit_closes_the_product_that_is_held(bot, store):
    hold(store, 65, product=Product.MIS)
    alert_id = exit_alert(store, a_leg(product_type="M"))

    bot.step()

    assert store.orders.of_alert(alert_id)[0].product is Product.MIS


def test_exit_closes_its_own_product_first(bot, store):
    hold(store, 65, product=Product.MIS)
    hold(store, 130, product=Product.NRML)
    alert_id = exit_alert(store, a_leg(product_type="M"))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.product, order.quantity) == (Product.NRML, 130)


def test_exit_of_what_is_flat_is_skipped_and_says_so(bot, store, rings):
    hold(store, 65, strategy="other")
    alert_id = exit_alert(store)

    assert bot.step() == 0

    assert outcome(store, alert_id) == (
        AlertStatus.SKIPPED,
        f"nothing to exit in NFO:{SYMBOL}: 'straddle' is flat",
    )
    assert store.orders.of_alert(alert_id) == []
    event = store.orders.events(alert_id=alert_id)[-1]
    assert event.trigger == "alert_skipped"


def test_exit_plans_the_legs_that_are_held_and_names_the_others(bot, store):
    hold(store, 65, tradingsymbol=CALL)
    alert_id = exit_alert(store, a_leg(PUT), a_leg(CALL))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.leg, order.tradingsymbol) == (2, CALL)
    assert store.orders.events(alert_id=alert_id)[-1].text == (
        f"1 order; nothing to exit in NFO:{PUT}: 'straddle' is flat"
    )


def test_two_exits_do_not_turn_the_position(bot, store):
    hold(store, 65)
    first, second = exit_alert(store), exit_alert(store)

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(first)] == [65]
    assert store.orders.of_alert(second) == []
    assert outcome(store, second)[0] is AlertStatus.SKIPPED


def test_two_legs_of_one_exit_do_not_turn_the_position(bot, store):
    hold(store, 65)
    alert_id = exit_alert(store, a_leg(), a_leg())

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(alert_id)] == [65]


def test_exit_closes_what_an_exit_under_way_leaves(bot, store):
    hold(store, 195)
    store_order(
        store,
        S.PARTIALLY_FILLED,
        intent=Intent.EXIT,
        side=Side.SELL,
        quantity=130,
        filled_quantity=30,
    )
    # 165 are left, 100 of them under way.
    alert_id = exit_alert(store)

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(alert_id)] == [65]


def test_exit_after_an_exit_that_ended_without_a_fill_closes_it_all(bot, store):
    hold(store, 65)
    store_order(store, S.REJECTED, intent=Intent.EXIT, side=Side.SELL)
    alert_id = exit_alert(store)

    bot.step()

    assert [order.quantity for order in store.orders.of_alert(alert_id)] == [65]


@pytest.mark.parametrize("status", sorted(OPEN))
@pytest.mark.parametrize("intent", [Intent.ENTRY, Intent.ADJUST])
def test_exit_has_unfinished_entries_canceled_and_waits(
    bot, store, rings, status, intent
):
    entry = store_order(store, status, intent=intent, quantity=130)
    alert_id = exit_alert(store)

    assert bot.step() == 0

    assert asked_to_cancel(store) == [entry.order_id]
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED
    assert "command_service" in rings
    assert bot.status() == "1 exits wait for entries to be canceled"


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_exit_does_not_wait_for_what_is_at_an_end(new_bot, store, status):
    store_order(store, status)
    alert_id = exit_alert(store)

    new_bot(replan_seconds=0.0).step()

    assert asked_to_cancel(store) == []
    assert outcome(store, alert_id)[0] is not AlertStatus.RECEIVED


def test_exit_goes_on_with_what_was_filled_before_the_cancel(bot, store):
    entry = store_order(store, S.PARTIALLY_FILLED, quantity=130, filled_quantity=65)
    alert_id = exit_alert(store)
    bot.step()
    bot.step()
    assert store.orders.of_alert(alert_id) == []

    walk(store, entry, T.CANCELED)
    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.side, order.quantity) == (Side.SELL, 65)


def test_exit_does_not_wait_for_a_cancel_that_the_broker_ignores(bot, store, clock):
    entry = store_order(store, S.PARTIALLY_FILLED, quantity=130, filled_quantity=65)
    alert_id = exit_alert(store)
    bot.step()
    walk(store, entry, T.CANCEL_REQUESTED)
    clock.advance(IGNORED_SECONDS - 1)
    bot.step()
    assert store.orders.of_alert(alert_id) == []

    clock.advance(1)
    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.side, order.quantity) == (Side.SELL, 65)


def test_exit_is_skipped_when_the_canceled_entry_had_no_fill(bot, store):
    entry = store_order(store, S.ACCEPTED)
    alert_id = exit_alert(store)
    bot.step()

    walk(store, entry, T.CANCELED)
    bot.step()

    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED


def test_exit_that_waits_asks_for_the_cancel_once(bot, store):
    entry = store_order(store, S.ACCEPTED)
    exit_alert(store)
    bot.step()
    with store.transaction(durable=False):
        store.orders.finish_cancel(entry.order_id, result="sent")

    bot.step()

    assert asked_to_cancel(store) == []


def test_exit_asks_again_when_the_broker_refused_the_cancel(bot, store, clock):
    entry = store_order(store, S.ACCEPTED)
    exit_alert(store)
    bot.step()
    with store.transaction(durable=False):
        store.orders.finish_cancel(entry.order_id, result="refused")

    clock.advance(CANCEL_AGAIN_SECONDS)
    bot.step()

    assert asked_to_cancel(store) == [entry.order_id]


def test_exit_that_waited_is_taken_up_by_the_next_process(bot, new_bot, store):
    entry = store_order(store, S.ACCEPTED)
    alert_id = exit_alert(store)
    bot.step()
    again = new_bot()

    again.step()
    assert outcome(store, alert_id)[0] is AlertStatus.RECEIVED
    walk(store, entry, T.CANCELED)
    again.step()

    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"strategy": "other"}, id="another-strategy"),
        pytest.param({"tradingsymbol": CALL}, id="another-instrument"),
        pytest.param({"exchange": Exchange.BFO}, id="another-exchange"),
    ],
)
def test_exit_does_not_wait_for_other_entries(bot, store, changes):
    hold(store)
    store_order(store, S.ACCEPTED, **changes)
    alert_id = exit_alert(store)

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1
    assert asked_to_cancel(store) == []


def test_exit_does_not_wait_for_an_entry_that_may_not_be_canceled(bot, store, clock):
    hold(store, 65)
    entry = store_order(store, S.ACCEPTED)
    with store.transaction(durable=False):
        # The broker has it under another order's number.
        store.orders.note_number(entry, None, is_confirmed=False)
    alert_id = exit_alert(store)
    bot.step()
    assert store.orders.of_alert(alert_id) == []

    clock.advance(UNKNOWN_PATIENCE.total_seconds())
    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1


def test_exit_does_not_wait_for_entries_that_came_after_it(bot, store):
    entry = store_order(store, S.ACCEPTED)
    alert_id = exit_alert(store)
    bot.step()
    later = store_order(store, S.ACCEPTED, intent=Intent.ADJUST)

    walk(store, entry, T.CANCELED)
    bot.step()

    assert outcome(store, alert_id)[0] is AlertStatus.SKIPPED
    assert later.order_id not in asked_to_cancel(store)
