"""What the reason of a refusal asks for."""

import pytest

from shoonya_platform.domain.refusals import Remedy, remedy_of


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("EXCH:16283:The order price is not multiple of the tick size", Remedy.TICK),
        ("Price is not a multiple of ticksize 0.10", Remedy.TICK),
        ("EXCH:The price is out of the current execution range", Remedy.BAND),
        ("RMS:Price beyond circuit limit", Remedy.BAND),
        ("Order price is outside the price band", Remedy.BAND),
        ("RMS:Rule: product type MIS is not allowed", Remedy.PRODUCT),
        ("RED:RULE: check holdings, no holdings for CNC", Remedy.PRODUCT),
        ("RED:Margin Shortfall:INR 28,030.64 Available:INR 29.36", Remedy.NONE),
        ("EXCH:16328:Market is closed", Remedy.NONE),
        ("", Remedy.NONE),
        (" ", Remedy.NONE),
    ],
)
def test_reason_asks_for_a_remedy(reason, remedy):
    assert remedy_of(reason) is remedy
