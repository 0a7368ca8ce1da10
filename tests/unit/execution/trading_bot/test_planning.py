"""trading_bot: an alert becomes orders, with the prices and bands it needs."""

import logging
from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import PriceBand, Product
from shoonya_platform.domain.orders import Intent, OrderType, Side
from shoonya_platform.execution.bands import (
    BAND_SECONDS,
    PATIENCE_SECONDS,
    RETRY_SECONDS,
)
from shoonya_platform.execution.settling import BATCH
from shoonya_platform.execution.trading_bot import PRICE_PATIENCE_SECONDS
from shoonya_platform.testing.clock import BEGIN
from shoonya_platform.testing.orders import SYMBOL, a_leg, an_alert, store_alert
from tests.unit.execution.rows import S
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    NFO,
    PUT,
    exit_alert,
    hold,
    outcome,
)


def test_entry_becomes_one_order_for_each_leg(bot, store, rings):
    alert_id = store_alert(
        store,
        an_alert(
            a_leg(CALL, direction="SELL", qty=130, product_type="I"),
            a_leg(PUT, order_type="SL", price=90, trigger_price="90.5"),
            strategy_name="straddle",
        ),
    )

    assert bot.step() == 2

    call, put = store.orders.of_alert(alert_id)
    assert (call.tradingsymbol, call.side, call.quantity) == (CALL, Side.SELL, 130)
    assert (call.order_type, call.price) == (OrderType.MARKET, None)
    assert (call.product, put.product) == (Product.MIS, Product.NRML)
    assert (put.order_type, put.price) == (OrderType.STOP_LIMIT, 90)
    assert put.trigger_price == Decimal("90.5")
    assert {order.status for order in (call, put)} == {S.INITIALIZED}
    assert {order.intent for order in (call, put)} == {Intent.ENTRY}
    assert [order.client_order_id for order in (call, put)] == [
        f"O{alert_id[1:]}-1",
        f"O{alert_id[1:]}-2",
    ]
    assert outcome(store, alert_id) == (AlertStatus.PLANNED, "")
    assert "risk_manager" in rings


def test_adjustment_is_taken_as_it_stands(bot, store):
    hold(store, 130)
    alert_id = store_alert(
        store, an_alert(a_leg(direction="SELL", qty=65), execution_type="adjust")
    )

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.intent, order.side, order.quantity) == (Intent.ADJUST, Side.SELL, 65)


def test_alert_is_planned_once_however_often_it_is_looked_at(bot, new_bot, store):
    alert_id = store_alert(store)

    bot.step()
    bot.step()
    new_bot().step()

    assert len(store.orders.of_alert(alert_id)) == 1


def test_alerts_are_planned_oldest_first_and_in_batches(bot, store):
    ids = [store_alert(store) for _ in range(BATCH + 2)]

    assert bot.step() == BATCH
    assert store.orders.of_alert(ids[-1]) == []
    assert bot.step() == 2


def test_order_is_as_old_as_its_alert_was_when_it_was_sent(bot, store):
    sent = BEGIN - timedelta(seconds=90)
    late = store_alert(store, an_alert(timenow=sent.isoformat()))
    future = BEGIN + timedelta(hours=1)
    wrong = store_alert(store, an_alert(timenow=future.isoformat()))

    bot.step()

    assert store.orders.of_alert(late)[0].alerted_at == sent
    assert store.orders.of_alert(wrong)[0].alerted_at == BEGIN


def test_price_of_the_alert_is_the_reference_and_is_passed_on(bot, store, quotes):
    alert_id = store_alert(store, an_alert(a_leg(price="101.5")))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert (order.price, order.reference_price) == (None, Decimal("101.5"))
    assert quotes.noted == {SYMBOL: Decimal("101.5")}


@pytest.mark.parametrize(
    ("order_type", "is_passed_on"), [("MKT", True), ("LMT", False)]
)
def test_price_is_passed_on_as_the_markets_unless_a_limit_wishes_for_it(
    bot, store, quotes, order_type, is_passed_on
):
    quotes.prices[SYMBOL] = Decimal(100)
    store_alert(store)
    bot.step()

    store_alert(store, an_alert(a_leg(price="900", order_type=order_type)))
    bot.step()

    assert quotes.noted == ({SYMBOL: Decimal(900)} if is_passed_on else {})


@pytest.mark.parametrize("order_type", ["MKT", "LMT"])
def test_last_price_is_the_brokers_at_each_alert_whatever_was_heard_before(
    bot, store, quotes, order_type
):
    for last in (Decimal(100), Decimal(30)):
        quotes.prices[SYMBOL] = last
        store_alert(store, an_alert(a_leg(price="900", order_type=order_type)))

        bot.step()

        assert store.positions.last_price(NFO, SYMBOL) == last


def test_price_that_no_alert_names_is_asked_for(bot, store, quotes):
    quotes.prices[SYMBOL] = Decimal(102)
    alert_id = store_alert(store)

    bot.step()

    assert store.orders.of_alert(alert_id)[0].reference_price == 102


def test_broker_is_asked_once_in_a_step_for_what_no_alert_prices(bot, store, quotes):
    quotes.prices[SYMBOL] = Decimal(102)
    for alert in (an_alert(a_leg()), an_alert(a_leg(), strategy_name="Other")):
        store_alert(store, alert)

    bot.step()

    assert (quotes.quoted, quotes.priced) == ([SYMBOL], [])


def test_price_that_the_broker_does_not_know_is_the_last_one_heard_of(bot, store):
    with store.transaction(durable=False):
        store.positions.note_prices({(NFO, SYMBOL): Decimal(103)})
    alert_id = store_alert(store)

    bot.step()

    assert store.orders.of_alert(alert_id)[0].reference_price == 103


def test_entry_waits_for_a_quote_that_failed_once(bot, store, quotes):
    alert_id = store_alert(store, an_alert(a_leg(price="0")))
    other_id = store_alert(store, an_alert(a_leg("NIFTY28DEC27C25000", price="55")))
    known = {(NFO, SYMBOL): PriceBand(), (NFO, "NIFTY28DEC27C25000"): PriceBand()}
    with store.transaction(durable=False):
        store.positions.note_bands(known)
    quotes.is_down = True

    assert bot.step() == 1
    assert store.orders.of_alert(alert_id) == []
    assert len(store.orders.of_alert(other_id)) == 1

    quotes.is_down = False
    quotes.prices[SYMBOL] = Decimal(101)
    assert bot.step() == 1
    (order,) = store.orders.of_alert(alert_id)
    assert order.reference_price == 101


def test_exit_does_not_wait_for_a_quote(bot, store, quotes):
    hold(store, 65)
    quotes.is_down = True
    alert_id = exit_alert(store, a_leg(price="0"))

    assert bot.step() == 1
    assert len(store.orders.of_alert(alert_id)) == 1


def test_entry_that_waits_for_a_quote_is_given_up_when_its_exit_comes(
    bot, store, quotes
):
    quotes.is_down = True
    entry = store_alert(store, an_alert(a_leg()))
    bot.step()
    exit_ = exit_alert(store, a_leg())
    bot.step()
    quotes.is_down = False
    bot.step()

    assert store.orders.recent(limit=9) == []
    given_up = store.alerts.get(entry)
    assert given_up.status is AlertStatus.SKIPPED
    assert exit_ in given_up.outcome


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"strategy_name": "Other"}, id="strategy"),
        pytest.param({"tradingsymbol": PUT}, id="instrument"),
    ],
)
def test_entry_that_waits_outlives_the_exit_of_something_else(
    bot, store, quotes, clock, entry
):
    quotes.is_down = True
    leg = a_leg(entry.get("tradingsymbol", SYMBOL))
    strategy = entry.get("strategy_name", "straddle")
    store_alert(store, an_alert(leg, strategy_name=strategy))
    exit_alert(store, a_leg())
    bot.step()
    quotes.is_down = False
    clock.advance(RETRY_SECONDS)
    bot.step()

    (order,) = store.orders.recent(limit=9)
    assert order.strategy == strategy


def test_entry_that_waits_outlives_an_exit_that_came_before_it(
    bot, store, quotes, clock
):
    quotes.is_down = True
    exit_alert(store, a_leg())
    entry = store_alert(store, an_alert(a_leg()))
    bot.step()
    quotes.is_down = False
    clock.advance(RETRY_SECONDS)
    bot.step()

    (order,) = store.orders.recent(limit=9)
    assert order.alert_id == entry


def test_instrument_that_the_broker_does_not_know_is_logged(
    bot, store, quotes, monkeypatch, caplog
):
    caplog.set_level(logging.WARNING, "TRADING_BOT")
    monkeypatch.setattr(quotes, "quote", lambda *_: None)
    store_alert(store)

    bot.step()

    assert f"the broker knows no NFO:{SYMBOL}" in caplog.text


def test_band_is_noted_before_the_guard_looks(bot, store, quotes):
    quotes.bands[SYMBOL] = PriceBand(lower=Decimal(80), upper=Decimal(120))
    store_alert(store)

    bot.step()

    found = store.positions.band(NFO, SYMBOL, since=BEGIN)
    assert found == quotes.bands[SYMBOL]


def test_flood_of_alerts_asks_once_for_a_band_until_it_has_aged(
    bot, store, quotes, clock
):
    for _ in range(20):
        store_alert(store)
    bot.step()
    store_alert(store)
    bot.step()
    assert quotes.quoted == [SYMBOL]

    clock.advance(BAND_SECONDS)
    store_alert(store)
    bot.step()

    assert quotes.quoted == [SYMBOL, SYMBOL]


def test_entry_waits_a_little_for_a_band_that_cannot_be_had(bot, store, quotes, clock):
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price="101")))
    bot.step()
    assert len(quotes.quoted) == 1
    bot.step()
    assert len(quotes.quoted) == 1
    assert store.orders.of_alert(alert_id) == []

    quotes.is_down = False
    clock.advance(RETRY_SECONDS)
    bot.step()

    assert store.positions.band(NFO, SYMBOL, since=BEGIN) == PriceBand()
    assert len(store.orders.of_alert(alert_id)) == 1


def test_entry_goes_to_the_guard_without_a_band_once_it_has_waited(
    bot, store, quotes, clock
):
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price="101")))
    bot.step()
    clock.advance(PATIENCE_SECONDS)

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1
    assert store.positions.band(NFO, SYMBOL, since=BEGIN) is None


def test_band_of_today_serves_while_the_broker_is_away(bot, store, quotes, clock):
    store_alert(store, an_alert(a_leg(price="101")))
    bot.step()
    quotes.is_down = True
    clock.advance(BAND_SECONDS)
    alert_id = store_alert(store, an_alert(a_leg(price="101")))

    bot.step()

    assert len(store.orders.of_alert(alert_id)) == 1


@pytest.mark.parametrize("price", ["0", "101"])
def test_alert_is_planned_although_no_price_can_be_had(
    bot, store, quotes, clock, price
):
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price=price)))

    planned = bot.step()
    clock.advance(PRICE_PATIENCE_SECONDS)

    assert planned + bot.step() == 1

    expected = None if price == "0" else Decimal(price)
    assert store.orders.of_alert(alert_id)[0].reference_price == expected
