"""Each risk rule at its border."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.denials import DenialCode
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    Intent,
    Order,
    OrderType,
    Side,
)
from shoonya_platform.domain.positions import shrinks
from shoonya_platform.risk.limits import (
    RiskBook,
    RiskLimits,
    judge,
    leaves_value,
    money,
)
from shoonya_platform.testing.orders import SYMBOL
from tests.unit.domain.made import an_order, held

LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(50_000),
    max_open_positions=2,
    max_order_value=Decimal(20_000),
)


def denied(order, book=None) -> DenialCode | None:
    denial = judge(order, book or RiskBook(positions=[]), LIMITS)
    return None if denial is None else denial.code


# -- the rules -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        pytest.param(200, "100", None, id="at-the-limit"),
        pytest.param(
            200, "100.01", DenialCode.ORDER_VALUE_EXCEEDS_MAXIMUM, id="a-paisa-above"
        ),
    ],
)
def test_order_may_be_worth_the_limit_and_no_paisa_more(quantity, price, code):
    order = an_order(quantity=quantity, reference_price=Decimal(price))

    assert denied(order) is code


@given(
    st.integers(1, 1000),
    st.integers(1, 10**7).map(lambda paise: Decimal(paise) / 100),
    st.sampled_from(["0.1", "0.125", "1", "50", "100", "1000"]),
)
def test_factor_counts_as_a_price_that_is_so_much_higher(quantity, price, factor):
    factor = Decimal(factor)

    def book_of(price: Decimal, factor: Decimal) -> RiskBook:
        changes = {"price_factor": factor, "quantity": quantity}
        return RiskBook(
            positions=[
                replace(held(quantity, "A"), average_price=price, price_factor=factor)
            ],
            working=[an_order(tradingsymbol="B", reference_price=price, **changes)],
        )

    order = an_order(quantity=quantity, reference_price=price, price_factor=factor)
    plain = replace(order, reference_price=price * factor, price_factor=Decimal(1))
    ours, theirs = book_of(price, factor), book_of(price * factor, Decimal(1))
    assert ours.exposure == theirs.exposure
    assert ours.strategy_exposure(order) == theirs.strategy_exposure(order)
    assert ours.largest_symbol() == theirs.largest_symbol()
    assert leaves_value(order) == leaves_value(plain)
    assert judge(order, ours, LIMITS) == judge(plain, theirs, LIMITS)


def test_limit_order_is_judged_by_its_own_price():
    order = an_order(
        order_type=OrderType.LIMIT, price=Decimal(201), reference_price=Decimal(1)
    )

    assert denied(order) is DenialCode.ORDER_VALUE_EXCEEDS_MAXIMUM


def test_order_without_any_price_cannot_be_judged():
    assert denied(an_order(reference_price=None)) is DenialCode.PRICE_UNKNOWN


@pytest.mark.parametrize(
    ("others", "code"),
    [
        pytest.param(400, None, id="at-the-limit"),
        pytest.param(401, DenialCode.EXPOSURE_EXCEEDS_MAXIMUM, id="above"),
    ],
)
def test_exposure_counts_what_is_held_either_way_with_the_order(others, code):
    # 100 units at 100 rupees on top of what is held; short counts like long.
    book = RiskBook(positions=[held(-others)])

    assert denied(an_order(side=Side.SELL), book) is code


def test_exposure_is_at_the_last_price_where_one_is_known():
    book = RiskBook(positions=[held(100, "OTHER", average=100, last=401)])

    assert book.exposure == 40_100
    assert denied(an_order(), book) is DenialCode.EXPOSURE_EXCEEDS_MAXIMUM


def test_exposure_counts_entries_on_their_way_and_no_exits():
    on_the_way = [
        an_order(1, tradingsymbol="A", quantity=200),
        an_order(2, tradingsymbol="B", quantity=150, intent=Intent.ADJUST),
        an_order(3, tradingsymbol="C", quantity=150, intent=Intent.EXIT),
    ]

    assert RiskBook(positions=[], working=on_the_way).exposure == 35_000


@pytest.mark.parametrize(
    ("open_positions", "code"),
    [
        pytest.param(["A"], None, id="one-more"),
        pytest.param(["A", "B"], DenialCode.POSITIONS_EXCEED_MAXIMUM, id="full"),
        pytest.param(["A", SYMBOL], None, id="held-already"),
    ],
)
def test_instruments_are_counted_and_one_held_already_is_none_more(
    open_positions, code
):
    book = RiskBook(positions=[held(1, symbol) for symbol in open_positions])

    assert denied(an_order(), book) is code


def test_instruments_being_entered_count_and_flat_ones_do_not():
    book = RiskBook(
        positions=[held(0, "A"), held(1, "B")],
        working=[an_order(2, tradingsymbol="C"), an_order(3, tradingsymbol="C")],
    )

    assert book.instruments() == {("NFO", "B"), ("NFO", "C")}
    assert denied(an_order(), book) is DenialCode.POSITIONS_EXCEED_MAXIMUM


@pytest.mark.parametrize(
    ("realised", "last", "code"),
    [
        pytest.param("-999.99", 100, None, id="a-paisa-left"),
        pytest.param("-1000", 100, DenialCode.DAILY_LOSS_LIMIT, id="realised"),
        pytest.param("0", 90, DenialCode.DAILY_LOSS_LIMIT, id="unrealised"),
        pytest.param("-900", 99, DenialCode.DAILY_LOSS_LIMIT, id="together"),
        pytest.param("-2000", 120, None, id="made-good"),
    ],
)
def test_daily_loss_is_realised_and_unrealised_and_reached_at_the_limit(
    realised, last, code
):
    book = RiskBook(
        positions=[held(100, "OTHER", last=last)], realised_today=Decimal(realised)
    )

    assert denied(an_order(), book) is code


def test_denial_carries_the_figures_that_were_compared():
    book = RiskBook(positions=[held(-401)])

    denial = judge(an_order(side=Side.SELL), book, LIMITS)

    assert denial is not None
    assert denial.text == (
        "EXPOSURE_EXCEEDS_MAXIMUM: exposure=40100.00, order=10000.00, maximum=50000"
    )


# -- what may always pass ------------------------------------------------------

HOPELESS = RiskBook(
    positions=[held(1000, last=1), held(500, "A"), held(500, "B")],
    realised_today=Decimal(-99_999),
)


def test_exit_passes_whatever_the_figures_are():
    order = an_order(
        intent=Intent.EXIT, side=Side.SELL, quantity=99_999, reference_price=None
    )

    assert denied(order, HOPELESS) is None


def test_adjustment_that_shrinks_the_position_passes_like_an_exit():
    order = an_order(intent=Intent.ADJUST, side=Side.SELL, quantity=1000)

    assert denied(order, HOPELESS) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"side": Side.BUY}, id="grows"),
        pytest.param({"quantity": 1001}, id="turns"),
        pytest.param({"strategy": "other"}, id="another-strategys"),
        pytest.param({"product": Product.MIS}, id="another-product"),
        pytest.param({"tradingsymbol": "C"}, id="another-instrument"),
        pytest.param({"exchange": Exchange.BFO}, id="another-exchange"),
    ],
)
def test_adjustment_that_does_not_only_shrink_is_judged(changes):
    fields = {"intent": Intent.ADJUST, "side": Side.SELL, "quantity": 1000}
    order = an_order(**fields | changes)

    assert denied(order, HOPELESS) is DenialCode.DAILY_LOSS_LIMIT


def test_two_adjustments_do_not_close_the_same_position_twice():
    # Each alone only shrinks it; both together would turn it.
    sell = {"intent": Intent.ADJUST, "side": Side.SELL, "quantity": 60}
    first, second = an_order(1, **sell), an_order(2, **sell)
    positions = [held(100)]

    assert shrinks(first, positions, [])
    assert shrinks(first, positions, [first])
    assert not shrinks(second, positions, [first])


def test_adjustment_does_not_close_what_an_exit_is_closing():
    leaving = an_order(1, intent=Intent.EXIT, side=Side.SELL, quantity=100)
    order = an_order(2, intent=Intent.ADJUST, side=Side.SELL, quantity=1)

    assert not shrinks(order, [held(100)], [leaving])


@given(
    st.integers(-300, 300),
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 200)), max_size=6),
)
def test_orders_that_pass_as_shrinking_never_turn_a_position(quantity, wanted):
    positions, passed = [held(quantity)], list[Order]()
    for number, (side, units) in enumerate(wanted, start=1):
        order = an_order(number, intent=Intent.ADJUST, side=side, quantity=units)
        if shrinks(order, positions, passed):
            passed.append(order)

    left = quantity + sum(order.side.sign * order.quantity for order in passed)
    assert abs(left) <= abs(quantity)
    assert left * quantity >= 0


def test_figures_are_shown_in_paise():
    assert str(money(Decimal("45.678"))) == "45.68"


# -- limits of one symbol, one strategy, one day ---------------------------------


def judged(order, book, **limits) -> DenialCode | None:
    denial = judge(order, book, replace(LIMITS, **limits))
    return None if denial is None else denial.code


@pytest.mark.parametrize(
    ("maximum", "code"),
    [
        pytest.param("15000", None, id="at-the-limit"),
        pytest.param(
            "14999.99", DenialCode.SYMBOL_EXPOSURE_EXCEEDS_MAXIMUM, id="above"
        ),
    ],
)
def test_one_symbol_counts_over_all_strategies(maximum, code):
    book = RiskBook(positions=[held(50, strategy="another")])

    assert judged(an_order(), book, max_symbol_exposure=Decimal(maximum)) is code


@pytest.mark.parametrize(
    ("maximum", "code"),
    [
        pytest.param("15000", None, id="at-the-limit"),
        pytest.param(
            "14999.99", DenialCode.STRATEGY_EXPOSURE_EXCEEDS_MAXIMUM, id="above"
        ),
    ],
)
def test_one_strategy_counts_over_all_symbols(maximum, code):
    book = RiskBook(
        positions=[held(50, "BANKNIFTY28DEC27F"), held(99, strategy="another")]
    )

    assert judged(an_order(), book, max_strategy_exposure=Decimal(maximum)) is code


def test_the_order_after_the_days_last_is_denied():
    assert judged(an_order(), RiskBook(positions=[], orders_today=2)) is None
    assert (
        judged(an_order(), RiskBook(positions=[], orders_today=2), max_orders_per_day=2)
        is DenialCode.ORDERS_EXCEED_MAXIMUM
    )


@pytest.mark.parametrize(
    ("days", "limit", "code"),
    [
        (2, 3, None),
        (3, 3, DenialCode.LOSS_DAYS_COOLDOWN),
        pytest.param(9, 0, None, id="never"),
    ],
)
def test_losing_days_in_a_row_pause_entries(days, limit, code):
    book = RiskBook(positions=[], losing_days=days)

    assert judged(an_order(), book, loss_days=limit) is code


def test_what_shrinks_a_position_passes_every_limit():
    book = RiskBook(
        positions=[held(100)],
        orders_today=99,
        losing_days=9,
        realised_today=Decimal(-9999),
    )
    order = an_order(side=Side.SELL, intent=Intent.EXIT)

    assert judged(order, book, max_orders_per_day=1, loss_days=1) is None
