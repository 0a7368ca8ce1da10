"""What an exit may have meant that names nothing held."""

import pytest

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.positions import Position
from shoonya_platform.domain.similar import similar_holdings

NSE, BSE, NFO = Exchange.NSE, Exchange.BSE, Exchange.NFO
CALL = "NIFTY29DEC26C26000"


def held(strategy, exchange, symbol, quantity=65):
    return Position(
        strategy=strategy,
        exchange=exchange,
        tradingsymbol=symbol,
        product=Product.NRML,
        quantity=quantity,
    )


@pytest.mark.parametrize(
    ("position", "named", "exists"),
    [
        (held("Straddle", NFO, CALL), ("straddle", NFO, CALL), True),
        (held("my straddle", NFO, CALL), ("my_straddle", NFO, CALL), True),
        (held("a", NSE, "RELIANCE-EQ"), ("a", NSE, "RELIANCE"), False),
        (held("a", NSE, "M&M-EQ"), ("a", NSE, "MM-EQ"), False),
        (held("a", NSE, "RELIANCE-EQ"), ("a", BSE, "RELIANCE"), True),
        (held("a", NFO, CALL), ("a", NFO, "NIFTY26DEC26000CE"), False),
        (held("a", NFO, CALL), ("a", NFO, CALL.lower()), False),
    ],
)
def test_same_holding_under_another_name(position, named, exists):
    assert similar_holdings([position], *named, exists=exists) == [position]


@pytest.mark.parametrize(
    ("position", "named", "exists"),
    [
        # It is that very holding, or nothing is held.
        (held("a", NFO, CALL), ("a", NFO, CALL), True),
        (held("A", NFO, CALL, 0), ("a", NFO, CALL), True),
        # Another strategy's, though its name is only a little different.
        (held("s1", NFO, CALL), ("s2", NFO, CALL), True),
        # Another strike, which exists: a leg that is flat already.
        (held("a", NFO, CALL), ("a", NFO, "NIFTY29DEC26C25000"), True),
        (held("a", NSE, "RELIANCE-EQ"), ("a", NSE, "INFY"), False),
    ],
)
def test_another_holding(position, named, exists):
    assert similar_holdings([position], *named, exists=exists) == []
