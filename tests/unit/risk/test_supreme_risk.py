"""risk_manager walks new orders, and watches the day's loss."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shoonya_platform.domain.days import day_begin
from shoonya_platform.domain.orders import (
    Intent,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
)
from shoonya_platform.domain.terms import ModifyStage, Terms
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.risk.limits import RiskLimits
from shoonya_platform.risk.supreme_risk import (
    BATCH,
    WATCH_SECONDS,
    SupremeRiskManager,
)
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import a_fill, store_alert, store_order

S = OrderStatus
LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(20_000),
    max_open_positions=2,
    max_order_value=Decimal(10_000),
)
DAY = 86_400
#: A limit order of half the largest value.
AT_100: dict[str, Any] = {
    "order_type": OrderType.LIMIT,
    "price": Decimal(100),
    "quantity": 50,
}


class Rings(list[str]):
    def __call__(self, *services: str) -> None:
        self.extend(services)


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture
def risk(store, clock, rings) -> SupremeRiskManager:
    return SupremeRiskManager(store, LIMITS, clock, rings)


def status_of(store, order):
    return store.orders.get(order.order_id).status


def hold(store, quantity, price=100, **changes):
    """Have a strategy hold something since now."""
    order = store_order(store, S.ACCEPTED, quantity=quantity, **changes)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity, price))
    return order


def lose(store, rupees, filled_at):
    """Buy one at 10,000 and sell it for less."""
    for side, price in ((Side.BUY, 10_000), (Side.SELL, 10_000 - rupees)):
        order = store_order(store, S.ACCEPTED, quantity=1, side=side, strategy="loser")
        with store.transaction(durable=False):
            store.orders.fill(order, a_fill(1, price, filled_at=filled_at))


# -- orders --------------------------------------------------------------------


def test_order_within_the_limits_passes_and_the_guard_is_rung(store, risk, rings):
    order = store_order(store)

    assert risk.step() == 1

    assert status_of(store, order) is S.RISK_PASSED
    assert "execution_guard" in rings
    assert "trading_bot" not in rings
    event = store.orders.events(order_id=order.order_id)[-1]
    assert event.text == "exposure 6500.00 <= 20000"


def test_order_beyond_a_limit_is_denied_with_code_and_figures(store, risk, rings):
    order = store_order(store, quantity=101)

    risk.step()

    after = store.orders.get(order.order_id)
    assert after.status is S.DENIED
    assert after.reason == (
        "ORDER_VALUE_EXCEEDS_MAXIMUM: value=10100.00, maximum=10000"
    )
    assert "trading_bot" in rings


def test_nothing_to_do_is_nothing_done(risk, rings):
    assert risk.step() == 0
    assert rings == []


def test_other_services_rows_are_left_alone(store, risk):
    orders = [store_order(store, status) for status in S if status is not S.INITIALIZED]

    assert risk.step() == 0
    assert [status_of(store, order) for order in orders] == [o.status for o in orders]


def test_each_order_of_a_batch_is_judged_with_all_that_passed_before_it(store, risk):
    orders = [store_order(store, quantity=90) for _ in range(4)]

    risk.step()

    # 9,000 rupees each: two fit below 20,000.
    assert [status_of(store, order) for order in orders] == [
        S.RISK_PASSED,
        S.RISK_PASSED,
        S.DENIED,
        S.DENIED,
    ]


def test_denied_order_takes_no_room_from_the_next_one(store, risk):
    store_order(store, quantity=150)
    order = store_order(store, quantity=100)

    risk.step()

    assert status_of(store, order) is S.RISK_PASSED


def test_orders_that_passed_count_until_they_are_at_an_end(store, risk):
    passed = store_order(store, S.ACCEPTED, quantity=100)
    store_order(store, S.CANCELED, quantity=100)
    orders = [store_order(store, quantity=100) for _ in range(2)]

    risk.step()

    assert status_of(store, passed) is S.ACCEPTED
    assert [status_of(store, order) for order in orders] == [S.RISK_PASSED, S.DENIED]


def test_part_filled_order_counts_once(store, risk):
    # 40 held and 60 on their way: 10,000 rupees, not 14,000.
    store_order(store, S.PARTIALLY_FILLED, quantity=100, filled_quantity=40)
    order = store_order(store, quantity=100)

    risk.step()

    assert status_of(store, order) is S.RISK_PASSED


def test_two_adjustments_of_a_batch_do_not_turn_a_position(store, risk):
    hold(store, 65)
    lose(store, 2000, store.orders.recent(limit=1)[0].created_at)
    orders = [
        store_order(store, intent=Intent.ADJUST, side=Side.SELL, quantity=65)
        for _ in range(2)
    ]

    risk.step()

    assert [status_of(store, order) for order in orders] == [S.RISK_PASSED, S.DENIED]


def test_exit_passes_and_its_event_claims_no_limit_kept(store, risk):
    hold(store, 100, price=900)
    order = store_order(store, intent=Intent.EXIT, side=Side.SELL, quantity=100)

    risk.step()

    event = store.orders.events(order_id=order.order_id)[-1]
    assert (event.trigger, event.text) == (
        "risk_passed",
        "shrinks the position, exposure 90000.00",
    )


def test_batch_is_limited_and_the_rest_comes_next(store, risk):
    alert_id = store_alert(store)
    for leg in range(1, BATCH + 6):
        store_order(store, alert_id=alert_id, leg=leg, quantity=1)

    assert [risk.step(), risk.step(), risk.step()] == [BATCH, 5, 0]


def test_status_is_a_sentence_with_the_figures(store, risk):
    store_order(store)
    store_order(store, quantity=500)
    risk.step()

    assert risk.status() == (
        "1 orders passed, 1 denied, P&L today 0.00 of at least -1000"
    )


# -- the day's loss ------------------------------------------------------------


def test_loss_that_reaches_the_limit_stops_entries(store, clock, risk):
    lose(store, 1000, clock.now())

    risk.step()

    status = store.trading.status()
    assert (status.state, status.set_by) == (TradingState.REDUCING, "risk_manager")
    assert "-1000" in status.reason


def test_loss_a_rupee_short_of_the_limit_stops_nothing(store, clock, risk):
    lose(store, 999, clock.now())

    risk.step()

    assert store.trading.status().state is TradingState.ACTIVE


def test_yesterdays_loss_is_yesterdays(store, clock, risk):
    lose(store, 5000, day_begin(clock.now()) - timedelta(microseconds=1))

    risk.step()

    assert store.trading.status().state is TradingState.ACTIVE


def test_price_alone_can_reach_the_limit_without_any_order(store, clock, risk):
    order = hold(store, 100, price=100)
    risk.step()
    with store.transaction(durable=False):
        store.positions.note_prices(
            {(order.exchange, order.tradingsymbol): Decimal(90)}
        )
    clock.advance(WATCH_SECONDS)

    risk.step()

    assert store.trading.status().state is TradingState.REDUCING


def test_loss_is_looked_at_now_and_then_not_at_each_ring(store, clock, risk):
    risk.step()
    lose(store, 1000, clock.now())
    clock.advance(WATCH_SECONDS - 0.1)

    risk.step()
    assert store.trading.status().state is TradingState.ACTIVE
    clock.advance(0.1)
    risk.step()

    assert store.trading.status().state is TradingState.REDUCING


def test_next_day_resumes_what_the_service_had_stopped_itself(store, clock, risk):
    lose(store, 1000, clock.now())
    risk.step()

    clock.advance(DAY)
    risk.step()

    status = store.trading.status()
    assert (status.state, status.set_by) == (TradingState.ACTIVE, "risk_manager")


def test_same_day_stays_stopped_although_the_loss_is_made_good(store, clock, risk):
    order = hold(store, 100, price=100)
    key = (order.exchange, order.tradingsymbol)
    for price in (90, 120):
        with store.transaction(durable=False):
            store.positions.note_prices({key: Decimal(price)})
        risk.step()
        clock.advance(WATCH_SECONDS)
    risk.step()

    assert store.trading.status().state is TradingState.REDUCING


def test_next_day_with_the_loss_still_open_stays_stopped(store, clock, risk):
    order = hold(store, 100, price=100)
    with store.transaction(durable=False):
        store.positions.note_prices(
            {(order.exchange, order.tradingsymbol): Decimal(80)}
        )
    risk.step()

    clock.advance(DAY)
    risk.step()

    assert store.trading.status().state is TradingState.REDUCING


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_what_somebody_else_has_stopped_stays_stopped(store, clock, risk, state):
    with store.transaction(durable=True):
        store.trading.set(state, reason="trouble", by="somebody")
    lose(store, 1000, clock.now())

    risk.step()
    clock.advance(DAY)
    risk.step()

    status = store.trading.status()
    assert (status.state, status.set_by) == (state, "somebody")


class HaltedMeanwhile(SqliteOrderStore):
    """Somebody halts trading just before the first transaction begins."""

    halts = True

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        if self.halts:
            self.halts = False
            with super().transaction(durable=True):
                self.trading.set(TradingState.HALTED, reason="trouble", by="somebody")
        with super().transaction(durable=durable):
            yield


def test_halt_between_the_look_and_the_step_is_not_weakened(
    tmp_path, store, clock, rings
):
    lose(store, 1000, clock.now())
    other = HaltedMeanwhile(
        tmp_path / "orders.db", service="risk_manager", run_id="r", clock=clock
    )

    SupremeRiskManager(other, LIMITS, clock, rings).step()

    assert store.trading.status().state is TradingState.HALTED
    other.close()


def test_loss_denies_entries_even_before_trading_is_reduced(store, clock, rings):
    lose(store, 1000, clock.now())
    order = store_order(store)
    generous = replace(LIMITS, max_daily_loss=Decimal(1001))

    SupremeRiskManager(store, generous, clock, rings).step()
    assert status_of(store, order) is S.RISK_PASSED
    later = store_order(store)
    SupremeRiskManager(store, LIMITS, clock, rings).step()

    assert store.orders.get(later.order_id).reason.startswith("DAILY_LOSS_LIMIT")


def test_order_that_was_claimed_meanwhile_is_not_passed_twice(
    store, risk, clock, rings
):
    order = store_order(store)
    other = SupremeRiskManager(store, LIMITS, clock, rings)

    assert (risk.step(), other.step()) == (1, 0)

    events = store.orders.events(order_id=order.order_id)
    assert [event.trigger for event in events].count(OrderTrigger.RISK_PASSED) == 1


# -- new terms -------------------------------------------------------------------


def ask_for(store, order, quantity):
    """Ask for another quantity of an order that works at a limit of 100."""
    terms = Terms(quantity=quantity, price=Decimal(100), trigger_price=None)
    with store.transaction(durable=False):
        assert store.modifies.request(order.order_id, terms, by="me")


def test_new_terms_within_the_limits_pass_and_the_guard_is_rung(store, risk, rings):
    order = store_order(store, S.ACCEPTED, **AT_100)
    ask_for(store, order, 100)

    assert risk.step() == 1

    assert store.modifies.get(order.order_id).stage is ModifyStage.RISK_PASSED
    assert "execution_guard" in rings


def test_new_terms_beyond_a_limit_are_denied_and_the_old_ones_hold(store, risk):
    order = store_order(store, S.ACCEPTED, **AT_100)
    ask_for(store, order, 101)

    assert risk.step() == 1

    assert "ORDER_VALUE" in store.modifies.get(order.order_id).result
    assert store.orders.get(order.order_id) == order


def test_new_terms_take_the_place_of_the_old_ones_in_the_exposure(store, risk):
    store_order(store, S.ACCEPTED, strategy="another", **{**AT_100, "quantity": 100})
    order = store_order(store, S.ACCEPTED, **AT_100)
    # 20,000 of 20,000; beside the old terms it would be 25,000.
    ask_for(store, order, 100)

    risk.step()

    assert store.modifies.get(order.order_id).stage is ModifyStage.RISK_PASSED
