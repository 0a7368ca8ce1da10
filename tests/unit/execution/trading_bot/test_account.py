"""What the account may use and afford is asked before entries are planned."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OrderType, Side
from shoonya_platform.execution.account import (
    MARGINS_SECONDS,
    PRODUCTS_AGAIN_SECONDS,
    PRODUCTS_SECONDS,
)
from shoonya_platform.testing.orders import SYMBOL, a_leg, an_alert, store_alert
from tests.unit.execution.trading_bot.conftest import CALL, PUT, exit_alert, hold

CASH_AND_DAY = {Exchange.NSE: frozenset({Product.CNC, Product.MIS})}


@pytest.fixture
def asking(new_bot):
    return new_bot(asks_margin=True)


def planned(store, alert_id):
    return store.orders.of_alert(alert_id)


def test_margin_of_an_entry_is_asked_once_with_a_price(asking, store, quotes):
    quotes.prices[SYMBOL] = 101
    alert_id = store_alert(store)

    asking.step()
    asking.step()

    ((order,),) = quotes.margins_asked
    assert (order.tradingsymbol, order.quantity, order.price) == (SYMBOL, 65, 101)
    assert (order.side, order.order_type) == (Side.BUY, OrderType.MARKET)
    reading = store.allowances.margin(alert_id)
    assert (reading.required, reading.available, reading.failure) == (7, 1000, "")


def test_legs_of_a_spread_are_asked_about_together(asking, store, quotes):
    quotes.prices = {CALL: 90, PUT: 80}
    store_alert(store, an_alert(a_leg(CALL, direction="SELL"), a_leg(PUT)))

    asking.step()

    (orders,) = quotes.margins_asked
    assert [(o.tradingsymbol, o.side, o.price) for o in orders] == [
        (CALL, Side.SELL, 90),
        (PUT, Side.BUY, 80),
    ]


def test_exits_are_never_asked_about(asking, store, quotes):
    hold(store, 65)
    alert_id = exit_alert(store)

    asking.step()

    assert len(planned(store, alert_id)) == 1
    assert (quotes.margins_asked, quotes.products_asked) == ([], 0)


def test_failed_question_is_recorded_and_delays_nothing(asking, store, quotes):
    quotes.prices[SYMBOL] = 101
    store_alert(store)
    asking.step()
    quotes.is_down = True
    alert_id = store_alert(store, an_alert(a_leg(price=50.0, order_type="LMT")))
    for _ in range(9):
        asking.step()
        asking._clock.advance(1)

    assert len(planned(store, alert_id)) == 1
    reading = store.allowances.margin(alert_id)
    assert (reading.required, reading.failure) == (None, "down")


def test_unpriced_entry_is_a_failed_question(asking, store, quotes):
    alert_id = store_alert(store)

    asking.step()

    assert quotes.margins_asked == []
    assert "no price of" in store.allowances.margin(alert_id).failure


def test_setting_turns_the_question_off(bot, store, quotes):
    store_alert(store)

    bot.step()

    assert quotes.margins_asked == []


def test_slow_answers_leave_the_other_entries_to_the_next_step(
    asking, store, quotes, clock
):
    quotes.prices[SYMBOL] = 101
    alerts = [store_alert(store) for _ in range(3)]
    answer = quotes.margin

    def slow(orders):
        clock.advance(MARGINS_SECONDS)
        return answer(orders)

    quotes.margin = slow
    asking.step()
    states = [store.alerts.get(alert_id).status for alert_id in alerts]
    assert AlertStatus.PLANNED in states
    assert AlertStatus.RECEIVED in states
    for _ in range(3):
        asking.step()

    assert all(planned(store, alert_id) for alert_id in alerts)
    assert len(quotes.margins_asked) == 3


def test_products_are_asked_for_now_and_then(asking, store, quotes, clock):
    quotes.allowed = CASH_AND_DAY
    store_alert(store)
    asking.step()
    assert store.allowances.products() == CASH_AND_DAY
    store_alert(store)
    asking.step()
    assert quotes.products_asked == 1

    clock.advance(PRODUCTS_SECONDS)
    store_alert(store)
    asking.step()

    assert quotes.products_asked == 2


def test_products_are_asked_for_again_soon_after_a_failure(
    asking, store, quotes, clock
):
    quotes.is_down = True
    store_alert(store)
    asking.step()
    quotes.is_down = False
    quotes.allowed = CASH_AND_DAY
    clock.advance(PRODUCTS_AGAIN_SECONDS)

    store_alert(store)
    asking.step()

    assert store.allowances.products() == CASH_AND_DAY


@pytest.mark.parametrize(
    ("exchange", "direction", "allowed", "product"),
    [
        ("NSE", "BUY", None, Product.CNC),
        ("NSE", "SELL", None, Product.MIS),
        ("NFO", "BUY", None, Product.NRML),
        ("NFO", "SELL", None, Product.NRML),
        ("NSE", "BUY", {Product.MIS}, Product.MIS),
        ("NFO", "BUY", {Product.MIS}, Product.MIS),
        ("NFO", "BUY", {Product.NRML, Product.MIS}, Product.NRML),
        # Nothing fits: the guard denies it, and names what is allowed.
        ("NFO", "BUY", {Product.CNC}, Product.NRML),
    ],
)
def test_product_that_an_alert_does_not_name_is_the_segments_and_the_accounts(
    bot, store, quotes, exchange, direction, allowed, product
):
    if allowed is not None:
        quotes.allowed = {Exchange(exchange): frozenset(allowed)}
    alert = an_alert(a_leg("X28DEC27F", direction=direction), exchange=exchange)
    alert_id = store_alert(store, alert)

    bot.step()

    (order,) = planned(store, alert_id)
    assert order.product is product


def test_product_that_an_alert_names_is_kept(bot, store, quotes):
    quotes.allowed = {Exchange.NFO: frozenset({Product.MIS})}
    alert_id = store_alert(store, an_alert(a_leg(product_type="NRML")))

    bot.step()

    (order,) = planned(store, alert_id)
    assert order.product is Product.NRML


@pytest.mark.parametrize("intent", ["exit", "adjust"])
def test_what_changes_a_position_uses_its_product(bot, store, intent):
    hold(store, 65, product=Product.MIS)
    alert_id = store_alert(store, an_alert(execution_type=intent))

    bot.step()

    (order,) = planned(store, alert_id)
    assert order.product is Product.MIS
