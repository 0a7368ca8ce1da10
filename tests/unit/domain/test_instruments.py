"""The limits that an exchange sets for a price and for one order."""

from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand

LOWER, UPPER = Decimal("90.05"), Decimal("110.10")
BAND = PriceBand(lower=LOWER, upper=UPPER)


@pytest.mark.parametrize(
    ("price", "is_within", "nearest"),
    [
        pytest.param("90.00", False, LOWER, id="below"),
        pytest.param("90.05", True, LOWER, id="at-the-lower"),
        pytest.param("100", True, Decimal(100), id="between"),
        pytest.param("110.10", True, UPPER, id="at-the-upper"),
        pytest.param("110.15", False, UPPER, id="above"),
    ],
)
def test_band_has_its_borders_and_what_lies_between(price, is_within, nearest):
    assert BAND.has(Decimal(price)) is is_within
    assert BAND.nearest(Decimal(price)) == nearest


@pytest.mark.parametrize(
    ("band", "inside", "outside"),
    [
        pytest.param(PriceBand(lower=LOWER), "1000000", "90", id="no-upper"),
        pytest.param(PriceBand(upper=UPPER), "0.05", "111", id="no-lower"),
    ],
)
def test_side_without_a_border_has_no_limit(band, inside, outside):
    assert band.has(Decimal(inside))
    assert band.nearest(Decimal(inside)) == Decimal(inside)
    assert not band.has(Decimal(outside))
    assert band.has(band.nearest(Decimal(outside)))


@pytest.mark.parametrize(
    ("freeze", "largest"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(1800, 1755, id="rounded-down"),
        pytest.param(1755, 1755, id="whole-lots"),
    ],
)
def test_largest_order_is_whole_lots_within_the_freeze_quantity(freeze, largest):
    instrument = Instrument(
        exchange=Exchange.NFO,
        tradingsymbol="NIFTY28DEC27F",
        lot_size=65,
        freeze_quantity=freeze,
    )

    assert instrument.largest_quantity == largest
