"""A market order gets a limit that trades at once, on the tick, never far off."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.instruments import Exchange, Instrument, Kind
from shoonya_platform.domain.orders import OrderStatus, OrderType, Side
from shoonya_platform.execution.protection import protect
from shoonya_platform.testing.orders import store_order

OPTION, FUTURE = "NIFTY28DEC27C26000", "NIFTY28DEC27F"
TICK = Decimal("0.05")


def listed(symbol=OPTION, tick=TICK, exchange=Exchange.NFO) -> Instrument:
    return Instrument(
        exchange=exchange,
        tradingsymbol=symbol,
        tick_size=tick,
        kind=Kind.OPTION if symbol == OPTION else Kind.FUTURE,
    )


@pytest.mark.parametrize(
    ("symbol", "side", "last", "price"),
    [
        pytest.param(OPTION, Side.BUY, "8", "8.40", id="option below 10: 5 %"),
        pytest.param(OPTION, Side.SELL, "50", "48.50", id="option below 100: 3 %"),
        pytest.param(OPTION, Side.BUY, "100", "102.00", id="option below 500: 2 %"),
        pytest.param(OPTION, Side.SELL, "500", "495.00", id="option above: 1 %"),
        pytest.param(FUTURE, Side.BUY, "50", "51.00", id="below 100: 2 %"),
        pytest.param(FUTURE, Side.SELL, "100", "99.00", id="below 500: 1 %"),
        pytest.param(FUTURE, Side.BUY, "26000", "26130.00", id="above: 0.5 %"),
        pytest.param(OPTION, Side.SELL, "0.05", "0.05", id="never below a tick"),
    ],
)
def test_the_limit_is_a_share_worse_than_the_last_price(
    store, symbol, side, last, price
):
    order = store_order(store, OrderStatus.RISK_PASSED, tradingsymbol=symbol, side=side)

    protected = protect(order, Decimal(last), listed(symbol))

    assert protected is not None
    assert protected.order_type is OrderType.LIMIT
    assert protected.price == Decimal(price)


@pytest.mark.parametrize(
    ("exchange", "symbol", "tick", "side", "last", "price"),
    [
        pytest.param(
            "NSE", "RELIANCE-EQ", "0.10", Side.SELL, "1423.50", "1416.30", id="share"
        ),
        pytest.param(
            "NSE", "RELIANCE-EQ", "0.10", Side.BUY, "1423.50", "1430.70", id="bought"
        ),
        pytest.param("NSE", "MRF-EQ", "5", Side.SELL, "140005", "139300", id="MRF"),
        pytest.param(
            "MCX", "CRUDEOIL19NOV26", "1", Side.SELL, "5467", "5439", id="crude oil"
        ),
        pytest.param(
            "NFO", "BANKNIFTY30DEC25F", "0.20", Side.SELL, "55712.40", "55433.80"
        ),
        pytest.param(
            "NFO", "BANKNIFTY30DEC25F", "0.20", Side.BUY, "55712.40", "55991.00"
        ),
        pytest.param(
            "CDS", "EURUSD29DEC26F", "0.0001", Side.SELL, "1.1613", "1.1380", id="CDS"
        ),
    ],
)
def test_the_limit_is_on_the_tick_of_the_instrument(
    store, exchange, symbol, tick, side, last, price
):
    instrument = listed(symbol, Decimal(tick), Exchange(exchange))
    order = store_order(
        store,
        OrderStatus.RISK_PASSED,
        exchange=instrument.exchange,
        tradingsymbol=symbol,
        side=side,
    )

    protected = protect(order, Decimal(last), instrument)

    assert protected is not None
    assert protected.price == Decimal(price)


@pytest.mark.parametrize("side", Side)
def test_the_limit_is_on_the_tick_and_never_better_than_the_last_price(store, side):
    order = store_order(store, OrderStatus.RISK_PASSED, tradingsymbol=OPTION, side=side)

    @given(
        last=st.decimals("0.05", 100_000, places=2),
        tick=st.sampled_from([Decimal("0.01"), TICK, Decimal("0.10"), Decimal(1)]),
    )
    def check(last, tick):
        protected = protect(order, last, listed(tick=tick))

        assert protected is not None
        assert protected.price % tick == 0
        assert protected.price >= tick
        if protected.price != tick:
            assert (protected.price - last) * side.sign >= 0

    check()


def test_a_stop_goes_by_its_trigger(store):
    order = store_order(
        store,
        OrderStatus.RISK_PASSED,
        tradingsymbol=OPTION,
        side=Side.BUY,
        order_type=OrderType.STOP_MARKET,
        trigger_price=Decimal(200),
    )

    protected = protect(order, Decimal(50), listed())

    assert protected is not None
    assert (protected.order_type, protected.price) == (
        OrderType.STOP_LIMIT,
        Decimal(204),
    )


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.STOP_LIMIT])
def test_a_limit_stays_what_it_is(store, order_type):
    order = store_order(
        store,
        OrderStatus.RISK_PASSED,
        order_type=order_type,
        price=Decimal(99),
        exchange=Exchange.NFO,
        trigger_price=Decimal(98),
    )

    assert protect(order, Decimal(100), listed()) is None


def test_without_a_price_nothing_is_made_up(store):
    order = store_order(store, OrderStatus.RISK_PASSED)

    assert protect(order, None, listed()) is None
