"""
Histories that once ended badly, each as a fixed schedule and not as a chance.

The number is that of the failure in the list of issue 11.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import Product
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from tests.simulation.exchange import FOREIGN_SYMBOL
from tests.simulation.faults import Fault, Scripted
from tests.simulation.operator import Copy
from tests.simulation.run import Options, Result, Simulation, run

SYMBOL = "NIFTY28DEC27F"
OTHER = "NIFTY28DEC27C25000"


def live(
    scenario: Callable[[Simulation], None], *script: Scripted, seconds: float = 120.0
) -> Result:
    """Run a scripted history."""
    return run(
        1, Options(script=script or [_NOTHING], scenario=scenario, seconds=seconds)
    )


#: A script that never matches: a history without chance.
_NOTHING = Scripted(Fault.LATE, "no such request")


def enter(
    simulation: Simulation, at: float, strategy: str = "s", lots: int = 1
) -> None:
    traffic = simulation.traffic
    simulation.world.after(
        at,
        lambda: traffic.send(strategy, "entry", [traffic.leg(SYMBOL, "BUY", lots)]),
    )


def leave(
    simulation: Simulation, at: float, strategy: str = "s", lots: int = 1
) -> None:
    traffic = simulation.traffic
    simulation.world.after(
        at,
        lambda: traffic.send(strategy, "exit", [traffic.leg(SYMBOL, "SELL", lots)]),
    )


def statuses(simulation: Simulation) -> list[OrderStatus]:
    """Return the statuses of all orders as they are now."""
    store = simulation.platform.open_store(None, "simulation", "look")
    try:
        return [order.status for order in store.orders.recent(limit=100)]
    finally:
        simulation.engine.drop(store)


def reasons(result: Result) -> list[str]:
    return [str(failure) for failure in result.failures]


def test_without_faults_all_is_well():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        leave(simulation, 40)

    result = live(scenario)

    assert reasons(result) == []
    assert result.orders == 2


@pytest.mark.parametrize("seconds", [17, 25, 40, 300, 600])
def test_1_entry_that_arrives_late_is_filled_once(seconds):
    result = live(
        lambda simulation: enter(simulation, 5),
        Scripted(Fault.LATE, "PlaceOrder", figure=seconds),
    )

    assert reasons(result) == []
    assert result.faults[Fault.LATE] == 1


@pytest.mark.parametrize("seconds", [17, 25, 40, 300, 600])
def test_1_exit_that_arrives_late_leaves_no_excess(seconds):
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        leave(simulation, 30)

    result = live(scenario, Scripted(Fault.LATE, " S", figure=seconds))

    assert reasons(result) == []
    assert result.faults[Fault.LATE] == 1
    assert not any(result.held.values())


def test_2_wrong_number_in_a_reply_stops_no_service():
    def scenario(simulation: Simulation) -> None:
        for number in range(4):
            enter(simulation, 5 + 5 * number, f"s{number}")

    result = live(scenario, Scripted(Fault.WRONG_NUMBER, "PlaceOrder", skip=1, times=2))

    assert reasons(result) == []
    assert result.faults[Fault.WRONG_NUMBER] == 2


def test_3_slow_broker_ends_no_service():
    def scenario(simulation: Simulation) -> None:
        for number in range(24):
            enter(simulation, 10, f"s{number}")
        watch(simulation, 20, named)

    named: list[set[str]] = []
    result = live(scenario, Scripted(Fault.SLOW, "", skip=12, figure=180), seconds=240)

    assert reasons(result) == []
    assert any("broker_slow" in each for each in named)
    assert "broker_slow" not in named[-1]
    assert result.faults[Fault.SLOW] == 1


def test_4_left_over_is_not_sent_past_its_age():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 20)
        simulation.world.after(20.2, simulation.operator.cut_power)

    refused = Scripted(Fault.REFUSED, "PlaceOrder", times=400)
    result = live(scenario, refused, seconds=200)

    assert reasons(result) == []
    assert result.orders == 0


def test_5_store_put_back_sends_nothing_again():
    def scenario(simulation: Simulation) -> None:
        copies: list[Copy] = []
        world, operator = simulation.world, simulation.operator

        def keep() -> None:
            if statuses(simulation) == [OrderStatus.GUARD_PASSED]:
                copies.append(simulation.operator.copy())
            else:
                simulation.at_call("command_service", "begin", keep)

        def put_back() -> None:
            operator.restore(copies[0])

        enter(simulation, 5)
        # While its order has passed the guard, and before it is sent.
        simulation.at_call("command_service", "begin", keep)
        world.after(30, put_back)

    result = live(scenario)

    assert reasons(result) == []
    assert result.orders == 1


def test_6_two_orders_with_one_name_leave_no_excess():
    result = live(
        lambda simulation: enter(simulation, 5),
        Scripted(Fault.DUPLICATED, "PlaceOrder", figure=3),
    )

    assert reasons(result) == []
    assert result.faults[Fault.DUPLICATED] == 1


def test_6_order_that_closes_what_was_too_much_may_come_twice_too():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        leave(simulation, 20)

    exit_twice = Scripted(Fault.DUPLICATED, " S", figure=15)
    closing_twice = Scripted(Fault.DUPLICATED, " B", skip=1, figure=15)
    result = live(scenario, exit_twice, closing_twice)

    assert reasons(result) == []
    assert result.faults[Fault.DUPLICATED] == 2
    assert not any(result.held.values())


def test_6_foreign_order_under_our_name_is_reported():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        simulation.world.after(20, simulation.operator.forge)

    result = live(scenario)

    assert reasons(result) == []


def test_6_cancel_that_is_ignored_is_asked_again():
    def scenario(simulation: Simulation) -> None:
        traffic = simulation.traffic
        resting = traffic.leg(SYMBOL, "BUY", 1, order_type="LMT", price="110.00")
        simulation.world.after(5, lambda: traffic.send("s", "entry", [resting]))
        leave(simulation, 20)

    result = live(scenario, Scripted(Fault.CANCEL_IGNORED, ""))

    assert reasons(result) == []
    assert result.faults[Fault.CANCEL_IGNORED] == 1


def test_7_halt_stops_a_batch():
    def scenario(simulation: Simulation) -> None:
        for number in range(8):
            enter(simulation, 10, f"s{number}")
        simulation.at_call(
            "command_service",
            "before place",
            lambda: simulation.operator.set_trading(TradingState.HALTED),
        )

    result = live(scenario)

    assert reasons(result) == []
    assert result.orders < 8


def test_7_halt_between_two_legs_leaves_no_half_entry():
    def scenario(simulation: Simulation) -> None:
        traffic = simulation.traffic
        legs = [traffic.leg(SYMBOL, "SELL", 1), traffic.leg(OTHER, "SELL", 1)]
        simulation.world.after(10, lambda: traffic.send("s", "entry", legs))
        simulation.at_call(
            "command_service",
            "before place",
            lambda: simulation.operator.set_trading(TradingState.HALTED),
        )
        # Long before trading is resumed, at the end of the faults.
        simulation.world.after(60, lambda: held.update(simulation.market.positions))
        simulation.world.after(60, lambda: sent.append(len(simulation.market.orders)))

    held: dict[tuple[str, Product], int] = {}
    sent: list[int] = []
    result = live(scenario)

    assert reasons(result) == []
    # One leg, and the exit that undid it.
    assert sent == [2]
    assert list(held.values()) == [0]


def test_7_undoing_exit_waits_for_the_market_and_is_named_until_it_goes_out():
    def scenario(simulation: Simulation) -> None:
        traffic, world = simulation.traffic, simulation.world
        legs = [traffic.leg(SYMBOL, "SELL", 1), traffic.leg(OTHER, "SELL", 1)]
        world.after(10, lambda: traffic.send("s", "entry", legs))
        simulation.at_call(
            "command_service", "before place", lambda: world.close_market(20)
        )
        watch(simulation, 15, named)

    named: list[set[str]] = []
    result = live(scenario)

    assert reasons(result) == []
    assert DiscrepancyKind.EXIT_WAITS in named[0]
    assert not named[-1]
    assert not any(result.held.values())


@pytest.mark.parametrize("fault", [Fault.DEEP, Fault.SURROGATE])
def test_8_undecodable_reply_ends_no_service(fault):
    result = live(
        lambda simulation: enter(simulation, 10),
        Scripted(fault, "PlaceOrder"),
        Scripted(fault, "OrderBook", skip=4),
    )

    assert reasons(result) == []
    assert result.crashes == []
    assert result.faults[fault] == 2


def test_8_undecodable_frame_does_not_end_the_feed():
    def scenario(simulation: Simulation) -> None:
        world = simulation.world
        world.after(5, lambda: simulation.noren.spoil_feed(Fault.FEED_GARBAGE))
        world.after(50, lambda: connected.append(len(simulation.noren.sockets)))

    connected: list[int] = []
    result = live(scenario)

    assert reasons(result) == []
    assert connected == [1]


def watch(simulation: Simulation, since: float, named: list[set[str]]) -> None:
    """Note every 5 s what `check` names, from a moment on."""

    def look() -> None:
        store = simulation.platform.open_store(None, "simulation", "look")
        try:
            conditions = simulation.attention(store).conditions
        finally:
            simulation.engine.drop(store)
        named.append({str(condition.kind) for condition in conditions})
        simulation.world.after(5, look)

    simulation.world.after(since, look)


def trade_elsewhere(simulation: Simulation) -> None:
    """Have another program sell at the market, without a name."""
    simulation.market.place(
        {
            "uid": "U1",
            "actid": "U1",
            "exch": "NFO",
            "tsym": FOREIGN_SYMBOL,
            "qty": "130",
            "prc": "0",
            "prd": "M",
            "trantype": "S",
            "prctyp": "MKT",
            "ret": "DAY",
        },
        is_foreign=True,
    )


def forge(simulation: Simulation) -> None:
    simulation.operator.forge()


def nothing(simulation: Simulation) -> None:
    """The fault of the script is enough."""


@pytest.mark.parametrize(
    ("act", "fault", "kind"),
    [
        pytest.param(
            trade_elsewhere,
            _NOTHING,
            DiscrepancyKind.POSITION_DIFFERS,
            id="differing-positions",
        ),
        pytest.param(
            forge, _NOTHING, DiscrepancyKind.FOREIGN_CLAIM, id="contradictory-orders"
        ),
        pytest.param(
            nothing,
            Scripted(Fault.DUPLICATED, "PlaceOrder", figure=3),
            DiscrepancyKind.DUPLICATE_ORDER,
            id="doubled-leg",
        ),
    ],
)
def test_9_check_is_never_ok(act, fault, kind):
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        simulation.world.after(20, lambda: act(simulation))
        # What a comparison has to confirm first takes two of them.
        watch(simulation, 100, named)

    named: list[set[str]] = []
    result = live(scenario, fault)

    assert reasons(result) == []
    assert len(named) > 5
    assert all(kind in each for each in named)
    assert kind in {condition.kind for condition in result.conditions}


def test_9_check_is_ok_where_nothing_is_wrong():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        watch(simulation, 20, named)

    named: list[set[str]] = []
    result = live(scenario)

    assert reasons(result) == []
    assert named
    assert not any(named)


def test_9_clock_that_was_set_back_hides_no_reconciliation():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        simulation.world.after(70, lambda: simulation.world.set_wall_clock(-300))

    failing = Scripted(Fault.REFUSED, "recovery_service TradeBook", skip=1, times=1)
    result = live(scenario, failing)

    assert [condition.text for condition in result.conditions] == []


def test_9_outcome_that_was_found_is_not_named_after_a_restart():
    def scenario(simulation: Simulation) -> None:
        enter(simulation, 5)
        process = simulation.platform.processes["recovery_service"]
        # While its request is still under way, and after it was shown.
        simulation.world.after(25, lambda: process.kill(injected=True))

    late = Scripted(Fault.LATE, "PlaceOrder", figure=20.2)
    result = live(scenario, late)

    assert [condition.text for condition in result.conditions] == []


def test_refused_exit_gets_out_while_another_strategy_holds_the_opposite():
    """The broker shows the difference of the two: nothing."""

    def scenario(simulation: Simulation) -> None:
        traffic = simulation.traffic
        enter(simulation, 5, "long")
        simulation.world.after(
            10,
            lambda: traffic.send("short", "entry", [traffic.leg(SYMBOL, "SELL", 1)]),
        )
        leave(simulation, 40, "long")

    result = live(scenario, Scripted(Fault.EXCHANGE_REJECTS, "S", skip=1))

    assert reasons(result) == []
    assert result.faults[Fault.EXCHANGE_REJECTS] == 1
    assert list(result.held.values()) == [-65]


@pytest.mark.parametrize(("exit_at", "entry_at"), [(30, 30.9), (30.9, 30), (30, 30)])
def test_reversal_ends_in_the_new_position(exit_at, entry_at):
    def scenario(simulation: Simulation) -> None:
        traffic, world = simulation.traffic, simulation.world
        enter(simulation, 5)
        leave(simulation, exit_at)
        legs = [traffic.leg(SYMBOL, "SELL", 1)]
        world.after(entry_at, lambda: traffic.send("s", "entry", legs))

    result = live(scenario)

    assert reasons(result) == []
    assert list(result.held.values()) == [-65]
