"""shoonyactl risk: the kill switch, and the figures beside their limits."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import OrderStatus, Side
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.store.base import RiskDay
from shoonya_platform.store.doorbell import Doorbell
from shoonya_platform.testing.orders import store_order

S = OrderStatus


def state(store):
    return store.trading.status().state


@pytest.mark.parametrize(
    ("verb", "expected"),
    [("halt", TradingState.HALTED), ("reduce", TradingState.REDUCING)],
)
def test_stopping_asks_nobody_and_rings_those_it_concerns(
    ctl, home, store, verb, expected
):
    names = ("execution_guard", "command_service", "risk_manager")
    bells = [Doorbell(home / "run", name) for name in names]

    result = ctl("risk", verb, "--reason", "exchange trouble")

    assert (result.code, result.out) == (0, f"trading is {expected}\n")
    status = store.trading.status()
    assert (status.state, status.reason) == (expected, "exchange trouble")
    assert status.set_by
    assert [bell.wait(0) for bell in bells] == [True] * 3
    for bell in bells:
        bell.close()


def test_resuming_without_a_terminal_is_refused_without_yes(ctl, store):
    ctl("risk", "halt")

    result = ctl("risk", "resume")

    assert result.code == 2
    assert "--yes" in result.err
    assert state(store) is TradingState.HALTED
    assert ctl("risk", "resume", "--yes").code == 0
    assert state(store) is TradingState.ACTIVE


def test_state_that_is_set_already_keeps_who_set_it_and_why(ctl, store):
    ctl("risk", "halt", "--reason", "first")

    result = ctl("risk", "halt", "--reason", "second")

    assert result.code == 0
    assert "already: first" in result.out
    assert store.trading.status().reason == "first"


def test_show_has_each_figure_beside_its_limit(ctl, store):
    store_order(store, S.FILLED, quantity=100)
    store_order(store, S.ACCEPTED, quantity=50, tradingsymbol="OTHER")

    document = ctl("risk", "show", "--json").document

    assert {
        name: tuple(each.values()) for name, each in document["figures"].items()
    } == {
        "daily_pnl": ("0.00", "-20000", ""),
        "exposure": ("15000.00", "5000000", ""),
        "symbol_exposure": ("10000.00", "2000000", "NFO:NIFTY28DEC27F"),
        "strategy_exposure": ("15000.00", "5000000", "straddle"),
        "open_positions": (2, 10, ""),
        "orders_today": (2, 500, ""),
        "losing_days": (0, 3, ""),
    }
    assert document["max_order_value"] == "2000000"
    assert document["trading"]["state"] == "ACTIVE"


def test_show_counts_what_is_lost_and_names_who_stopped_trading(ctl, store):
    store_order(store, S.FILLED, quantity=100)
    with store.transaction(durable=False):
        store.positions.note_prices({(Exchange.NFO, "NIFTY28DEC27F"): 90})
        store.trading.set(TradingState.REDUCING, reason="lost", by="risk_manager")

    result = ctl("risk", "show")

    assert "-1000.00" in result.out
    assert "trading is REDUCING: lost" in result.out
    assert "by risk_manager" in result.out


def test_show_has_the_loss_limit_that_rose_with_the_days_best_profit(ctl, store, clock):
    with store.transaction(durable=False):
        store.risk.save(
            RiskDay(
                day=trading_day(clock.now()),
                best_pnl=Decimal(12000),
                last_pnl=Decimal(0),
                warned=False,
                breached=False,
            )
        )

    figures = ctl("risk", "show", "--json").document["figures"]

    assert figures["daily_pnl"]["limit"] == "-10000"


def test_show_counts_nothing_for_what_was_closed(ctl, store):
    store_order(store, S.FILLED)
    store_order(store, S.FILLED, side=Side.SELL)

    figures = ctl("risk", "show", "--json").document["figures"]

    assert figures["open_positions"]["value"] == 0
