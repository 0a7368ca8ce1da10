"""The file of instruments: look-ups, several processes, and what a reader survives."""

import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange, Instrument, Source
from shoonya_platform.instruments.file import InstrumentFile, InstrumentsUnavailable
from shoonya_platform.instruments.rows import Security
from tests.masters import LISTS

TODAY = date(2026, 11, 25)


def test_everything_that_was_read_is_found_again(loaded, reader, masters):
    del masters
    option = reader.find(Exchange.BFO, "SENSEX26D0385000CE").instrument

    assert option == Instrument(
        exchange=Exchange.BFO,
        tradingsymbol="SENSEX26D0385000CE",
        lot_size=20,
        tick_size=Decimal("0.05"),
        kind=option.kind,
        token="888464",
        underlying="SENSEX",
        expiry=date(2026, 12, 3),
        strike=Decimal(85000),
        right=option.right,
        instrument_type="OPTIDX",
        source=Source.MASTER,
    )
    assert (option.kind, option.right) == ("option", "CE")


def test_what_is_not_listed_is_not_found(loaded, reader):
    assert reader.find(Exchange.NFO, "RELIANCE-EQ") is None


@pytest.mark.parametrize(
    "content",
    [pytest.param(None, id="missing"), pytest.param(b"no database", id="damaged")],
)
def test_without_a_usable_file_nothing_is_known_and_that_is_said(reader, content):
    if content is not None:
        reader.path.parent.mkdir()
        reader.path.write_bytes(content)

    with pytest.raises(InstrumentsUnavailable):
        reader.find(Exchange.NFO, "NIFTY29DEC26F")


def test_exchange_without_a_list_is_not_one_that_lists_nothing(masters, reader):
    masters.load(Exchange.NSE)

    with pytest.raises(InstrumentsUnavailable):
        reader.find(Exchange.NFO, "NIFTY29DEC26F")
    assert reader.find(Exchange.NSE, "NOSUCH-EQ") is None


def test_reader_takes_up_a_file_that_was_made_again(loaded, reader, writer):
    assert reader.find(Exchange.NFO, "NIFTY29DEC26F") is not None
    writer.close()
    writer.path.unlink()
    with pytest.raises(InstrumentsUnavailable):
        reader.find(Exchange.NFO, "NIFTY29DEC26F")

    loaded.load(Exchange.NFO)

    assert reader.find(Exchange.NFO, "NIFTY29DEC26F") is not None


def test_freeze_quantity_is_kept_beside_the_list_and_outlives_the_next(
    loaded, reader, writer
):
    security = Security(asked_on=TODAY, freeze_quantity=1800, precision=2, name="NIFTY")
    writer.note_security(Exchange.NFO, "49543", security)
    loaded.load(Exchange.NFO, only_if_due=False)

    found = reader.find(Exchange.NFO, "NIFTY29DEC26F")

    assert found.security == security
    assert found.instrument.freeze_quantity == 1800
    assert found.instrument.largest_quantity == 1755
    assert reader.find(Exchange.NFO, "NIFTY29DEC26C26000").security is None


def test_what_the_list_lacks_is_kept_until_the_next_list(loaded, reader, writer):
    new = Instrument(
        exchange=Exchange.NFO,
        tradingsymbol="NIFTY29DEC26C30000",
        token="77",
        source=Source.SECURITY_INFO,
    )
    writer.add(new)

    assert reader.find(Exchange.NFO, new.tradingsymbol).instrument == new
    loaded.load(Exchange.NFO, only_if_due=False)
    assert reader.find(Exchange.NFO, new.tradingsymbol) is None


def test_symbols_are_found_by_a_part_of_them(loaded, reader):
    def names(text):
        return [each.instrument.tradingsymbol for each in reader.like(text)]

    assert names("GOLD0") == ["GOLD04DEC26"]
    assert names("AUTO") == ["BAJAJ-AUTO-EQ"]
    assert names("%") == names("_") == []


def test_reader_leaves_no_lock_for_the_writer(loaded, reader):
    reader.find(Exchange.NFO, "NIFTY29DEC26F")

    with closing(sqlite3.connect(reader.path, timeout=0)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")


def test_load_that_dies_in_the_middle_changes_nothing(
    loaded, reader, writer, monkeypatch
):
    def crash(*_):
        raise RuntimeError("kill -9")

    monkeypatch.setattr("shoonya_platform.instruments.writer._note", crash)
    before = reader.find(Exchange.NFO, "NIFTY29DEC26F")
    with pytest.raises(RuntimeError):
        loaded.load(Exchange.NFO, only_if_due=False)

    with closing(InstrumentFile(writer.path)) as other:
        assert other.find(Exchange.NFO, "NIFTY29DEC26F") == before
        rows = sum(state.rows for state in other.states())
    assert rows == sum(text.count("\n") - 1 for text in LISTS.values()) - 1
