"""Orders carry the price factor, and what is open follows the instruments."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.domain.alerts import copy_name
from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.instruments import Exchange, Source
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.price_factors import LOOK_SECONDS
from shoonya_platform.testing.orders import a_leg, an_alert, store_alert, store_order
from tests.unit.execution.rows import INSTRUMENTS, S
from tests.unit.execution.trading_bot.conftest import exit_alert, hold

MCX = Exchange.MCX
GOLD = "GOLD05FEB27"


class Instruments:
    """The packaged ones; a test changes their factor, or takes them away."""

    def __init__(self):
        self.factor: Decimal | None = None
        self.source = Source.MASTER
        self.are_known = True

    def find(self, exchange, tradingsymbol):
        found = INSTRUMENTS.find(exchange, tradingsymbol)
        if found is None or not self.are_known:
            return None
        if self.factor is None:
            return found
        return replace(found, price_factor=self.factor, source=self.source)


@pytest.fixture
def instruments():
    return Instruments()


@pytest.fixture
def bot(new_bot, instruments):
    return new_bot(instruments=instruments)


def events(caplog):
    return [getattr(record, "event", "") for record in caplog.records]


def factors(store):
    return [position.price_factor for position in store.positions.open()]


def hold_gold(store, **changes):
    return hold(store, 2, exchange=MCX, tradingsymbol=GOLD, **changes)


def exits_of(store, alert_id):
    return [order.price_factor for order in store.orders.of_alert(alert_id)]


@pytest.mark.parametrize(
    ("exchange", "tradingsymbol", "factor"),
    [
        pytest.param("MCX", GOLD, "100", id="gold"),
        pytest.param("MCX", "GOLDM05FEB27", "0.1", id="goldm"),
        pytest.param("CDS", "USDINR27JAN27F", "1000", id="usdinr"),
        pytest.param("NFO", "NIFTY28JAN27F", "1", id="nifty"),
        pytest.param("NFO", "NOSUCHTHING", "1", id="unknown"),
    ],
)
def test_order_has_the_factor_of_its_instrument(
    bot, store, exchange, tradingsymbol, factor
):
    alert_id = store_alert(store, an_alert(a_leg(tradingsymbol), exchange=exchange))

    bot.step()

    (order,) = store.orders.of_alert(alert_id)
    assert order.price_factor == Decimal(factor)


def test_exit_has_the_factor_of_what_it_closes(bot, store, instruments):
    hold_gold(store, price_factor=Decimal(100))
    instruments.are_known = False
    alert_id = exit_alert(store, a_leg(GOLD), exchange="MCX")

    bot.step()

    assert exits_of(store, alert_id) == [100]


def test_what_closes_a_surplus_has_the_factor_of_its_leg(bot, store):
    order = hold_gold(store, price_factor=Decimal(100))
    copy = hold_gold(
        store,
        alert_id=order.alert_id,
        attempt=2,
        client_order_id=copy_name(order.client_order_id, 1),
        price_factor=Decimal(100),
    )
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=DiscrepancyKind.DUPLICATE_ORDER,
                subject=copy.client_order_id,
                text="a text",
                action="look",
                order_id=copy.order_id,
            )
        )

    bot.step()

    (closing,) = [
        other
        for other in store.orders.of_alert(order.alert_id)
        if other.side is Side.SELL
    ]
    assert (closing.intent, closing.price_factor) == (Intent.EXIT, 100)


def test_position_of_an_earlier_version_is_valued_by_its_factor_from_the_first_step(
    bot, store, caplog
):
    hold_gold(store)
    store_order(store, S.FILLED, exchange=MCX, tradingsymbol=GOLD, strategy="other")
    hold(store)
    assert factors(store) == [1, 1, 1]

    bot.step()

    by_symbol = {p.tradingsymbol: p.price_factor for p in store.positions.open()}
    assert by_symbol == {GOLD: 100, "NIFTY28DEC27F": 1}
    assert len(factors(store)) == 3
    assert events(caplog).count("price_factor_changed") == 1


def test_revised_factor_is_taken_within_a_minute_and_leaves_what_was_realised(
    bot, store, clock, instruments, caplog
):
    hold_gold(store, price_factor=Decimal(100))
    bot.step()
    instruments.factor = Decimal(10)

    bot.step()
    assert factors(store) == [100]
    clock.advance(LOOK_SECONDS)
    bot.step()
    assert factors(store) == [10]
    clock.advance(LOOK_SECONDS)
    bot.step()

    assert store.positions.realised() == 0
    assert events(caplog).count("price_factor_changed") == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"are_known": False}, id="unknown"),
        pytest.param({"factor": Decimal(1), "source": Source.UNLISTED}, id="guessed"),
    ],
)
def test_factor_stays_while_no_better_one_is_known(
    bot, store, instruments, caplog, changes
):
    hold_gold(store, price_factor=Decimal(100))
    for name, value in changes.items():
        setattr(instruments, name, value)

    bot.step()

    assert factors(store) == [100]
    assert "price_factor_changed" not in events(caplog)
