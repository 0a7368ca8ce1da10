"""The result of an alert never contradicts what it states."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.alerts import MarketPosition
from shoonya_platform.domain.orders import Side
from shoonya_platform.domain.stated import Outcome, Step, step_of
from shoonya_platform.testing.orders import a_leg, an_alert

BUY, SELL = Side.BUY, Side.SELL


def stated(before=None, after=None):
    """Return an alert that states signed quantities, or a side alone as a word."""
    fields: dict[str, Any] = {}
    for name, value in (("prev_market_position", before), ("market_position", after)):
        if isinstance(value, int):
            fields[name] = "flat" if not value else "long" if value > 0 else "short"
            fields[f"{name}_size"] = abs(value)
        elif value is not None:
            fields[name] = value
    return an_alert(a_leg(), execution_type="adjust", **fields)


@pytest.mark.parametrize(
    ("before", "after", "side", "quantity", "held", "expected"),
    [
        # As stated.
        (0, 65, BUY, 65, 0, Step(Outcome.ORDER, BUY, 65)),
        (65, 130, BUY, 65, 65, Step(Outcome.ORDER, BUY, 65)),
        (65, -65, SELL, 130, 65, Step(Outcome.ORDER, SELL, 130)),
        # A flip goes no further than it states.
        (65, -65, SELL, 200, 65, Step(Outcome.ORDER, SELL, 130)),
        # Nothing opens a short that is stated to be long.
        ("long", "long", SELL, 65, 0, Step(Outcome.DIFFERS, SELL)),
        (130, 65, SELL, 65, 0, Step(Outcome.DIFFERS, SELL)),
        ("long", "long", SELL, 100, 65, Step(Outcome.ORDER, SELL, 65)),
        # It is done already, perhaps by its double.
        (0, 65, BUY, 65, 65, Step(Outcome.REACHED, BUY)),
        # An alert before it was missed.
        (65, 130, BUY, 65, 0, Step(Outcome.DIFFERS, BUY)),
        (0, 65, BUY, 65, -65, Step(Outcome.DIFFERS, BUY)),
        # Nothing is stated of before.
        (None, 65, BUY, 65, 0, Step(Outcome.ORDER, BUY, 65)),
        (None, "long", BUY, 65, -65, Step(Outcome.ORDER, BUY, 65)),
        (None, None, SELL, 65, 0, Step(Outcome.ORDER, SELL, 65)),
    ],
)
def test_position_that_is_stated(before, after, side, quantity, held, expected):
    alert = stated(before, after)

    assert step_of(alert, side, quantity, held, reaches=False) == expected


@pytest.mark.parametrize(
    ("before", "after", "held", "expected"),
    [
        (65, 130, 0, Step(Outcome.REACH, BUY, 130)),
        (0, 65, -65, Step(Outcome.REACH, BUY, 130)),
        (130, 65, 200, Step(Outcome.REACH, SELL, 135)),
        # Without a size nobody knows how far.
        ("long", "long", 0, Step(Outcome.DIFFERS, BUY)),
    ],
)
def test_position_that_differs_is_brought_to_what_is_stated(
    before, after, held, expected
):
    assert step_of(stated(before, after), BUY, 65, held, reaches=True) == expected


quantities = st.integers(-200, 200)


@given(
    before=quantities,
    after=quantities,
    held=quantities,
    side=st.sampled_from(Side),
    quantity=st.integers(1, 400),
    reaches=st.booleans(),
    is_sized=st.booleans(),
)
def test_result_never_contradicts_what_is_stated(
    before, after, held, side, quantity, reaches, is_sized
):
    word = MarketPosition.FLAT
    if after:
        word = MarketPosition.LONG if after > 0 else MarketPosition.SHORT
    alert = stated(before, after if is_sized else word)

    step = step_of(alert, side, quantity, held, reaches=reaches)
    result = held + step.side.sign * step.quantity

    if step.outcome is Outcome.REACH:
        assert result == after
    elif step.outcome is Outcome.ORDER:
        # It goes towards what is stated, and not beyond.
        assert held == before
        if is_sized:
            assert (after - result) * (after - held) >= 0
            assert abs(after - result) < abs(after - held)
        elif side.sign * after < 0 < held * after:
            assert result * after >= 0
    else:
        assert step.quantity == 0
