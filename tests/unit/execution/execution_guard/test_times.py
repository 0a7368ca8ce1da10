"""What the trading state, the age of an alert and the hours let pass."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.domain.square_off import SquareOffTimes
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.execution_guard.conftest import (
    NIGHT,
    RULES,
    Instruments,
    hold,
    judged,
)
from tests.unit.execution.rows import HALTED, REDUCING, S, set_trading, status_of


@pytest.mark.parametrize(
    ("intent", "reason"),
    [(Intent.ENTRY, HALTED), (Intent.ADJUST, HALTED), (Intent.EXIT, "")],
)
def test_only_exits_go_out_while_trading_is_halted(guard, store, intent, reason):
    hold(store, quantity=130)
    set_trading(store, TradingState.HALTED)

    assert judged(guard, store, intent=intent, side=Side.SELL, quantity=65) == reason


def test_entry_is_denied_while_trading_is_reducing(guard, store):
    set_trading(store, TradingState.REDUCING)

    assert judged(guard, store) == REDUCING


def test_exit_goes_out_while_trading_is_reducing(guard, store):
    set_trading(store, TradingState.REDUCING)

    assert judged(guard, store, intent=Intent.EXIT, side=Side.SELL) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"quantity": 65}, "", id="shrinks"),
        pytest.param({"quantity": 130}, "", id="closes"),
        pytest.param({"quantity": 195}, REDUCING, id="turns"),
        pytest.param({"side": Side.BUY}, REDUCING, id="grows"),
        pytest.param(
            {"strategy": "x"},
            REDUCING,
            id="not-its-own",
        ),
        pytest.param(
            {"product": Product.MIS},
            REDUCING,
            id="other-product",
        ),
    ],
)
def test_adjustment_goes_out_while_reducing_if_it_only_shrinks(
    guard, store, changes, reason
):
    hold(store, 130)
    set_trading(store, TradingState.REDUCING)
    fields = {"intent": Intent.ADJUST, "side": Side.SELL, **changes}

    assert judged(guard, store, **fields) == reason


def test_adjustment_does_not_close_while_reducing_what_an_exit_closes(guard, store):
    hold(store, 65)
    store_order(store, S.SUBMITTED, intent=Intent.EXIT, side=Side.SELL)
    set_trading(store, TradingState.REDUCING)

    reason = judged(guard, store, intent=Intent.ADJUST, side=Side.SELL)

    assert reason == REDUCING


def test_status_names_the_trading_state_and_the_hours(guard, office_guard, store):
    set_trading(store, TradingState.HALTED)
    guard.step()

    assert guard.status() == (
        "trading is HALTED, round the clock; lots and ticks of our own table; "
        "0 orders passed, 0 denied"
    )
    assert "exchange hours" in office_guard.status()


def test_entry_may_be_as_old_as_the_limit_and_no_older(guard, store, clock):
    clock.advance(120)
    assert judged(guard, store, alerted_at=BEGIN) == ""

    clock.advance(0.1)
    reason = judged(guard, store, alerted_at=BEGIN, strategy="other")
    assert reason == "ALERT_STALE: age_seconds=120.1, maximum=120.0"


def test_old_exit_still_goes_out(guard, store, clock):
    clock.advance(100_000)

    assert (
        judged(guard, store, intent=Intent.EXIT, side=Side.SELL, alerted_at=BEGIN) == ""
    )


def test_wall_clock_set_back_makes_no_alert_stale(guard, store, clock):
    clock.jump_to(BEGIN - timedelta(hours=1))

    assert judged(guard, store, alerted_at=BEGIN) == ""


def test_entry_outside_of_the_exchanges_hours_is_denied_with_the_hours(
    office_guard, store, clock
):
    clock.jump_to(NIGHT)

    reason = judged(office_guard, store, intent=Intent.ENTRY, alerted_at=NIGHT)

    assert reason.startswith("MARKET_CLOSED: exchange=NFO, why=outside 09:15-")


def test_exit_outside_of_hours_is_denied_where_the_settings_say_so(store, clock, rings):
    rules = replace(RULES, calendar=market_calendar(), exits_wait=False)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)
    clock.jump_to(NIGHT)

    reason = judged(guard, store, intent=Intent.EXIT, alerted_at=NIGHT)

    assert reason.startswith("MARKET_CLOSED: ")


def shown(store):
    return [d.text for d in store.discrepancies.open(DiscrepancyKind.EXIT_WAITS)]


def test_exit_outside_of_hours_waits_is_shown_and_goes_out_at_the_opening(
    office_guard, store, clock
):
    clock.jump_to(NIGHT)
    order = store_order(
        store, S.RISK_PASSED, intent=Intent.EXIT, side=Side.SELL, alerted_at=NIGHT
    )

    assert office_guard.step() == 0
    assert status_of(store, order) is S.RISK_PASSED
    (text,) = shown(store)
    assert text.endswith("waits until NFO opens, Thu 26 Nov 09:15")
    assert "1 exits wait for their market" in office_guard.status()

    # More that waits hides nothing that does not.
    later = store_order(store, S.RISK_PASSED, alerted_at=NIGHT)
    assert office_guard.step() == 1
    assert status_of(store, later) is S.DENIED

    clock.jump_to(datetime(2026, 11, 26, 3, 45, tzinfo=UTC))
    office_guard.step()
    office_guard.step()

    assert status_of(store, order) is S.GUARD_PASSED
    assert shown(store) == []


def test_order_within_the_exchanges_hours_passes(office_guard, store):
    assert judged(office_guard, store) == ""


def test_paper_trades_round_the_clock(guard, store, clock):
    clock.jump_to(NIGHT)

    assert judged(guard, store, alerted_at=NIGHT) == ""


@pytest.mark.parametrize(
    ("at", "product", "intent", "is_denied"),
    [
        ("09:39", Product.MIS, Intent.ENTRY, False),
        ("09:40", Product.MIS, Intent.ENTRY, True),
        ("09:40", Product.MIS, Intent.EXIT, False),
        ("09:40", Product.NRML, Intent.ENTRY, False),
    ],
)
def test_no_entry_is_made_that_would_be_squared_off_at_once(
    store, clock, rings, at, product, intent, is_denied
):
    # 15:10 in India is 09:40 in UTC.
    times = SquareOffTimes(mis=time(15, 10), calendar=market_calendar())
    rules = replace(RULES, square_off_times=times, max_alert_age_seconds=1e6)
    hour, minute = map(int, at.split(":"))
    now = datetime(2026, 11, 25, hour, minute, tzinfo=UTC)
    clock.advance((now - clock.now()).total_seconds())
    order = store_order(store, S.RISK_PASSED, product=product, intent=intent)

    ExecutionGuard(store, Instruments(), rules, clock, rings).step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("MIS_SQUARE_OFF") is is_denied


@pytest.mark.parametrize(
    ("strategy", "intent", "is_denied"),
    [
        ("straddle", Intent.ENTRY, True),
        ("straddle", Intent.EXIT, False),
        ("other", Intent.ENTRY, False),
    ],
)
def test_no_entry_of_a_strategy_after_its_own_time(
    store, clock, rings, strategy, intent, is_denied
):
    times = SquareOffTimes(strategies={"straddle": time(10, 0)})
    rules = replace(RULES, square_off_times=times)
    order = store_order(store, S.RISK_PASSED, strategy=strategy, intent=intent)

    # It is 10:00 in India.
    ExecutionGuard(store, Instruments(), rules, clock, rings).step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("STRATEGY_SQUARE_OFF") is is_denied
