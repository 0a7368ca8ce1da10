"""A day that loses too much ends its entries once, and closes what is held."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.discrepancies import (
    Discrepancy,
    DiscrepancyKind,
    refused_holding,
)
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.domain.positions import ZERO
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.risk.day_watch import (
    BreachRules,
    DayWatch,
    losing_days,
)
from shoonya_platform.risk.limits import RiskBook, RiskLimits
from shoonya_platform.risk.under_way import EXIT_AGAIN_SECONDS
from shoonya_platform.store.base import RiskDay
from shoonya_platform.testing.orders import (
    SYMBOL,
    a_fill,
    a_leg,
    an_alert,
    store_alert,
    store_order,
)

LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(10**9),
    max_open_positions=100,
    max_order_value=Decimal(10**9),
    trail_step=Decimal(500),
)
NOON = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)


@pytest.fixture
def rung() -> list[str]:
    return []


def watch(store, clock, rung, *, limits=LIMITS, **breach) -> DayWatch:
    return DayWatch(
        store,
        limits,
        BreachRules(**breach),
        clock,
        lambda *services: rung.extend(services),
    )


def hold(store, quantity=65, **changes):
    order = store_order(store, OrderStatus.ACCEPTED, quantity=quantity, **changes)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity, 100))
    return order


def look(day_watch, store, pnl):
    """Show the watch what is held, with a P&L of the test's choice."""
    positions = store.positions.open()
    unrealised = sum((p.unrealised_pnl for p in positions), ZERO)
    book = RiskBook(positions=positions, realised_today=Decimal(pnl) - unrealised)
    return day_watch.look(book)


def exits(store):
    return [a.alert for a in store.alerts.in_status(AlertStatus.RECEIVED, limit=99)]


@pytest.mark.parametrize(
    ("best", "lowest"), [(0, -1000), (499, -1000), (500, -500), (1700, 500)]
)
def test_the_loss_limit_rises_with_the_days_best_profit_by_steps(best, lowest):
    assert LIMITS.lowest_pnl(Decimal(best)) == lowest


def test_a_breach_stops_entries_and_closes_everything_the_usual_way(store, clock, rung):
    hold(store, 65, strategy="a")
    hold(store, 30, strategy="b", side=Side.SELL, tradingsymbol="BANKNIFTY28DEC27F")

    look(watch(store, clock, rung), store, -1000)

    assert store.trading.status().state is TradingState.REDUCING
    assert {
        (alert.strategy, alert.intent, alert.legs[0].tradingsymbol)
        for alert in exits(store)
    } == {("a", Intent.EXIT, SYMBOL), ("b", Intent.EXIT, "BANKNIFTY28DEC27F")}
    assert "trading_bot" in rung


def test_a_breach_acts_once_a_day_also_after_a_restart(store, clock, rung):
    hold(store)
    look(watch(store, clock, rung), store, -1000)
    with store.transaction(durable=False):
        store.trading.set(TradingState.ACTIVE, reason="on my head", by="operator")

    look(watch(store, clock, rung), store, -1500)

    assert len(exits(store)) == 1
    assert store.trading.status().state is TradingState.ACTIVE


def test_positions_left_by_a_breach_are_exited_while_trading_is_halted(
    store, clock, rung
):
    hold(store)
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    close_alerts(store)
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="enough", by="operator")
    clock.advance(EXIT_AGAIN_SECONDS)

    look(day_watch, store, -1000)

    assert len(exits(store)) == 1


def test_the_first_loss_of_a_day_without_any_profit_counts(store, clock, rung):
    look(watch(store, clock, rung), store, -1000)

    assert store.risk.day(trading_day(clock.now())).breached


def test_the_trailed_limit_is_remembered_over_a_restart(store, clock, rung):
    look(watch(store, clock, rung), store, 1700)

    look(watch(store, clock, rung), store, 500)

    assert store.trading.status().state is TradingState.REDUCING


def asked_to_cancel(store):
    return [request.order_id for request in store.orders.cancel_requests(limit=9)]


def test_a_breach_cancels_what_would_still_enter_and_no_stop(store, clock, rung):
    hold(store, 130)
    entry = store_order(store, OrderStatus.ACCEPTED, tradingsymbol="OTHER28DEC27F")
    store_order(store, OrderStatus.ACCEPTED, side=Side.SELL, intent=Intent.ADJUST)
    store_order(store, OrderStatus.ACCEPTED, side=Side.SELL, intent=Intent.EXIT)

    look(watch(store, clock, rung, exit_all=False), store, -1000)

    assert asked_to_cancel(store) == [entry.order_id]
    assert "command_service" in rung


def close_alerts(store):
    """Let the exits so far come to nothing."""
    waiting = store.alerts.in_status(AlertStatus.RECEIVED, limit=99)
    with store.transaction(durable=False):
        for stored in waiting:
            store.alerts.record(
                stored.alert_id, AlertStatus.COMPLETED, outcome="", text=""
            )
    return len(waiting)


def test_what_a_breach_left_open_is_exited_again_after_a_minute(store, clock, rung):
    hold(store)
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    assert close_alerts(store) == 1
    clock.advance(EXIT_AGAIN_SECONDS - 1)
    look(day_watch, store, -1000)
    assert exits(store) == []

    clock.advance(1)
    look(day_watch, store, -1000)

    assert [alert.legs[0].tradingsymbol for alert in exits(store)] == [SYMBOL]
    # While that is under way, none follows it.
    clock.advance(EXIT_AGAIN_SECONDS)
    look(day_watch, store, -1000)
    assert close_alerts(store) == 1
    store_order(store, OrderStatus.ACCEPTED, side=Side.SELL, intent=Intent.EXIT)
    clock.advance(EXIT_AGAIN_SECONDS)
    look(day_watch, store, -1000)
    assert exits(store) == []


def test_target_that_rests_does_not_hold_the_exits_of_a_breach_back(store, clock, rung):
    hold(store)
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    target = an_alert(
        a_leg(order_type="LMT", price=120.0, direction="SELL"), execution_type="exit"
    )
    alert_id = store_alert(store, target)
    close_alerts(store)
    store_order(
        store,
        OrderStatus.ACCEPTED,
        alert_id=alert_id,
        side=Side.SELL,
        intent=Intent.EXIT,
    )
    clock.advance(EXIT_AGAIN_SECONDS)

    look(day_watch, store, -1000)

    assert [alert.legs[0].tradingsymbol for alert in exits(store)] == [SYMBOL]


def test_exit_that_was_refused_to_the_end_is_not_sent_again_until_acknowledged(
    store, clock, rung
):
    order = hold(store)
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    close_alerts(store)
    refused = Discrepancy(
        kind=DiscrepancyKind.EXIT_REFUSED,
        subject=refused_holding(
            order.strategy, order.exchange, order.tradingsymbol, order.product
        ),
        text="refused",
        action="",
    )
    with store.transaction(durable=False):
        store.discrepancies.note(refused)
    clock.advance(EXIT_AGAIN_SECONDS)
    look(day_watch, store, -1000)
    assert exits(store) == []

    with store.transaction(durable=False):
        store.discrepancies.resolve(refused.kind, refused.subject)
    look(day_watch, store, -1000)

    assert [alert.legs[0].tradingsymbol for alert in exits(store)] == [SYMBOL]


def test_nothing_is_exited_again_once_somebody_opened_trading(store, clock, rung):
    hold(store)
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    close_alerts(store)
    with store.transaction(durable=False):
        store.trading.set(TradingState.ACTIVE, reason="on my head", by="operator")
    clock.advance(EXIT_AGAIN_SECONDS)

    look(day_watch, store, -1000)

    assert exits(store) == []


def test_second_exit_rings_the_one_that_plans_it(store, clock, rung):
    hold(store)
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    close_alerts(store)
    clock.advance(EXIT_AGAIN_SECONDS)
    rung.clear()

    look(day_watch, store, -1000)

    assert rung == ["trading_bot"]


def test_exits_left_to_the_operator_do_not_follow_later(store, clock, rung):
    hold(store)
    day_watch = watch(store, clock, rung, exit_all=False)
    look(day_watch, store, -1000)
    clock.advance(EXIT_AGAIN_SECONDS)

    look(day_watch, store, -1000)

    assert exits(store) == []


def test_operator_who_reduces_without_a_breach_keeps_the_positions(store, clock, rung):
    hold(store)
    with store.transaction(durable=False):
        store.trading.set(TradingState.REDUCING, reason="lunch", by="operator")

    look(watch(store, clock, rung), store, -500)

    assert exits(store) == []


def test_exits_of_a_breach_wait_for_the_market_to_open(store, clock, rung):
    hold(store)
    clock.jump_to(datetime(2026, 11, 24, 18, 35, tzinfo=UTC))
    day_watch = watch(store, clock, rung, calendar=market_calendar())
    look(day_watch, store, -1000)
    assert store.trading.status().state is TradingState.REDUCING
    assert exits(store) == []

    clock.jump_to(datetime(2026, 11, 25, 3, 46, tzinfo=UTC))
    look(day_watch, store, -1000)

    assert [alert.legs[0].tradingsymbol for alert in exits(store)] == [SYMBOL]


def test_exits_can_be_left_to_the_operator(store, clock, rung):
    hold(store)

    look(watch(store, clock, rung, exit_all=False), store, -1000)

    assert exits(store) == []


def test_more_positions_than_an_alert_has_legs_are_all_closed(store, clock, rung):
    for number in range(23):
        hold(store, tradingsymbol=f"NIFTY28DEC27C{20000 + number}")

    look(watch(store, clock, rung), store, -1000)

    assert sorted(len(alert.legs) for alert in exits(store)) == [3, 20]
    assert {alert.exchange for alert in exits(store)} == {Exchange.NFO}


def test_a_breach_that_halts_waits_for_its_exits(store, clock, rung):
    hold(store)
    day_watch = watch(store, clock, rung, then="halt")
    look(day_watch, store, -1000)
    look(day_watch, store, -1000)
    assert store.trading.status().state is TradingState.REDUCING

    hold(store, side=Side.SELL, intent=Intent.EXIT)
    look(day_watch, store, -1000)

    assert store.trading.status().state is TradingState.HALTED


@pytest.mark.parametrize("then", ["reduce", "halt"])
def test_the_next_day_opens_what_risk_manager_itself_had_closed(
    store, clock, rung, then
):
    day_watch = watch(store, clock, rung, then=then)
    look(day_watch, store, -1000)
    look(day_watch, store, -1000)
    clock.advance(timedelta(days=1).total_seconds())

    look(day_watch, store, 0)

    assert store.trading.status().state is TradingState.ACTIVE


def test_the_next_day_stays_closed_if_it_begins_with_a_breach(store, clock, rung):
    day_watch = watch(store, clock, rung)
    look(day_watch, store, -1000)
    clock.advance(timedelta(days=1).total_seconds())

    look(day_watch, store, -1000)
    look(day_watch, store, -1000)

    assert store.trading.status().state is TradingState.REDUCING


def test_the_next_day_leaves_an_operators_halt_alone(store, clock, rung):
    with store.transaction(durable=False):
        store.trading.set(TradingState.HALTED, reason="holiday", by="operator")
    clock.advance(timedelta(days=1).total_seconds())

    look(watch(store, clock, rung), store, 0)

    assert store.trading.status().state is TradingState.HALTED


@pytest.mark.parametrize(
    ("pnl", "warned"),
    [
        pytest.param(-799, False, id="above the threshold"),
        pytest.param(-800, True, id="at the threshold"),
        # The original warned on a profit as well.
        pytest.param(1000, False, id="a profit of the same size"),
    ],
)
def test_the_warning_comes_at_its_share_of_the_loss(store, clock, rung, pnl, warned):
    look(watch(store, clock, rung), store, pnl)

    assert store.risk.day(trading_day(clock.now())).warned is warned


@pytest.mark.parametrize("pnl", [-999, -1, 0, 1])
def test_share_of_0_never_warns(store, clock, rung, pnl):
    limits = replace(LIMITS, warning_share=ZERO)

    look(watch(store, clock, rung, limits=limits), store, pnl)

    assert not store.risk.day(trading_day(clock.now())).warned


def test_warning_and_breach_are_logged_once_each(store, clock, rung, caplog):
    day_watch = watch(store, clock, rung)

    for pnl in (-799, -800, -900, -1000, -1100):
        look(day_watch, store, pnl)

    logged = [(record.event, record.levelname) for record in caplog.records]
    assert logged == [("risk_warning", "WARNING"), ("risk_breach", "CRITICAL")]


def test_losing_days_are_counted_in_a_row_from_the_newest():
    def day(number, pnl):
        return RiskDay(
            day=trading_day(NOON) - timedelta(days=number),
            best_pnl=ZERO,
            last_pnl=Decimal(pnl),
            warned=False,
            breached=False,
        )

    from_newest = [day(1, -5), day(2, -1), day(3, 0), day(4, -9)]

    assert losing_days(from_newest) == 2
    assert losing_days([]) == 0


def cool_down(store, clock):
    """Return for how many losing days in a row entries would pause now."""
    today = trading_day(clock.now())
    return losing_days(store.risk.days_before(today, limit=2))


def test_cool_down_ends_after_one_trading_day_without_a_trade(store, clock, rung):
    # Thursday and Friday are lost, Saturday and Sunday no days of trading.
    clock.jump_to(datetime(2026, 11, 26, 6, 30, tzinfo=UTC))
    day_watch = watch(store, clock, rung, calendar=market_calendar())
    for pnl in (-500, -500, 0, 0):
        look(day_watch, store, pnl)
        clock.advance(24 * 3600)
    assert cool_down(store, clock) == 2

    look(day_watch, store, 0)
    assert cool_down(store, clock) == 2
    clock.advance(24 * 3600)

    assert cool_down(store, clock) == 0


def test_only_days_before_are_asked_for_newest_first(store, clock):
    today = trading_day(clock.now())
    for number in range(4):
        with store.transaction(durable=False):
            store.risk.save(
                RiskDay(
                    day=today - timedelta(days=number),
                    best_pnl=ZERO,
                    last_pnl=Decimal(-number),
                    warned=False,
                    breached=False,
                )
            )

    found = store.risk.days_before(today, limit=2)

    assert [day.last_pnl for day in found] == [-1, -2]


def test_curve_of_the_day_gets_a_point_a_minute_in_which_it_changes(store, clock, rung):
    day_watch = watch(store, clock, rung)
    begin = clock.now().replace(second=0, microsecond=0)

    for seconds, pnl in ((0, 0), (1, 10), (2, 20), (60, 20), (60, 30), (60, 30)):
        clock.advance(seconds)
        look(day_watch, store, pnl)

    noted = store.risk.pnl_since(begin)
    assert [sample.total for sample in noted] == [10, 20, 30]
    assert noted[0].at == begin
