"""The simulator reads and writes symbol masters as the broker publishes them."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest

from shoonya_platform.errors import ConfigError
from shoonya_platform.testing.noren.masters import (
    EXCHANGES,
    HEADINGS,
    FolderMasters,
    scrips_of,
    zipped,
)
from shoonya_platform.testing.noren.packaged import PackagedMasters
from shoonya_platform.testing.noren.scrips import Scrips

DAY = date(2026, 11, 25)
CDS = HEADINGS["CDS"] + (
    "\nCDS,1,1,4,1000,USDINR,USDINR,,UNDCUR,,,"
    "\nCDS,7,1,4,1000,USDINR,USDINR29DEC26C88.5,29-DEC-2026,OPTCUR,CE,88.5,0.0025\n"
)


def test_rows_of_a_currency_master_have_factor_and_precision():
    underlying, option = scrips_of(CDS)

    assert not underlying.is_traded
    assert (option.factor, option.precision, option.strike) == (
        *(Decimal(1000), 4),
        Decimal("88.5"),
    )
    assert (option.expiry, option.root) == (date(2026, 12, 29), "USDINR")


def test_row_that_cannot_be_used_is_passed_over():
    text = HEADINGS["NSE"] + "\nNSE,1,x,A,A-EQ,EQ,0.05,\nNSE,2,1,B,B-EQ,EQ,0.05,\n"

    assert [scrip.tradingsymbol for scrip in scrips_of(text)] == ["B-EQ"]


def test_what_is_not_a_master_is_refused():
    with pytest.raises(ConfigError, match="headings"):
        list(scrips_of("<html></html>"))


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_packaged_masters_have_the_form_of_the_real_ones(exchange):
    heading, *lines = PackagedMasters(DAY).text(exchange).splitlines()

    assert heading == HEADINGS[exchange]
    rows = list(scrips_of("\n".join((heading, *lines))))
    assert len(rows) == len(lines) == len({row.token for row in rows})
    assert all(line.count(",") >= heading.count(",") - 1 for line in lines)
    ends = {line.endswith(",") for line in lines if "UND" not in line}
    assert ends == {exchange != "CDS"}
    assert all(row.expiry is None or row.expiry >= DAY for row in rows)


@pytest.mark.parametrize(
    ("exchange", "name", "lot", "tick", "factor"),
    [
        ("NSE", "RELIANCE-EQ", 1, "0.1", "1"),
        ("NSE", "NIFTY INDEX", 1, "0", "1"),
        ("BSE", "M&M", 1, "0.05", "1"),
        ("NFO", "NIFTY01DEC26C25950", 65, "0.05", "1"),
        ("NFO", "BANKNIFTY29DEC26F", 30, "0.2", "1"),
        ("BFO", "SENSEX26DEC84800CE", 20, "0.05", "1"),
        ("BFO", "SENSEX26D0384800PE", 20, "0.05", "1"),
        ("BFO", "ETERNAL26DECFUT", 2425, "0.05", "1"),
        ("MCX", "GOLD04DEC26", 1, "1", "100"),
        ("MCX", "CRUDEOIL18DEC26", 100, "1", "1"),
        ("MCX", "ALUMINIUM28DEC26", 5, "0.05", "1000"),
        ("CDS", "USDINR29DEC26F", 1, "0.0025", "1000"),
        ("CDS", "GBPUSD29DEC26C1.31", 1, "0.0001", "1000"),
        ("NFO", "NIFTY28DEC27P26000", 65, "0.05", "1"),
    ],
)
def test_packaged_instrument_has_its_exchanges_figures(
    exchange, name, lot, tick, factor
):
    scrip = Scrips(PackagedMasters(DAY, ["NFO:NIFTY28DEC27P26000"])).named(
        exchange, name
    )

    assert scrip is not None
    assert (scrip.lot_size, scrip.tick_size, scrip.factor) == (
        *(lot, Decimal(tick)),
        Decimal(factor),
    )


@pytest.mark.parametrize(
    "name", ["NIFTY", "NFO:NIFTY", "XXX:NIFTY28DEC27F", "NFO:A99XXX27F"]
)
def test_name_that_cannot_be_listed_is_refused(name):
    with pytest.raises(ConfigError):
        PackagedMasters(DAY, [name])


def test_folder_may_have_zips_or_texts_and_need_not_have_all(tmp_path):
    (tmp_path / "CDS_symbols.txt.zip").write_bytes(zipped("CDS", CDS))
    nse = HEADINGS["NSE"] + "\nNSE,2885,1,RELIANCE,RELIANCE-EQ,EQ,0.1,\n"
    (tmp_path / "NSE_symbols.txt").write_text(nse)

    scrips = Scrips(FolderMasters(tmp_path))

    assert scrips.token("CDS", "USDINR29DEC26C88.5") == "7"
    assert scrips.token("NSE", "RELIANCE-EQ") == "2885"
    assert scrips.all("NFO") == []
    assert scrips.file("NFO") is None
    content = scrips.file("NSE")
    assert content is not None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("NSE_symbols.txt").decode() == nse


def test_folder_without_a_master_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no symbol master"):
        FolderMasters(tmp_path)


def test_damaged_zip_is_named(tmp_path):
    (tmp_path / "NFO_symbols.txt.zip").write_bytes(b"PK")

    with pytest.raises(ConfigError, match="NFO_symbols"):
        FolderMasters(tmp_path).text("NFO")


def test_search_needs_all_words_of_a_text():
    scrips = Scrips(PackagedMasters(DAY))

    found = scrips.search("NFO", "banknifty 29dec ce")

    assert found
    assert all(scrip.root == "BANKNIFTY" for scrip in found)
    assert {(scrip.expiry, scrip.right) for scrip in found} == {
        (date(2026, 12, 29), "CE")
    }
    assert scrips.search("NFO", "") == []
