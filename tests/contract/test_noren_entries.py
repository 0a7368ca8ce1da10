"""
What an account may use and afford, from Noren's answer to the guard's verdict.

Each case runs on both generations of the protocol: trading_bot asks the simulator,
execution_guard judges by what it left in the store.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from shoonya_platform.brokers.shoonya_margins import products_of
from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.orders import OrderStatus, OrderTrigger
from shoonya_platform.errors import LoginNeeded
from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.services.parts import Quotes
from shoonya_platform.testing.noren.refusals import UNAUTHORIZED
from shoonya_platform.testing.orders import a_leg, an_alert, store_alert
from tests.contract.broker_worlds import (
    CASH,
    LOT,
    SYMBOL,
    OAuthWorld,
    QuickAuthWorld,
    a_limit_order,
    named,
)
from tests.contract.noren_world import HEDGE, NorenWorld

WORLDS = {"quickauth": QuickAuthWorld, "oauth": OAuthWorld}
S = OrderStatus
#: One lot more than the account can pay at 100 rupees.
TOO_MANY = (int(CASH) // (100 * LOT) + 1) * LOT


class AnyInstrument:
    def find(self, exchange, tradingsymbol):
        return Instrument(exchange=exchange, tradingsymbol=tradingsymbol)


class Path:
    """The part of the order path that asks about an account and judges by it."""

    def __init__(self, store, broker, clock, *, needs_margin: bool) -> None:
        self.store = store
        self.bot = TradingBot(
            store,
            Quotes(broker),
            clock,
            lambda *services: None,
            instruments=AnyInstrument(),
            replan_seconds=0,
            asks_margin=True,
        )
        rules = GuardRules(
            calendar=None,
            max_alert_age_seconds=1e9,
            checks_margin=True,
            needs_margin=needs_margin,
        )
        self.guard = ExecutionGuard(
            store, AnyInstrument(), rules, clock, lambda *services: None
        )

    def enter(self, *legs, **fields) -> list[str]:
        """Return why each order of an entry was denied, empty if it passed."""
        alert_id = store_alert(self.store, an_alert(*legs, **fields))
        self.bot.step()
        with self.store.transaction(durable=False):
            for order in self.store.orders.of_alert(alert_id):
                self.store.orders.record(order, OrderTrigger.RISK_PASSED)
        self.guard.step()
        orders = self.store.orders.of_alert(alert_id)
        assert {order.status for order in orders} <= {S.GUARD_PASSED, S.DENIED}
        return [order.reason for order in orders]


@pytest.fixture(params=WORLDS)
def world(request, tmp_path) -> Iterator[NorenWorld]:
    made = WORLDS[request.param](tmp_path)
    for symbol in (SYMBOL, HEDGE):
        made.simulator.set_price(Exchange.NFO, symbol, "100")
    yield made
    made.close()


@pytest.fixture
def path(world, store) -> Callable[..., Path]:
    def make(*, needs_margin: bool = False) -> Path:
        return Path(store, world.open(), world.clock, needs_margin=needs_margin)

    return make


def leg(quantity=LOT, symbol=SYMBOL, **fields):
    return a_leg(symbol, qty=quantity, product_type="NRML", **fields)


def answer(world, route, value) -> None:
    world.simulator.app.routes.reading[route] = lambda _: value


def test_entry_that_the_account_can_afford_passes(world, path):
    assert path(needs_margin=True).enter(leg()) == [""]
    assert world.simulator.app.asked["GetOrderMargin"] == 1


def test_entry_that_the_account_cannot_afford_is_denied_with_both_figures(path):
    (reason,) = path().enter(leg(TOO_MANY))

    required = Decimal(100 * TOO_MANY)
    assert reason.startswith(
        f"MARGIN_INSUFFICIENT: required={required:.2f}, available={CASH:.2f}"
    )


@pytest.mark.parametrize("needs_margin", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"stat": "Not_Ok", "emsg": "Server busy"}, id="refused"),
        pytest.param({"stat": "Ok", "cash": "1000.00"}, id="figure-missing"),
        pytest.param(
            {"stat": "Ok", "cash": "lots", "ordermargin": "1"}, id="figure-damaged"
        ),
        pytest.param([{"stat": "Ok"}], id="a-list"),
        pytest.param({"stat": "Ok", "norenordno": "1"}, id="another-answer"),
    ],
)
def test_setting_decides_where_the_margin_is_not_known(
    world, path, needs_margin, value
):
    answer(world, "GetOrderMargin", value)

    (reason,) = path(needs_margin=needs_margin).enter(leg())

    if needs_margin:
        assert reason.startswith("MARGIN_UNKNOWN: why=")
    else:
        assert reason == ""


@pytest.mark.parametrize("needs_margin", [False, True])
def test_setting_decides_where_the_question_is_not_answered(world, path, needs_margin):
    made = path(needs_margin=needs_margin)
    world.simulator.add_fault("bad_gateway", on="GetOrderMargin")

    (reason,) = made.enter(leg())

    assert reason.startswith("MARGIN_UNKNOWN") == needs_margin


def test_spread_is_asked_about_and_judged_as_a_whole(world, path):
    # Alone, the sold leg could not be paid.
    lots = (int(CASH) // (100 * LOT)) * LOT
    legs = [leg(lots), leg(lots, HEDGE, direction="SELL")]

    assert path(needs_margin=True).enter(*legs) == ["", ""]
    assert world.simulator.app.asked["GetBasketMargin"] == 1
    assert "GetOrderMargin" not in world.simulator.app.asked


def test_spread_that_the_account_cannot_afford_is_denied_as_a_whole(path):
    reasons = path().enter(leg(TOO_MANY), leg(LOT, HEDGE, direction="SELL"))

    assert len(reasons) == 2
    for reason in reasons:
        assert "MARGIN_INSUFFICIENT" in reason or "LEG" in reason
    assert any(f"available={CASH:.2f}" in reason for reason in reasons)


@pytest.mark.parametrize("needs_margin", [False, True])
def test_spread_without_a_readable_answer_is_not_known_either(
    world, path, needs_margin
):
    answer(world, "GetBasketMargin", {"stat": "Ok", "marginusedtrade": "NA,"})

    reasons = path(needs_margin=needs_margin).enter(
        leg(), leg(LOT, HEDGE, direction="SELL")
    )

    assert [reason != "" for reason in reasons] == [needs_margin, needs_margin]


@pytest.mark.parametrize(
    ("codes", "product", "allowed"),
    [
        ("MIBH", "NRML", "MIS NRML"),
        ("MIBH", "MIS", "MIS NRML"),
        ("I", "NRML", "MIS"),
        ("M", "MIS", "NRML"),
        ("BHF", "NRML", None),
    ],
)
def test_products_are_those_that_the_account_lists(
    world, path, codes, product, allowed
):
    world.simulator.set_rules(derivative_products=codes)

    (reason,) = path().enter(leg() | {"product_type": product})

    listed = "none" if allowed is None else allowed
    if product in listed.split():
        assert reason == ""
    else:
        assert reason == (
            f"PRODUCT_NOT_ALLOWED: product={product}, exchange=NFO, allowed={listed}"
        )


def test_cash_and_derivatives_have_their_own_products(world):
    found = world.open().products()

    assert found == products_of({"prarr": world.simulator.account.rules.prarr()})
    assert found[Exchange.NSE] == {Product.CNC, Product.MIS}
    assert found[Exchange.NFO] == found[Exchange.MCX] == {Product.NRML, Product.MIS}


@pytest.mark.parametrize("words", UNAUTHORIZED)
def test_order_waits_through_each_wording_of_a_dead_session_and_goes_out_once(
    world, words
):
    broker = world.open()
    world.simulator.add_fault("unauthorized", on="any", words=words)

    if world.simulator.generation == "oauth":
        with pytest.raises(LoginNeeded):
            broker.place(a_limit_order("O-7"))
        access = world.simulator.access
        broker.session.exchange(
            access.authorize(), world.simulator.credentials.api_secret
        )
    broker.place(a_limit_order("O-7"))

    assert len(named(broker, "O-7")) == 1
