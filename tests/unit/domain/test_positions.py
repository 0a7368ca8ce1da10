"""Money adds up, whatever the fills are and whatever order they come in."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.domain.positions import ZERO, Position, closes_only, shrinks
from tests.unit.domain.made import an_order, held

BUY, SELL = Side.BUY, Side.SELL
FLAT = Position(
    strategy="straddle",
    exchange=Exchange.NFO,
    tradingsymbol="NIFTY28DEC27F",
    product=Product.NRML,
)

fills = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(1, 1_000_000),
        # Paise in five hundredths, from nearly nothing to a lakh of rupees.
        st.integers(1, 2_000_000).map(lambda ticks: Decimal(ticks) * 5 / 100),
    ),
    max_size=40,
)


def after(*trades: tuple[Side, int, int | str]) -> Position:
    position = FLAT
    for side, quantity, price in trades:
        position = position.after_fill(side, quantity, Decimal(price))
    return position


@given(fills)
def test_quantity_is_the_sum_of_all_signed_fills(trades):
    assert after(*trades).quantity == sum(s.sign * q for s, q, _ in trades)


@given(fills)
def test_profit_is_what_the_holding_is_worth_less_what_was_paid(trades):
    position = after(*trades)
    paid = sum((side.sign * q * price for side, q, price in trades), ZERO)
    worth = position.quantity * (position.last_price or ZERO)

    profit = position.realised_pnl + position.unrealised_pnl

    # Averages are rounded at 28 digits; a thousandth of a paisa is far above that.
    assert abs(profit - (worth - paid)) < Decimal("0.00001")


@given(fills)
def test_average_lies_between_the_prices_paid_and_is_0_when_flat(trades):
    position = after(*trades)

    if position.quantity == 0:
        assert position.average_price == 0
        assert position.exposure == 0
        return
    prices = [price for _, _, price in trades]
    rounding = Decimal("1e-15")
    assert min(prices) - rounding <= position.average_price <= max(prices) + rounding


@given(fills)
def test_fill_that_does_not_close_realises_nothing(trades):
    position = FLAT
    for side, quantity, price in trades:
        closes = position.quantity * side.sign < 0
        moved = position.after_fill(side, quantity, price)
        if not closes:
            assert moved.realised_pnl == position.realised_pnl
        position = moved


@pytest.mark.parametrize(
    ("trades", "quantity", "average", "realised"),
    [
        pytest.param([(BUY, 50, 100), (BUY, 50, 110)], 100, 105, 0, id="adds"),
        pytest.param([(SELL, 50, 100), (SELL, 50, 90)], -100, 95, 0, id="adds-short"),
        pytest.param(
            [(BUY, 100, 100), (SELL, 40, 110)], 60, 100, 400, id="closes-part"
        ),
        pytest.param([(BUY, 100, 100), (SELL, 100, 90)], 0, 0, -1000, id="closes-all"),
        pytest.param([(SELL, 10, 100), (BUY, 10, 90)], 0, 0, 100, id="covers-short"),
        pytest.param(
            [(BUY, 10, 100), (SELL, 30, 110)], -20, 110, 100, id="turns-short"
        ),
        pytest.param([(SELL, 10, 100), (BUY, 30, 110)], 20, 110, -100, id="turns-long"),
    ],
)
def test_fills_move_quantity_average_and_profit(trades, quantity, average, realised):
    position = after(*trades)

    assert position.quantity == quantity
    assert position.average_price == average
    assert position.realised_pnl == realised


@given(fills, st.sampled_from(["0.1", "0.125", "1", "50", "100", "1000"]), st.data())
def test_factor_counts_as_prices_that_are_so_much_higher(trades, factor, data):
    factor = Decimal(factor)
    ours, plain = replace(FLAT, price_factor=factor), FLAT
    for side, quantity, price in trades:
        ours = ours.after_fill(side, quantity, price)
        plain = plain.after_fill(side, quantity, price * factor)
    last = data.draw(st.sampled_from([None, *(price for *_, price in trades)]))
    ours = replace(ours, last_price=last)
    plain = replace(plain, last_price=None if last is None else last * factor)

    # Averages are rounded at 28 digits.
    off = Decimal("0.00001")
    assert ours.quantity == plain.quantity
    assert abs(ours.realised_pnl - plain.realised_pnl) < off
    assert abs(ours.unrealised_pnl - plain.unrealised_pnl) < off
    assert abs(ours.exposure - plain.exposure) < off


def test_one_lot_of_gold_that_falls_by_300_has_lost_30000():
    gold = replace(FLAT, price_factor=Decimal(100)).after_fill(BUY, 1, Decimal(150_000))
    assert gold.exposure == 15_000_000

    fallen = replace(gold, last_price=Decimal(149_700))
    assert fallen.unrealised_pnl == -30_000
    assert fallen.after_fill(SELL, 1, Decimal(149_700)).realised_pnl == -30_000


def test_another_factor_values_what_is_open_and_leaves_what_was_realised():
    held = FLAT.after_fill(BUY, 2, Decimal(100)).after_fill(SELL, 1, Decimal(110))

    revised = replace(held, price_factor=Decimal(10))

    assert revised.realised_pnl == 10
    assert revised.unrealised_pnl == 100
    assert revised.after_fill(SELL, 1, Decimal(110)).realised_pnl == 110


def test_without_a_last_price_nothing_is_unrealised_and_the_average_counts():
    held = Position(
        strategy="straddle",
        exchange=Exchange.NFO,
        tradingsymbol="X",
        product=Product.NRML,
        quantity=-10,
        average_price=Decimal(50),
    )

    assert held.unrealised_pnl == 0
    assert held.exposure == 500


# -- what only makes a position smaller -----------------------------------------


@pytest.mark.parametrize(
    ("holding", "side", "quantity", "closes"),
    [
        pytest.param(100, Side.SELL, 99, True, id="part-of-a-long"),
        pytest.param(100, Side.SELL, 100, True, id="all-of-a-long"),
        pytest.param(100, Side.SELL, 101, False, id="beyond-a-long"),
        pytest.param(100, Side.BUY, 1, False, id="adds-to-a-long"),
        pytest.param(-100, Side.BUY, 100, True, id="all-of-a-short"),
        pytest.param(-100, Side.BUY, 101, False, id="beyond-a-short"),
        pytest.param(-100, Side.SELL, 1, False, id="adds-to-a-short"),
        pytest.param(0, Side.SELL, 1, False, id="flat"),
    ],
)
def test_order_closes_no_more_than_is_held(holding, side, quantity, closes):
    order = an_order(side=side, quantity=quantity)

    assert closes_only(order, [held(holding)], []) is closes


OTHER_HOLDINGS = [
    pytest.param({"strategy": "iron"}, id="strategy"),
    pytest.param({"exchange": Exchange.BFO}, id="exchange"),
    pytest.param({"tradingsymbol": "BANKNIFTY28DEC27F"}, id="symbol"),
    pytest.param({"product": Product.MIS}, id="product"),
]


@pytest.mark.parametrize("other", OTHER_HOLDINGS)
def test_what_another_holds_cannot_be_closed(other):
    assert not closes_only(an_order(side=Side.SELL), [held(100, **other)], [])


@pytest.mark.parametrize(
    "other", [*OTHER_HOLDINGS, pytest.param({"side": Side.BUY}, id="side")]
)
def test_what_another_order_closes_elsewhere_is_still_to_be_closed_here(other):
    working = an_order(2, **{"side": Side.SELL, **other})

    assert closes_only(an_order(side=Side.SELL), [held(100)], [working])


def test_what_another_order_will_close_cannot_be_closed_again():
    working = an_order(
        2, side=Side.SELL, quantity=60, status=OrderStatus.ACCEPTED, filled_quantity=20
    )

    assert closes_only(an_order(side=Side.SELL, quantity=60), [held(100)], [working])
    assert not closes_only(
        an_order(side=Side.SELL, quantity=61), [held(100)], [working]
    )


def test_order_is_not_in_its_own_way():
    order = an_order(side=Side.SELL, quantity=100, status=OrderStatus.ACCEPTED)

    assert closes_only(order, [held(100)], [order])


def test_only_what_is_left_of_an_order_has_to_be_held():
    order = an_order(
        side=Side.SELL,
        quantity=100,
        status=OrderStatus.PARTIALLY_FILLED,
        filled_quantity=70,
    )

    assert closes_only(order, [held(30)], [])


@pytest.mark.parametrize("intent", [Intent.ENTRY, Intent.ADJUST])
def test_exit_shrinks_whatever_is_held_and_another_order_only_what_is(intent):
    assert shrinks(an_order(intent=Intent.EXIT), [], [])
    assert shrinks(an_order(intent=intent, side=Side.SELL), [held(100)], [])
    assert not shrinks(an_order(intent=intent, side=Side.SELL), [held(99)], [])
