"""Other terms for an order: the whole way, and who may deny them."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.domain.terms import ModifyStage
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.modifying.conftest import (
    SYMBOL,
    request,
    stage,
    terms,
    working,
)
from tests.unit.execution.rows import (
    HALTED,
    REDUCING,
    S,
    T,
    current,
    set_trading,
    triggers,
)


def test_other_terms_go_through_risk_guard_and_command_to_the_broker_and_back(
    store, broker, risk, guard, command, watcher, rings
):
    order = working(store, broker)
    request(store, order, terms("70", 130))

    steps = [risk.step(), guard.step(), command.step()]

    assert steps == [1, 1, 1]
    assert current(store, order).status is S.PENDING_REPLACE
    assert current(store, order).price == Decimal(100)
    assert stage(store, order) == "sent"
    (change,) = broker.modified
    assert (change.broker_order_id, change.quantity, change.price) == (
        order.broker_order_id,
        130,
        Decimal(70),
    )
    watcher.step()
    after = current(store, order)
    assert (after.status, after.price, after.quantity) == (S.ACCEPTED, Decimal(70), 130)
    assert stage(store, order) == "replaced"
    assert triggers(store, order)[-4:] == [
        "replace_risk_passed",
        "replace_guard_passed",
        "replace_requested",
        "replaced",
    ]
    assert {"execution_guard", "command_service", "order_watcher"} <= set(rings)


@pytest.mark.parametrize(
    ("asked", "denial"),
    [
        pytest.param(terms("150"), "", id="within"),
        pytest.param(terms("152"), "EXPOSURE_EXCEEDS_MAXIMUM", id="price"),
        pytest.param(terms("100", 195), "ORDER_VALUE_EXCEEDS_MAXIMUM", id="quantity"),
    ],
)
def test_terms_are_judged_by_what_the_order_would_be_worth(
    store, broker, risk, asked, denial
):
    order = working(store, broker, quantity=65)
    # Nothing of the order itself is counted twice.
    working(store, broker, quantity=1, price=Decimal(200), strategy="other")
    request(store, order, asked)

    risk.step()

    found = stage(store, order)
    assert found.startswith(f"denied: {denial}") if denial else found == "risk_passed"
    assert current(store, order).status is S.ACCEPTED


def test_terms_that_ask_for_less_pass_although_nothing_new_would(store, broker, risk):
    order = working(store, broker, quantity=650)
    request(store, order, terms("100", 325))

    risk.step()

    assert stage(store, order) == "risk_passed"


@pytest.mark.parametrize(
    ("asked", "denial"),
    [
        pytest.param(terms("101", 66), "QUANTITY_NOT_IN_LOTS", id="lots"),
        pytest.param(terms("101", 28 * 65), "QUANTITY_EXCEEDS_FREEZE", id="freeze"),
        pytest.param(terms("101.02"), "PRICE_NOT_ON_TICK", id="tick"),
        pytest.param(terms("130"), "PRICE_OUTSIDE_BAND", id="far-from-the-last-price"),
        pytest.param(terms("120"), "", id="near-enough"),
    ],
)
def test_terms_are_what_the_exchange_can_take(store, broker, guard, asked, denial):
    order = working(store, broker)
    with store.transaction(durable=False):
        store.positions.note_prices({(order.exchange, SYMBOL): Decimal(100)})
    request(store, order, asked, ModifyStage.RISK_PASSED)

    guard.step()

    found = stage(store, order)
    assert found.startswith(f"denied: {denial}") if denial else found == "guard_passed"
    if denial:
        event = store.orders.events(order_id=order.order_id)[-1]
        assert (event.trigger, event.order_status) == ("replace_denied", "accepted")
        assert event.text.startswith(denial)


def test_quantity_that_is_filled_already_is_no_quantity(store, broker, guard):
    order = working(store, broker, S.PARTIALLY_FILLED, filled_quantity=65, quantity=195)
    request(store, order, terms("100", 65), ModifyStage.RISK_PASSED)

    guard.step()

    assert stage(store, order) == (
        "denied: QUANTITY_FILLED_ALREADY: quantity=65, filled=65"
    )


@pytest.mark.parametrize(
    ("state", "changes", "asked", "denial"),
    [
        ("HALTED", {}, terms("99"), HALTED),
        ("HALTED", {"intent": Intent.EXIT, "side": Side.SELL}, terms("99"), ""),
        ("REDUCING", {}, terms("101"), REDUCING),
        ("REDUCING", {"quantity": 130}, terms("100", 65), ""),
        ("REDUCING", {"intent": Intent.EXIT, "side": Side.SELL}, terms("99"), ""),
    ],
)
def test_trading_state_holds_for_terms_too(
    store, broker, guard, state, changes, asked, denial
):
    order = working(store, broker, **changes)
    set_trading(store, TradingState(state))
    request(store, order, asked, ModifyStage.RISK_PASSED)

    guard.step()

    assert stage(store, order) == (f"denied: {denial}" if denial else "guard_passed")


@pytest.mark.parametrize("state", ["ACTIVE", "REDUCING"])
@pytest.mark.parametrize(
    ("quantity", "denial"),
    [
        pytest.param(130, "", id="all-that-is-held"),
        pytest.param(
            195, "EXIT_EXCEEDS_POSITION: quantity=195, held=130", id="more-than-that"
        ),
    ],
)
def test_exit_is_not_made_an_entry_by_its_terms(
    store, broker, guard, state, quantity, denial
):
    store_order(store, S.FILLED, tradingsymbol=SYMBOL, quantity=130)
    order = working(store, broker, intent=Intent.EXIT, side=Side.SELL)
    set_trading(store, TradingState(state))
    request(store, order, terms("100", quantity), ModifyStage.RISK_PASSED)

    guard.step()

    assert stage(store, order) == (f"denied: {denial}" if denial else "guard_passed")


def test_part_of_an_exit_that_filled_counts_for_it(store, broker, guard):
    store_order(store, S.FILLED, tradingsymbol=SYMBOL, quantity=130)
    order = working(
        store,
        broker,
        S.PARTIALLY_FILLED,
        filled_quantity=50,
        intent=Intent.EXIT,
        side=Side.SELL,
    )
    request(store, order, terms("100", 130), ModifyStage.RISK_PASSED)

    guard.step()

    assert stage(store, order) == "guard_passed"


def test_request_for_an_order_at_its_end_is_done(store, broker, guard):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.RISK_PASSED)
    with store.transaction(durable=False):
        store.orders.record(order, T.CANCELED)

    guard.step()

    assert stage(store, order) == "the order is canceled"
