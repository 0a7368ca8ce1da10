"""Freeze quantities are asked for once a day, and before only where it matters."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange, Instrument, Kind, Source
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.figures import RETRY_SECONDS, FigureKeeper
from shoonya_platform.testing.orders import (
    a_fill,
    a_leg,
    an_alert,
    store_alert,
    store_order,
)
from tests.unit.execution.rows import S
from tests.unit.execution.trading_bot.conftest import CALL, PUT

NFO = Exchange.NFO


class Figures:
    """The list, and the broker that completes it."""

    def __init__(self):
        self.listed = {symbol: self.instrument(symbol) for symbol in (CALL, PUT)}
        self.asked: list[str] = []
        self.is_down = False

    @staticmethod
    def instrument(symbol, **changes):
        return Instrument(
            exchange=NFO,
            tradingsymbol=symbol,
            lot_size=65,
            tick_size=Decimal("0.05"),
            **{"kind": Kind.OPTION, "source": Source.MASTER, **changes},
        )

    def find(self, exchange, tradingsymbol):
        return self.listed.get(tradingsymbol)

    def ask(self, exchange, tradingsymbol):
        self.asked.append(tradingsymbol)
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.find(exchange, tradingsymbol)


class Broker:
    def __init__(self, figures):
        self.instrument = figures.ask


@pytest.fixture
def figures():
    return Figures()


@pytest.fixture
def keeper(store, figures, clock):
    return FigureKeeper(store, figures, Broker(figures), clock)


def alerted(store, quantity, symbol=CALL, **fields):
    leg = a_leg(tradingsymbol=symbol, qty=quantity)
    alert_id = store_alert(store, an_alert(leg, **fields))
    return [store.alerts.get(alert_id)]


def test_few_lots_are_asked_for_when_there_is_nothing_else_to_do(
    store, keeper, figures
):
    keeper.fetch(alerted(store, 5 * 65))
    assert figures.asked == []

    keeper.ask_one()
    keeper.ask_one()

    assert figures.asked == [CALL]


def test_many_lots_are_asked_for_before_the_order_is_planned(store, keeper, figures):
    keeper.fetch(alerted(store, 6 * 65))

    assert figures.asked == [CALL]


def test_what_the_list_lacks_is_asked_for_at_once(store, keeper, figures):
    figures.listed[CALL] = Figures.instrument(CALL, source=Source.UNLISTED)

    keeper.fetch(alerted(store, 65))
    keeper.fetch(alerted(store, 65, symbol="NIFTY28DEC27C99999"))

    assert figures.asked == [CALL, "NIFTY28DEC27C99999"]


def test_known_freeze_quantity_is_asked_for_again_but_not_waited_for(
    store, keeper, figures
):
    figures.listed[CALL] = Figures.instrument(CALL, freeze_quantity=1800)

    keeper.fetch(alerted(store, 6000 - 6000 % 65))

    assert figures.asked == []
    keeper.ask_one()
    assert figures.asked == [CALL]


def test_each_instrument_is_asked_for_once_a_day(store, keeper, figures, clock):
    for _ in range(3):
        keeper.fetch(alerted(store, 650))
        keeper.ask_one()
    assert figures.asked == [CALL]

    clock.advance(timedelta(days=1).total_seconds())
    keeper.fetch(alerted(store, 650))

    assert figures.asked == [CALL, CALL]


def test_what_is_held_is_asked_for_before_an_exit_needs_it(store, keeper, figures):
    order = store_order(store, S.ACCEPTED, tradingsymbol=PUT, quantity=65)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(65))

    keeper.ask_one()

    assert figures.asked == [PUT]


def test_exit_of_much_is_judged_by_what_is_held(store, keeper, figures):
    order = store_order(store, S.ACCEPTED, tradingsymbol=CALL, quantity=6500)
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(6500))

    keeper.fetch(alerted(store, 65, execution_type="exit"))

    assert figures.asked == [CALL]


def test_failure_costs_one_question_a_minute_and_no_order(
    store, keeper, figures, clock
):
    figures.is_down = True
    for _ in range(3):
        keeper.fetch(alerted(store, 650))
        keeper.ask_one()
    assert figures.asked == [CALL]

    figures.is_down = False
    clock.advance(RETRY_SECONDS + 1)
    keeper.ask_one()

    assert figures.asked == [CALL, CALL]
