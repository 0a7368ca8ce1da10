"""What the order path is given: the operator's figures, the broker's, or a guess."""

import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal

import pytest

from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange, Source
from shoonya_platform.instruments.lookup import ListedInstruments


@dataclass(frozen=True)
class Figures:
    lot_size: int = 35
    tick_size: Decimal = Decimal("0.4")
    freeze_quantity: int | None = 700
    price_factor: Decimal | None = None


@pytest.fixture
def instruments(reader):
    overrides = {"NFO:BANKNIFTY": Figures()}
    return ListedInstruments(reader, Catalogue(catalogue_defaults(), overrides))


def test_listed_figures_are_the_brokers(loaded, instruments):
    found = instruments.find(Exchange.NSE, "MRF-EQ")

    assert (found.tick_size, found.source) == (5, Source.MASTER)


def test_operators_figures_count_most_and_the_rest_is_the_brokers(loaded, instruments):
    found = instruments.find(Exchange.NFO, "BANKNIFTY29DEC26F")

    assert (found.lot_size, found.tick_size, found.freeze_quantity) == (
        35,
        Decimal("0.4"),
        700,
    )
    assert found.is_overridden
    assert (found.token, found.source) == ("49508", Source.MASTER)


@pytest.mark.parametrize(
    ("factor", "counts"),
    [
        pytest.param(None, Decimal(100), id="absent"),
        pytest.param(Decimal("0.5"), Decimal("0.5"), id="given"),
    ],
)
def test_price_factor_is_the_brokers_unless_the_operator_names_one(
    loaded, reader, factor, counts
):
    overrides = {"MCX:GOLD": Figures(price_factor=factor)}
    instruments = ListedInstruments(reader, Catalogue(catalogue_defaults(), overrides))

    found = instruments.find(Exchange.MCX, "GOLD04DEC26")

    assert found is not None
    assert (found.price_factor, found.source) == (counts, Source.MASTER)


def test_what_is_not_listed_is_a_guess_that_says_so(loaded, instruments):
    found = instruments.find(Exchange.NFO, "NIFTY29DEC26C40000")

    assert (found.source, found.lot_size) == (Source.UNLISTED, 65)
    assert instruments.find(Exchange.NFO, "NIFTY") is None


def test_without_a_list_the_packaged_table_serves_and_says_so(instruments):
    found = instruments.find(Exchange.MCX, "GOLD04DEC26")

    assert (found.source, found.price_factor) == (Source.PACKAGED, 100)


def test_guard_pays_for_no_network_and_no_reader_of_lists():
    program = (
        "import sys, shoonya_platform.services.execution_guard as _;"
        "print(*sorted({'httpcore', 'httpx', 'csv', 'zipfile',"
        " 'shoonya_platform.instruments.masters'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""
