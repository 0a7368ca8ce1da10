"""The last look before the broker: each rule, and its border."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import (
    Exchange,
    Instrument,
    PriceBand,
    Product,
)
from shoonya_platform.domain.orders import (
    CLOSED,
    WORKING,
    Intent,
    OrderStatus,
    OrderTrigger,
    OrderType,
    Side,
)
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import (
    BATCH,
    PATIENCE_SECONDS,
    ExecutionGuard,
    parts,
)
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import (
    SYMBOL,
    a_fill,
    an_alert,
    store_alert,
    store_order,
)

S = OrderStatus
RULES = GuardRules(calendar=None, max_alert_age_seconds=120.0)
NIGHT = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)


class Instruments:
    """Knows one instrument."""

    known = Instrument(
        exchange=Exchange.NFO,
        tradingsymbol=SYMBOL,
        lot_size=65,
        tick_size=Decimal("0.05"),
        freeze_quantity=1800,
    )

    def find(self, exchange, tradingsymbol):
        if (exchange, tradingsymbol) == (self.known.exchange, self.known.tradingsymbol):
            return self.known
        return None


@pytest.fixture
def guard(store, clock, rings) -> ExecutionGuard:
    return ExecutionGuard(store, Instruments(), RULES, clock, rings)


@pytest.fixture
def office_guard(store, clock, rings) -> ExecutionGuard:
    """One that keeps the exchanges' hours."""
    rules = replace(RULES, calendar=market_calendar())
    return ExecutionGuard(store, Instruments(), rules, clock, rings)


def judged(guard, store, **changes):
    """Return why an order was denied, '' if it passed."""
    order = store_order(store, S.RISK_PASSED, **changes)
    assert guard.step() >= 1
    after = store.orders.get(order.order_id)
    assert after.status in (S.GUARD_PASSED, S.DENIED)
    return after.reason


def hold(store, quantity=65, **changes):
    order = store_order(store, S.ACCEPTED, quantity=quantity, **changes)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(quantity))


def set_trading(store, state):
    with store.transaction(durable=True):
        store.trading.set(state, reason="a test", by="tests")


def test_order_in_order_passes_and_command_service_is_rung(guard, store, rings):
    order = store_order(store, S.RISK_PASSED)

    assert guard.step() == 1

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED
    assert "command_service" in rings


def test_denial_is_told_to_trading_bot(guard, store, rings):
    assert judged(guard, store, quantity=66) != ""
    assert "trading_bot" in rings


def test_nothing_to_do_is_nothing_done(guard, rings):
    assert guard.step() == 0
    assert rings == []


def test_other_services_rows_are_left_alone(guard, store):
    orders = [store_order(store, status) for status in S if status is not S.RISK_PASSED]

    assert guard.step() == 0
    assert [store.orders.get(o.order_id).status for o in orders] == [
        o.status for o in orders
    ]


def test_batch_is_limited_and_the_rest_comes_next(guard, store):
    alert_id = store_alert(store)
    for leg in range(1, BATCH + 4):
        store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=leg)

    assert [guard.step(), guard.step(), guard.step()] == [BATCH, 3, 0]


# -- the trading state ---------------------------------------------------------


@pytest.mark.parametrize("intent", Intent)
def test_nothing_new_goes_out_while_trading_is_halted(guard, store, intent):
    set_trading(store, TradingState.HALTED)

    assert judged(guard, store, intent=intent) == "TRADING_HALTED"


def test_entry_is_denied_while_trading_is_reducing(guard, store):
    set_trading(store, TradingState.REDUCING)

    assert judged(guard, store) == "TRADING_REDUCING"


def test_exit_goes_out_while_trading_is_reducing(guard, store):
    set_trading(store, TradingState.REDUCING)

    assert judged(guard, store, intent=Intent.EXIT, side=Side.SELL) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"quantity": 65}, "", id="shrinks"),
        pytest.param({"quantity": 130}, "", id="closes"),
        pytest.param({"quantity": 195}, "TRADING_REDUCING", id="turns"),
        pytest.param({"side": Side.BUY}, "TRADING_REDUCING", id="grows"),
        pytest.param({"strategy": "x"}, "TRADING_REDUCING", id="not-its-own"),
        pytest.param({"product": Product.MIS}, "TRADING_REDUCING", id="other-product"),
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

    assert reason == "TRADING_REDUCING"


def test_status_names_the_trading_state_and_the_hours(guard, office_guard, store):
    set_trading(store, TradingState.HALTED)
    guard.step()

    assert guard.status() == (
        "trading is HALTED, round the clock; 0 orders passed, 0 denied"
    )
    assert "exchange hours" in office_guard.status()


# -- age and hours -------------------------------------------------------------


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


@pytest.mark.parametrize("intent", [Intent.ENTRY, Intent.EXIT])
def test_order_outside_of_the_exchanges_hours_is_denied_with_the_hours(
    office_guard, store, clock, intent
):
    clock.jump_to(NIGHT)

    reason = judged(office_guard, store, intent=intent, alerted_at=NIGHT)

    assert reason.startswith("MARKET_CLOSED: exchange=NFO, why=outside 09:15-")


def test_order_within_the_exchanges_hours_passes(office_guard, store):
    assert judged(office_guard, store) == ""


def test_paper_trades_round_the_clock(guard, store, clock):
    clock.jump_to(NIGHT)

    assert judged(guard, store, alerted_at=NIGHT) == ""


# -- what the exchange takes ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param(
            {"tradingsymbol": "NOBODY"},
            "INSTRUMENT_UNKNOWN: tradingsymbol=NFO:NOBODY",
            id="unknown",
        ),
        pytest.param({"quantity": 130}, "", id="two-lots"),
        pytest.param(
            {"quantity": 66},
            "QUANTITY_NOT_IN_LOTS: quantity=66, lot_size=65",
            id="no-lot",
        ),
        pytest.param({"quantity": 1755}, "", id="largest"),
        pytest.param(
            {"order_type": OrderType.LIMIT, "price": Decimal("100.05")}, "", id="tick"
        ),
        pytest.param(
            {"order_type": OrderType.LIMIT, "price": Decimal("100.02")},
            "PRICE_NOT_ON_TICK: price=100.02, tick_size=0.05",
            id="off-tick",
        ),
        pytest.param(
            {
                "order_type": OrderType.STOP_MARKET,
                "trigger_price": Decimal("99.99"),
            },
            "PRICE_NOT_ON_TICK: price=99.99, tick_size=0.05",
            id="trigger-off-tick",
        ),
    ],
)
def test_order_is_one_the_exchange_can_take(guard, store, changes, reason):
    assert judged(guard, store, **changes) == reason


# -- more than the exchange takes in one order ------------------------------------


def parts_of(store, order):
    return store.orders.of_alert(order.alert_id)


def test_what_exceeds_the_freeze_quantity_goes_out_in_parts(guard, store):
    order = store_order(store, S.RISK_PASSED, quantity=4000 - 4000 % 65)

    guard.step()

    orders = parts_of(store, order)
    assert [part.quantity for part in orders] == [1755, 1755, 455]
    assert [part.part for part in orders] == [1, 2, 3]
    assert {part.status for part in orders} == {S.GUARD_PASSED}
    assert [part.client_order_id for part in orders] == [
        order.client_order_id,
        f"{order.client_order_id}p2",
        f"{order.client_order_id}p3",
    ]


def test_each_part_tells_where_it_comes_from(guard, store):
    order = store_order(store, S.RISK_PASSED, quantity=2 * 1755)

    guard.step()

    first, second = parts_of(store, order)
    (split,) = (
        event
        for event in store.orders.events(order_id=first.order_id)
        if event.trigger == OrderTrigger.SPLIT
    )
    assert split.text == "3510 goes out in 2 orders, here 1755"
    created = store.orders.events(order_id=second.order_id)[0]
    assert created.text.endswith(f"part 2 of 2 of order {first.order_id}")


def test_order_that_was_cut_is_not_cut_again_when_it_comes_back(guard, store):
    order = store_order(store, S.RISK_PASSED, quantity=1820)
    guard.step()
    with store.transaction(durable=True):
        for part in parts_of(store, order):
            sent = store.orders.record(part, OrderTrigger.SUBMITTED)
            store.orders.record(sent, OrderTrigger.UNSENT)

    guard.step()

    orders = parts_of(store, order)
    assert [part.quantity for part in orders] == [1755, 65]
    assert {part.status for part in orders} == {S.GUARD_PASSED}


def test_nothing_is_cut_of_what_is_denied(guard, store):
    hold(store)
    order = store_order(store, S.RISK_PASSED, quantity=1820)

    guard.step()

    (denied,) = parts_of(store, order)
    assert (denied.quantity, denied.status) == (1820, S.DENIED)


def test_too_large_an_order_is_denied_where_that_is_configured(store, clock, rings):
    rules = replace(RULES, splits=False)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)

    assert judged(guard, store, quantity=1820) == (
        "QUANTITY_EXCEEDS_FREEZE: quantity=1820, maximum=1755"
    )


def test_part_that_has_become_too_large_is_denied(guard, store):
    # The exchange has lowered its limit since the first attempt was cut.
    assert judged(guard, store, quantity=1820, attempt=2) == (
        "QUANTITY_EXCEEDS_FREEZE: quantity=1820, maximum=1755"
    )


@given(
    quantity=st.integers(min_value=1, max_value=100_000),
    largest=st.none() | st.integers(min_value=1, max_value=5000),
)
def test_parts_add_up_and_none_is_too_large(quantity, largest):
    found = parts(quantity, largest)

    assert sum(found) == quantity
    assert min(found) > 0
    assert largest is None or max(found) <= largest
    assert largest is None or len(found) == -(-quantity // largest)


# -- duplicates ----------------------------------------------------------------


@pytest.mark.parametrize(("side", "held"), [(Side.BUY, 65), (Side.SELL, -65)])
def test_entry_into_what_the_strategy_holds_is_denied(guard, store, side, held):
    hold(store, side=side)

    assert judged(guard, store) == f"DUPLICATE_ENTRY: strategy=straddle, held={held}"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"strategy": "other"}, id="another-strategy"),
        pytest.param({"intent": Intent.ADJUST}, id="adjustment"),
        pytest.param({"intent": Intent.EXIT, "side": Side.SELL}, id="exit"),
    ],
)
def test_what_is_no_entry_of_the_same_strategy_is_no_duplicate(guard, store, changes):
    hold(store)

    assert judged(guard, store, **changes) == ""


def test_entry_into_what_was_closed_again_passes(guard, store):
    hold(store)
    hold(store, side=Side.SELL)

    assert judged(guard, store) == ""


@pytest.mark.parametrize("status", sorted(WORKING | {S.GUARD_PASSED}))
def test_entry_is_denied_while_another_alerts_entry_is_on_its_way(guard, store, status):
    other = store_order(store, status)

    reason = judged(guard, store)

    # What is filled already is found first.
    if status is S.PARTIALLY_FILLED:
        assert reason == "DUPLICATE_ENTRY: strategy=straddle, held=1"
    else:
        assert reason == (
            f"DUPLICATE_ENTRY: strategy=straddle, order_under_way={other.order_id}"
        )


@pytest.mark.parametrize("status", sorted(CLOSED - {S.FILLED}))
def test_entry_that_ended_without_a_fill_is_no_duplicate(guard, store, status):
    store_order(store, status)

    assert judged(guard, store) == ""


def test_legs_of_one_alert_are_no_duplicates_of_each_other(guard, store):
    alert_id = store_alert(store)
    orders = [
        store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=leg) for leg in (1, 2)
    ]

    guard.step()

    assert [store.orders.get(o.order_id).status for o in orders] == [S.GUARD_PASSED] * 2


def test_part_that_came_back_unsent_is_no_duplicate_of_a_part_that_filled(guard, store):
    alert_id = store_alert(store)
    order = store_order(store, S.RISK_PASSED, alert_id=alert_id, quantity=3640)
    guard.step()
    first, *others = store.orders.of_alert(alert_id)
    walk = (OrderTrigger.SUBMITTED, OrderTrigger.ACCEPTED)
    with store.transaction(durable=True):
        for trigger in walk:
            first = store.orders.record(first, trigger)
        store.orders.fill(first, a_fill(first.quantity))
        for other in others:
            sent = store.orders.record(other, OrderTrigger.SUBMITTED)
            store.orders.record(sent, OrderTrigger.UNSENT)

    guard.step()

    assert {o.status for o in store.orders.of_alert(order.alert_id)[1:]} == {
        S.GUARD_PASSED
    }


def test_part_is_a_duplicate_where_more_is_held_than_its_alert_has_filled(guard, store):
    alert_id = store_alert(store)
    hold(store, alert_id=alert_id)
    hold(store, intent=Intent.ADJUST)

    reason = judged(guard, store, alert_id=alert_id, part=2)

    assert reason == "DUPLICATE_ENTRY: strategy=straddle, held=130"


def test_second_of_two_entries_in_one_batch_is_denied(guard, store):
    orders = [store_order(store, S.RISK_PASSED) for _ in range(2)]

    guard.step()

    assert [store.orders.get(o.order_id).status for o in orders] == [
        S.GUARD_PASSED,
        S.DENIED,
    ]


def test_order_that_came_back_unsent_is_no_duplicate_of_itself(guard, store):
    order = store_order(store, S.SUBMITTED)
    with store.transaction(durable=True):
        store.orders.record(order, OrderTrigger.UNSENT)

    guard.step()

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED


def test_alert_is_none_of_the_guards_business(guard, store):
    alert_id = store_alert(store, an_alert())

    guard.step()

    assert store.alerts.get(alert_id).status is AlertStatus.RECEIVED


# -- the whole entry or nothing of it --------------------------------------------


def test_when_one_leg_is_denied_the_others_of_its_entry_are_too(guard, store):
    alert_id = store_alert(store)
    good = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=1)
    bad = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=2, quantity=7)

    guard.step()

    assert store.orders.get(good.order_id).reason == "SIBLING_DENIED: leg=2"
    assert "QUANTITY_NOT_IN_LOTS" in store.orders.get(bad.order_id).reason


def test_a_leg_that_risk_manager_denied_takes_its_siblings_along(guard, store):
    alert_id = store_alert(store)
    store_order(store, S.DENIED, alert_id=alert_id, leg=1)
    order = store_order(store, S.RISK_PASSED, alert_id=alert_id, leg=2)

    guard.step()

    assert store.orders.get(order.order_id).reason == "SIBLING_DENIED: leg=1"


def test_each_leg_of_an_exit_goes_for_itself(guard, store):
    alert_id = store_alert(store)
    good = store_order(store, S.RISK_PASSED, alert_id=alert_id, intent=Intent.EXIT)
    store_order(
        store, S.RISK_PASSED, alert_id=alert_id, leg=2, intent=Intent.EXIT, quantity=7
    )

    guard.step()

    assert store.orders.get(good.order_id).status is S.GUARD_PASSED


# -- prices ----------------------------------------------------------------------


def note_price(store, price):
    with store.transaction(durable=False):
        store.positions.note_prices({(Exchange.NFO, SYMBOL): Decimal(price)})


def test_a_market_order_goes_out_with_a_limit_and_says_so(guard, store):
    note_price(store, 1000)
    order = store_order(store, S.RISK_PASSED)

    guard.step()

    passed = store.orders.get(order.order_id)
    assert (passed.status, passed.order_type) == (S.GUARD_PASSED, OrderType.LIMIT)
    assert passed.price == Decimal("1005.00")
    triggers = [e.trigger for e in store.orders.events(order_id=order.order_id)]
    assert triggers[-2:] == [OrderTrigger.REPRICED, OrderTrigger.GUARD_PASSED]


def test_market_orders_are_left_alone_where_that_is_configured(store, clock, rings):
    rules = replace(RULES, protects_market_orders=False)
    order = store_order(store, S.RISK_PASSED)

    ExecutionGuard(store, Instruments(), rules, clock, rings).step()

    assert store.orders.get(order.order_id).order_type is OrderType.MARKET


@pytest.mark.parametrize(
    ("side", "price", "is_denied"),
    [
        pytest.param(Side.BUY, "1200", False, id="buy at the border"),
        pytest.param(Side.BUY, "1200.05", True, id="buy above"),
        pytest.param(Side.BUY, "1", False, id="buy far below only waits"),
        pytest.param(Side.SELL, "800", False, id="sell at the border"),
        pytest.param(Side.SELL, "799.95", True, id="sell below"),
        pytest.param(Side.SELL, "9999", False, id="sell far above only waits"),
    ],
)
def test_a_limit_that_would_trade_far_worse_than_the_last_price_is_denied(
    guard, store, side, price, is_denied
):
    note_price(store, 1000)
    order = store_order(
        store,
        S.RISK_PASSED,
        side=side,
        order_type=OrderType.LIMIT,
        price=Decimal(price),
    )

    guard.step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("PRICE_OUTSIDE_BAND") is is_denied


def note_band(store, lower="80", upper="120"):
    band = PriceBand(lower=Decimal(lower), upper=Decimal(upper))
    with store.transaction(durable=False):
        store.positions.note_bands({(Exchange.NFO, SYMBOL): band})


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("price", "is_denied"),
    [("79.95", True), ("80", False), ("120", False), ("120.05", True)],
)
def test_price_the_exchange_would_refuse_today_is_denied_with_the_band(
    guard, store, side, price, is_denied
):
    note_band(store)

    reason = judged(
        guard, store, side=side, order_type=OrderType.LIMIT, price=Decimal(price)
    )

    denied = f"PRICE_BEYOND_CIRCUIT: price={price}, lower=80, upper=120"
    assert reason == (denied if is_denied else "")


def test_trigger_must_lie_within_the_band_too(guard, store):
    note_band(store)

    reason = judged(
        guard, store, order_type=OrderType.STOP_MARKET, trigger_price=Decimal(121)
    )

    assert reason.startswith("PRICE_BEYOND_CIRCUIT: price=121")


@pytest.mark.parametrize(
    ("side", "last", "price"), [(Side.BUY, "119.90", "120"), (Side.SELL, "80.10", "80")]
)
def test_protecting_limit_stays_within_the_band(guard, store, side, last, price):
    note_price(store, last)
    note_band(store)
    order = store_order(store, S.RISK_PASSED, side=side)

    guard.step()

    assert store.orders.get(order.order_id).price == Decimal(price)


@pytest.mark.parametrize(
    ("intent", "reason"),
    [
        (Intent.ENTRY, "PRICE_BAND_UNKNOWN: tradingsymbol=NFO:" + SYMBOL),
        (Intent.ADJUST, "PRICE_BAND_UNKNOWN: tradingsymbol=NFO:" + SYMBOL),
        (Intent.EXIT, ""),
    ],
)
def test_without_a_band_of_today_only_exits_go_out(store, clock, rings, intent, reason):
    rules = replace(RULES, needs_band=True, max_alert_age_seconds=1e9)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)
    note_band(store)
    clock.advance(24 * 3600)

    assert judged(guard, store, intent=intent, side=Side.SELL) == reason


def test_band_without_limits_is_known(store, clock, rings):
    rules = replace(RULES, needs_band=True)
    guard = ExecutionGuard(store, Instruments(), rules, clock, rings)
    with store.transaction(durable=False):
        store.positions.note_bands({(Exchange.NFO, SYMBOL): PriceBand()})

    assert judged(guard, store) == ""


# -- two strategies, one instrument ------------------------------------------------


@pytest.mark.parametrize(("side", "is_denied"), [(Side.BUY, True), (Side.SELL, False)])
@pytest.mark.parametrize("is_held", [True, False], ids=["held", "on its way"])
def test_an_entry_against_another_strategy_is_denied(
    guard, store, side, is_denied, is_held
):
    if is_held:
        hold(store, side=Side.SELL, strategy="another")
    else:
        store_order(store, S.ACCEPTED, side=Side.SELL, strategy="another")
    order = store_order(store, S.RISK_PASSED, side=side)

    guard.step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("CROSS_STRATEGY_CONFLICT") is is_denied


def test_an_exit_against_another_strategy_goes_out(guard, store):
    hold(store, side=Side.SELL, strategy="another")
    hold(store, side=Side.SELL)
    order = store_order(store, S.RISK_PASSED, side=Side.BUY, intent=Intent.EXIT)

    guard.step()

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED


# -- the end of the day ------------------------------------------------------------


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
    rules = replace(RULES, mis_square_off=time(15, 10), max_alert_age_seconds=1e6)
    hour, minute = map(int, at.split(":"))
    now = datetime(2026, 11, 25, hour, minute, tzinfo=UTC)
    clock.advance((now - clock.now()).total_seconds())
    order = store_order(store, S.RISK_PASSED, product=product, intent=intent)

    ExecutionGuard(store, Instruments(), rules, clock, rings).step()

    reason = store.orders.get(order.order_id).reason
    assert reason.startswith("MIS_SQUARE_OFF") is is_denied


# -- the first reconciliation --------------------------------------------------


@pytest.fixture
def waiting_guard(store, clock, rings) -> ExecutionGuard:
    """One whose platform has just been started."""
    with store.transaction(durable=False):
        store.recovery.begin(silent_seconds=15)
    rules = replace(RULES, awaits_reconciliation=True)
    return ExecutionGuard(store, Instruments(), rules, clock, rings)


def reconcile(store, *, succeeded, summary=""):
    with store.transaction(durable=False):
        store.recovery.record(succeeded=succeeded, summary=summary, report="{}")


def test_entries_wait_a_moment_for_the_first_reconciliation(waiting_guard, store):
    order = store_order(store, S.RISK_PASSED)
    assert waiting_guard.step() == 0
    assert store.orders.get(order.order_id).status is S.RISK_PASSED

    reconcile(store, succeeded=True)

    assert waiting_guard.step() == 1
    assert store.orders.get(order.order_id).status is S.GUARD_PASSED


def test_entries_are_denied_until_the_first_reconciliation(waiting_guard, store, clock):
    clock.advance(PATIENCE_SECONDS)
    reason = judged(waiting_guard, store)
    assert reason == "AWAITING_RECONCILIATION: first=not done yet"
    assert "entries wait for the first reconciliation" in waiting_guard.status()

    reconcile(store, succeeded=True)

    assert judged(waiting_guard, store) == ""
    assert "wait" not in waiting_guard.status()


def test_reconciliation_that_failed_opens_nothing_and_is_the_reason(
    waiting_guard, store, clock
):
    clock.advance(PATIENCE_SECONDS)
    reconcile(store, succeeded=False, summary="the broker is down")

    assert judged(waiting_guard, store) == (
        "AWAITING_RECONCILIATION: first=the broker is down"
    )


def test_exits_pass_before_the_first_reconciliation(waiting_guard, store):
    hold(store, strategy="straddle")

    assert judged(waiting_guard, store, intent=Intent.EXIT, side=Side.SELL) == ""
