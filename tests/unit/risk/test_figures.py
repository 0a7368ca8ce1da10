"""What people are shown is what the limits go by."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.risk.figures import Figure, day_figures
from shoonya_platform.risk.limits import RiskBook, RiskLimits
from tests.unit.domain.made import held

LIMITS = RiskLimits(
    max_daily_loss=Decimal(1000),
    max_exposure=Decimal(50_000),
    max_open_positions=2,
    max_order_value=Decimal(20_000),
)
OTHER = "BANKNIFTY28DEC27F"


def test_each_figure_stands_beside_its_limit():
    book = RiskBook(
        positions=[held(65), held(-30, OTHER, strategy="iron", average=200)],
        realised_today=Decimal("-12.50"),
        orders_today=7,
        losing_days=1,
    )

    figures = day_figures(book, LIMITS)

    assert figures["daily_pnl"] == Figure(Decimal("-12.50"), Decimal(-1000))
    assert figures["exposure"] == Figure(Decimal(12_500), Decimal(50_000))
    assert figures["symbol_exposure"].value == 6_500
    assert figures["strategy_exposure"].of == "straddle"
    assert figures["open_positions"] == Figure(2, 2)
    assert figures["orders_today"].value == 7


@pytest.mark.parametrize(("days", "limit"), [(0, None), (3, 3)])
def test_losing_days_without_a_limit_have_none(days, limit):
    limits = replace(LIMITS, loss_days=days)

    assert day_figures(RiskBook(positions=[]), limits)["losing_days"].limit == limit
