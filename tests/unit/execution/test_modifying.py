"""Other terms for an order: judged, sent once, and settled by what the broker has."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.brokers.base import BrokerOrder, PlaceOrder
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.orders import (
    CLOSED,
    Intent,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
)
from shoonya_platform.domain.terms import ModifyStage, Terms
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
)
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.order_watcher import (
    RECONCILE_SECONDS,
    OrderWatcherEngine,
)
from shoonya_platform.execution.replacements import ReplacementSearch
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import SupremeRiskManager
from shoonya_platform.testing.orders import store_order

S, T = OrderStatus, OrderTrigger
SYMBOL = "NIFTY27JAN26C25700"
LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(10_000),
    max_open_positions=2,
    max_order_value=Decimal(10_000),
)


@pytest.fixture
def risk(store, clock, rings):
    return SupremeRiskManager(store, LIMITS, clock, rings)


@pytest.fixture
def guard(store, clock, rings):
    rules = GuardRules(calendar=None, max_alert_age_seconds=120.0)
    return ExecutionGuard(store, Catalogue(catalogue_defaults()), rules, clock, rings)


@pytest.fixture
def command(store, broker, clock, rings):
    service = CommandService(store, broker, clock, rings)
    service.begin()
    return service


@pytest.fixture
def watcher(store, broker, clock, rings):
    return OrderWatcherEngine(store, broker, clock, rings)


@pytest.fixture
def search(store, broker, clock, rings):
    return ReplacementSearch(store, broker, clock, rings, reads=3, seconds=8.0)


def working(store, broker, status=S.ACCEPTED, *, filled_quantity=0, **changes):
    """Have a limit order at 100 both here and at the broker."""
    fields = {
        "tradingsymbol": SYMBOL,
        "order_type": OrderType.LIMIT,
        "price": Decimal(100),
        "quantity": 65,
        **changes,
    }
    order = store_order(store, status, filled_quantity=filled_quantity, **fields)
    broker.accept(
        PlaceOrder.of(order),
        order.broker_order_id,
    )
    broker.news.clear()
    return order


def terms(price="101", quantity=65, trigger_price=None):
    return Terms(
        quantity=quantity,
        price=Decimal(price),
        trigger_price=None if trigger_price is None else Decimal(trigger_price),
    )


def request(store, order, asked=None, stage=ModifyStage.REQUESTED):
    with store.transaction(durable=False):
        assert store.modifies.request(order.order_id, asked or terms(), by="me")
        store.modifies.pass_on(order, stage)


def stage(store, order):
    found = store.modifies.get(order.order_id)
    return found.result if found.result is not None else str(found.stage)


def now(store, order):
    return store.orders.get(order.order_id)


def triggers(store, order):
    return [event.trigger for event in store.orders.events(order_id=order.order_id)]


def set_trading(store, state):
    with store.transaction(durable=True):
        store.trading.set(state, reason="a test", by="tests")


# -- the whole way ---------------------------------------------------------------


def test_other_terms_go_through_risk_guard_and_command_to_the_broker_and_back(
    store, broker, risk, guard, command, watcher, rings
):
    order = working(store, broker)
    request(store, order, terms("70", 130))

    steps = [risk.step(), guard.step(), command.step()]

    assert steps == [1, 1, 1]
    assert now(store, order).status is S.PENDING_REPLACE
    assert now(store, order).price == Decimal(100)
    assert stage(store, order) == "sent"
    (change,) = broker.modified
    assert (change.broker_order_id, change.quantity, change.price) == (
        order.broker_order_id,
        130,
        Decimal(70),
    )
    watcher.step()
    after = now(store, order)
    assert (after.status, after.price, after.quantity) == (
        S.ACCEPTED,
        Decimal(70),
        130,
    )
    assert stage(store, order) == "replaced"
    assert triggers(store, order)[-4:] == [
        "replace_risk_passed",
        "replace_guard_passed",
        "replace_requested",
        "replaced",
    ]
    assert {"execution_guard", "command_service", "order_watcher"} <= set(rings)


# -- risk_manager ------------------------------------------------------------------


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
    assert now(store, order).status is S.ACCEPTED


def test_terms_that_ask_for_less_pass_although_nothing_new_would(store, broker, risk):
    order = working(store, broker, quantity=650)
    request(store, order, terms("100", 325))

    risk.step()

    assert stage(store, order) == "risk_passed"


# -- execution_guard ---------------------------------------------------------------


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
        ("HALTED", {}, terms("99"), "TRADING_HALTED"),
        ("REDUCING", {}, terms("101"), "TRADING_REDUCING"),
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


def test_request_for_an_order_at_its_end_is_done(store, broker, guard):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.RISK_PASSED)
    with store.transaction(durable=False):
        store.orders.record(order, T.CANCELED)

    guard.step()

    assert stage(store, order) == "the order is canceled"


# -- command_service ---------------------------------------------------------------


def test_intention_is_durable_before_the_broker_hears_of_it(
    watched_store, broker, clock, rings
):
    order = working(watched_store, broker)
    request(watched_store, order, stage=ModifyStage.GUARD_PASSED)
    command = CommandService(watched_store, broker, clock, rings)
    seen = []

    def look(_):
        seen.append(
            (
                now(watched_store, order).status,
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

    after = now(store, order)
    assert (after.status, after.price) == (S.PARTIALLY_FILLED, Decimal(100))
    assert stage(store, order) == "rejected: RED:no"
    assert triggers(store, order)[-1] == "replace_rejected"


def test_terms_that_were_not_sent_are_not_sent_later(store, broker, command):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    broker.answer_modify(BrokerUnavailable("connection refused"))

    for _ in range(3):
        command.step()

    assert now(store, order).status is S.ACCEPTED
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

    assert now(store, order).status is S.PENDING_REPLACE
    assert stage(store, order) == "unknown"
    assert len(broker.modified) == 1
    assert "recovery_service" in rings


def test_what_an_earlier_run_was_sending_is_unknown(store, broker, clock, rings):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)

    def die(_):
        raise KeyboardInterrupt

    broker.on_modify = die
    first = CommandService(store, broker, clock, rings)
    with pytest.raises(KeyboardInterrupt):
        first.step()
    broker.on_modify = None
    again = CommandService(store, broker, clock, rings)
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


def test_halt_after_the_guards_look_keeps_terms_back(store, broker, command):
    order = working(store, broker)
    request(store, order, stage=ModifyStage.GUARD_PASSED)
    set_trading(store, TradingState.HALTED)

    command.step()

    assert stage(store, order) == "denied: TRADING_HALTED"
    assert broker.modified == []


# -- races -------------------------------------------------------------------------


def pending(store, broker, asked=None, *, stage=ModifyStage.SENT, **changes):
    """Have an order whose new terms are on their way."""
    order = working(store, broker, **changes)
    request(store, order, asked, stage)
    with store.transaction(durable=False):
        return store.orders.record(order, T.REPLACE_REQUESTED)


def claimed(broker, order, **changes) -> BrokerOrder:
    claim = broker.book[order.broker_order_id]
    changed: BrokerOrder = broker.add(replace(claim, **changes))
    return changed


def test_fill_that_crosses_the_terms_counts_and_the_terms_are_still_awaited(
    store, broker, watcher
):
    order = pending(store, broker)
    broker.fill(order.broker_order_id, 25)

    watcher.step()

    after = now(store, order)
    assert (after.status, after.filled_quantity) == (S.PENDING_REPLACE, 25)
    assert stage(store, order) == "sent"


def test_order_that_fills_before_the_terms_hold_is_filled(store, broker, watcher):
    order = pending(store, broker)
    broker.fill(order.broker_order_id, 65)

    watcher.step()

    assert now(store, order).status is S.FILLED
    assert stage(store, order) == "the order is filled"


def test_fill_beyond_the_old_quantity_brings_the_new_one_along(store, broker, watcher):
    order = pending(store, broker, terms("101", 130))
    claimed(broker, order, quantity=130, price=Decimal(101))
    broker.news.clear()
    broker.fill(order.broker_order_id, 130)

    watcher.step()

    after = now(store, order)
    assert (after.status, after.quantity, after.filled_quantity) == (S.FILLED, 130, 130)
    assert [p.quantity for p in store.positions.open()] == [130]


def test_quantity_cut_to_what_was_filled_by_then_ends_the_order(store, broker, watcher):
    order = pending(store, broker, terms("100", 65), quantity=130)
    broker.fill(order.broker_order_id, 65)
    watcher.step()
    claimed(broker, order, quantity=65, status=S.FILLED)

    watcher.step()

    after = now(store, order)
    assert (after.status, after.quantity) == (S.FILLED, 65)


def test_cancel_does_not_wait_for_the_terms(store, broker, command, watcher):
    order = pending(store, broker)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="me")

    command.step()
    assert now(store, order).status is S.PENDING_CANCEL
    watcher.step()

    assert broker.canceled == [order.broker_order_id]
    assert now(store, order).status is S.CANCELED


def test_order_that_is_being_canceled_gets_no_terms(store, broker, command):
    order = working(store, broker, S.PENDING_CANCEL)
    request(store, order, stage=ModifyStage.GUARD_PASSED)

    assert command.step() == 0
    assert broker.modified == []


def test_late_report_with_old_terms_does_not_undo_new_ones(store, broker, watcher):
    order = pending(store, broker)
    old = broker.book[order.broker_order_id]
    claimed(broker, order, price=Decimal(101))
    watcher.step()
    broker.add(old)

    watcher.step()

    assert now(store, order).price == Decimal(101)


def test_late_report_with_other_terms_than_those_asked_for_settles_nothing(
    store, broker, watcher
):
    order = pending(store, broker, terms("102"))
    claimed(broker, order, price=Decimal(98))

    watcher.step()

    after = now(store, order)
    assert (after.status, after.price) == (S.PENDING_REPLACE, Decimal(100))
    assert stage(store, order) == "sent"


def test_exchange_that_refuses_what_the_broker_took_leaves_the_old_terms(
    store, broker, watcher
):
    order = pending(store, broker)
    claim = claimed(broker, order, reason="RED:no")
    broker.news[-1] = replace(broker.news[-1], is_replace_refused=True)

    watcher.step()

    assert (now(store, order).status, now(store, order).price) == (
        S.ACCEPTED,
        Decimal(100),
    )
    assert stage(store, order) == f"rejected: {claim.reason}"


def test_terms_changed_elsewhere_are_taken_from_the_book(store, broker, watcher, clock):
    order = working(store, broker)
    claimed(broker, order, price=Decimal(99), quantity=130)
    broker.news.clear()
    clock.advance(RECONCILE_SECONDS + 1)

    watcher.step()

    after = now(store, order)
    assert (after.price, after.quantity, after.status) == (Decimal(99), 130, S.ACCEPTED)


# -- recovery_service --------------------------------------------------------------


def test_unknown_terms_that_the_book_shows_hold(store, broker, search):
    order = pending(store, broker, stage=ModifyStage.UNKNOWN)
    claimed(broker, order, price=Decimal(101))

    search.step()

    assert (now(store, order).status, now(store, order).price) == (
        S.ACCEPTED,
        Decimal(101),
    )
    assert stage(store, order) == "replaced"


def test_unknown_terms_are_given_up_after_several_readings_over_long_enough(
    store, broker, search, clock
):
    order = pending(store, broker, stage=ModifyStage.UNKNOWN)

    for _ in range(5):
        search.step()
        clock.advance(1.0)
    assert now(store, order).status is S.PENDING_REPLACE
    clock.advance(4.0)
    search.step()

    after = now(store, order)
    assert (after.status, after.price) == (S.ACCEPTED, Decimal(100))
    assert stage(store, order).startswith("rejected: 6 readings of the order book")
    assert broker.modified == []


def test_reading_that_fails_proves_nothing(store, broker, search, clock):
    order = pending(store, broker, stage=ModifyStage.UNKNOWN)
    broker.is_down = True

    for _ in range(9):
        with pytest.raises(BrokerUnavailable):
            search.step()
        clock.advance(9.0)
    broker.is_down = False
    search.step()

    assert now(store, order).status is S.PENDING_REPLACE


def test_terms_on_their_way_are_not_judged_by_the_book(store, broker, search, clock):
    order = pending(store, broker, stage=ModifyStage.SENDING)

    for _ in range(5):
        search.step()
        clock.advance(9.0)

    assert now(store, order).status is S.PENDING_REPLACE


def test_request_of_an_order_that_ended_otherwise_is_done(store, broker, search):
    order = pending(store, broker)
    with store.transaction(durable=False):
        store.orders.record(order, T.CANCELED)

    search.step()

    assert stage(store, order) == "the order is canceled"
