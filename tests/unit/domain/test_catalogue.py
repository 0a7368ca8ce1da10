from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from shoonya_platform.domain.catalogue import (
    Catalogue,
    parse_catalogue,
    parse_symbol,
)
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Kind, Right
from shoonya_platform.errors import ConfigError


@dataclass(frozen=True)
class Figures:
    lot_size: int = 1
    tick_size: Decimal = Decimal("0.05")
    freeze_quantity: int | None = None
    price_factor: Decimal | None = None


@pytest.fixture
def catalogue():
    return Catalogue(catalogue_defaults())


def found(catalogue, exchange, tradingsymbol):
    instrument = catalogue.find(Exchange(exchange), tradingsymbol)
    assert instrument is not None
    return instrument


@pytest.mark.parametrize(
    ("exchange", "tradingsymbol", "root", "kind", "expiry"),
    [
        pytest.param(
            "NFO", "NIFTY27JAN26C25700", "NIFTY", "option", date(2026, 1, 27), id="call"
        ),
        pytest.param(
            "NFO",
            "BANKNIFTY27JAN26P51000",
            "BANKNIFTY",
            "option",
            date(2026, 1, 27),
            id="put",
        ),
        pytest.param(
            "NFO", "NIFTY27JAN26F", "NIFTY", "future", date(2026, 1, 27), id="future"
        ),
        pytest.param(
            "NFO",
            "NIFTYNXT5024FEB26F",
            "NIFTYNXT50",
            "future",
            date(2026, 2, 24),
            id="root-ends-in-digits",
        ),
        pytest.param(
            "NFO", "M&M27JAN26F", "M&M", "future", date(2026, 1, 27), id="ampersand"
        ),
        pytest.param(
            "CDS",
            "USDINR27JAN26C83.5",
            "USDINR",
            "option",
            date(2026, 1, 27),
            id="strike-with-point",
        ),
        pytest.param(
            "MCX",
            "CRUDEOIL16NOV26",
            "CRUDEOIL",
            "future",
            date(2026, 11, 16),
            id="mcx-future-without-f",
        ),
        pytest.param(
            "MCX",
            "CRUDEOIL16NOV26P5400",
            "CRUDEOIL",
            "option",
            date(2026, 11, 16),
            id="mcx-option",
        ),
        pytest.param(
            "BFO",
            "SENSEX2690385000CE",
            "SENSEX",
            "option",
            date(2026, 9, 3),
            id="bse-weekly",
        ),
        pytest.param(
            "BFO", "SENSEX26JANFUT", "SENSEX", "future", None, id="bse-future"
        ),
        pytest.param(
            "BFO", "SENSEX5026OCTFUT", "SENSEX50", "future", None, id="bse-digits"
        ),
        pytest.param(
            "BFO", "ETERNAL26SEP355PE", "ETERNAL", "option", None, id="bse-monthly"
        ),
        pytest.param("NSE", "RELIANCE-EQ", "RELIANCE", "cash", None, id="series"),
        pytest.param("NSE", "BAJAJ-AUTO-EQ", "BAJAJ-AUTO", "cash", None, id="dashes"),
        pytest.param("BSE", "RELIANCE", "RELIANCE", "cash", None, id="no-series"),
    ],
)
def test_symbol_is_taken_apart(exchange, tradingsymbol, root, kind, expiry):
    symbol = parse_symbol(Exchange(exchange), tradingsymbol)

    assert symbol is not None
    assert (symbol.root, symbol.kind, symbol.expiry) == (root, Kind(kind), expiry)


@pytest.mark.parametrize(
    ("exchange", "tradingsymbol"),
    [
        pytest.param("NFO", "NIFTY", id="underlying-alone"),
        pytest.param("NFO", "NIFTY27JAN26", id="nfo-future-without-f"),
        pytest.param("NFO", "NIFTY31FEB26F", id="no-such-day"),
        pytest.param("NFO", "NIFTY27JAN26C", id="option-without-strike"),
        pytest.param("NFO", "27JAN26F", id="nothing-but-a-date"),
        pytest.param("NFO", "SENSEX26JANFUT", id="bse-form-elsewhere"),
        pytest.param("NSE", "", id="empty"),
        pytest.param("NSE", "RELIANCE EQ", id="blank"),
        pytest.param("NSE", "reliance", id="lower-case"),
    ],
)
def test_what_is_no_symbol_is_not_found(catalogue, exchange, tradingsymbol):
    assert catalogue.find(Exchange(exchange), tradingsymbol) is None


def test_known_underlying_gives_lot_and_freeze_to_all_its_derivatives(catalogue):
    option = found(catalogue, "NFO", "NIFTY27JAN26C25700")
    future = found(catalogue, "NFO", "NIFTY27JAN26F")

    assert (option.lot_size, option.freeze_quantity) == (65, 1800)
    assert (future.lot_size, future.freeze_quantity) == (65, 1800)
    assert option.largest_quantity == 1755
    assert option.tick_size == Decimal("0.05")


def test_underlying_is_not_matched_by_a_mere_prefix(catalogue):
    banknifty = found(catalogue, "NFO", "BANKNIFTY27JAN26F")
    niftynxt50 = found(catalogue, "NFO", "NIFTYNXT5027JAN26F")

    assert banknifty.lot_size == 30
    assert niftynxt50.freeze_quantity == 600


def test_unknown_underlying_is_bound_as_little_as_can_be(catalogue):
    option = found(catalogue, "NFO", "RELIANCE27JAN26C1400")
    cash = found(catalogue, "NSE", "RELIANCE-EQ")

    assert (option.lot_size, option.freeze_quantity) == (1, None)
    assert option.tick_size == Decimal("0.05")
    assert (cash.lot_size, cash.tick_size) == (1, Decimal("0.01"))


def test_override_of_the_symbol_counts_before_the_roots_and_both_before_the_table():
    catalogue = Catalogue(
        catalogue_defaults(),
        {
            "NFO:NIFTY": Figures(lot_size=50),
            "NFO:NIFTY27JAN26F": Figures(lot_size=25, freeze_quantity=100),
            "NSE:RELIANCE": Figures(tick_size=Decimal("0.10")),
        },
    )

    assert found(catalogue, "NFO", "NIFTY27JAN26C25700").lot_size == 50
    assert found(catalogue, "NFO", "NIFTY27JAN26F").lot_size == 25
    assert found(catalogue, "NSE", "RELIANCE-EQ").tick_size == Decimal("0.10")
    assert found(catalogue, "NFO", "BANKNIFTY27JAN26F").lot_size == 30


@pytest.mark.parametrize(
    ("key", "figures"),
    [
        pytest.param("NIFTY", Figures(), id="no-exchange"),
        pytest.param("NSX:NIFTY", Figures(), id="unknown-exchange"),
        pytest.param("NFO:", Figures(), id="no-name"),
        pytest.param("NFO:nifty", Figures(), id="lower-case"),
        pytest.param("NFO:NIFTY", Figures(tick_size=Decimal(0)), id="tick-of-nothing"),
        pytest.param(
            "NFO:NIFTY", Figures(lot_size=65, freeze_quantity=60), id="freeze-below-lot"
        ),
        pytest.param(
            "MCX:GOLD", Figures(price_factor=Decimal(0)), id="factor-of-nothing"
        ),
        pytest.param(
            "MCX:GOLD", Figures(price_factor=Decimal("inf")), id="factor-without-end"
        ),
    ],
)
def test_impossible_override_is_a_config_error_that_names_it(key, figures):
    with pytest.raises(ConfigError, match=key):
        Catalogue(catalogue_defaults(), {key: figures})


@pytest.mark.parametrize(
    ("exchange", "tradingsymbol", "lot", "factor"),
    [
        pytest.param("MCX", "GOLD05FEB27", 1, "100", id="gold"),
        pytest.param("MCX", "GOLD28JAN27C160000", 1, "100", id="gold-option"),
        pytest.param("MCX", "GOLDM05FEB27", 100, "0.1", id="goldm"),
        pytest.param("MCX", "GOLDGUINEA29JAN27", 8, "0.125", id="goldguinea"),
        pytest.param("MCX", "ALUMINIUM29JAN27", 5, "1000", id="aluminium"),
        pytest.param("MCX", "COTTONOIL29JAN27", 5, "100", id="cottonoil"),
        pytest.param("MCX", "KAPAS30APR27", 4, "50", id="kapas"),
        pytest.param("MCX", "CRUDEOIL19JAN27", 100, "1", id="crudeoil"),
        pytest.param("CDS", "USDINR27JAN27F", 1, "1000", id="usdinr"),
        pytest.param("CDS", "EURINR27JAN27C101.25", 1, "1000", id="currency-option"),
        pytest.param("NFO", "NIFTY28JAN27F", 65, "1", id="nifty"),
        pytest.param("NSE", "RELIANCE-EQ", 1, "1", id="share"),
    ],
)
def test_lot_times_factor_is_what_a_contract_gains_by_a_price_of_one(
    catalogue, exchange, tradingsymbol, lot, factor
):
    instrument = found(catalogue, exchange, tradingsymbol)

    assert (instrument.lot_size, instrument.price_factor) == (lot, Decimal(factor))


def test_overridden_factor_counts_before_the_table_and_an_absent_one_leaves_it():
    catalogue = Catalogue(
        catalogue_defaults(),
        {
            "MCX:GOLD": Figures(),
            "MCX:GOLDM": Figures(price_factor=Decimal("0.2")),
            "CDS:USDINR": Figures(),
        },
    )

    assert found(catalogue, "MCX", "GOLD05FEB27").price_factor == 100
    assert found(catalogue, "MCX", "GOLDM05FEB27").price_factor == Decimal("0.2")
    assert found(catalogue, "CDS", "USDINR27JAN27F").price_factor == 1000


def test_packaged_table_says_of_when_it_is_and_covers_every_exchange():
    defaults = catalogue_defaults()

    assert defaults.as_of == date(2026, 11, 24)
    assert set(defaults.ticks) == set(Exchange)


def test_table_with_a_name_that_never_matches_is_refused():
    with pytest.raises(ConfigError, match="NIFTY50"):
        parse_catalogue(
            {"as_of": date(2026, 1, 1), "ticks": {}, "underlyings": {"NIFTY50": {}}}
        )


def test_freeze_quantity_may_be_a_single_lot():
    one_lot = Figures(lot_size=65, freeze_quantity=65)
    catalogue = Catalogue(catalogue_defaults(), {"NFO:NIFTY": one_lot})

    assert found(catalogue, "NFO", "NIFTY27JAN26F").largest_quantity == 65


def test_table_with_an_unknown_key_is_refused():
    with pytest.raises(ConfigError, match="lotsize"):
        parse_catalogue(
            {
                "as_of": date(2026, 1, 1),
                "ticks": {},
                "underlyings": {"NFO:NIFTY": {"lotsize": 65}},
            }
        )


@pytest.mark.parametrize(
    ("exchange", "tradingsymbol", "strike", "right"),
    [
        pytest.param("NFO", "NIFTY27JAN26C25700", "25700", Right.CALL, id="call"),
        pytest.param("CDS", "EURINR23OCT26P114.75", "114.75", Right.PUT, id="put"),
        pytest.param("BFO", "SENSEX2690385000CE", "85000", Right.CALL, id="bse"),
    ],
)
def test_option_has_strike_and_right(exchange, tradingsymbol, strike, right):
    symbol = parse_symbol(Exchange(exchange), tradingsymbol)

    assert symbol is not None
    assert (symbol.strike, symbol.right) == (Decimal(strike), right)


@pytest.mark.parametrize(
    ("exchange", "tradingsymbol", "lot", "tick", "factor"),
    [
        pytest.param("MCX", "GOLD05DEC26", 1, "1", "100", id="gold"),
        pytest.param("MCX", "GOLDM05DEC26", 100, "1", "0.1", id="gold-mini"),
        pytest.param("MCX", "ALUMINIUM31DEC26", 5, "0.05", "1000", id="aluminium"),
        pytest.param("MCX", "CRUDEOIL16NOV26P5400", 100, "0.1", "1", id="crude-oil"),
        pytest.param("CDS", "USDINR29DEC26F", 1, "0.0025", "1000", id="currency"),
        pytest.param("CDS", "EURUSD29DEC26F", 1, "0.0001", "1000", id="cross"),
        pytest.param("NFO", "NIFTY29DEC26F", 65, "0.05", "1", id="index"),
    ],
)
def test_packaged_figures_of_commodities_and_currency(
    catalogue, exchange, tradingsymbol, lot, tick, factor
):
    instrument = found(catalogue, exchange, tradingsymbol)

    assert instrument.lot_size == lot
    assert instrument.tick_size == Decimal(tick)
    assert instrument.price_factor == Decimal(factor)
