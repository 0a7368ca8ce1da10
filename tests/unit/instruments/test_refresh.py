"""The lists are loaded once a day, and a bad one changes nothing."""

from datetime import date, timedelta

import pytest

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.rows import published_before
from tests.masters import BFO, CDS, NFO, with_rows, zipped
from tests.unit.instruments.conftest import URL

DAY = timedelta(days=1).total_seconds()


def many(number, expiry="29-DEC-2026"):
    return with_rows(
        NFO,
        *(
            f"NFO,{9000 + each},65,NIFTY,NIFTY29DEC26C{each},{expiry},OPTIDX,CE,"
            f"{each},0.05,"
            for each in range(1, number + 1)
        ),
    )


def state_of(reader, exchange=Exchange.NFO):
    return next(state for state in reader.states() if state.exchange is exchange)


def symbol_is_known(reader, symbol="NIFTY29DEC26F"):
    return reader.find(Exchange.NFO, symbol) is not None


def test_all_lists_are_loaded_and_none_is_due_until_the_next_morning(
    loaded, server, clock, reader
):
    assert loaded.due() == []
    assert len(server.asked) == len(Exchange)
    # The FakeClock shows 10:00 in India; the lists come at 8:00.
    clock.advance(21.9 * 3600)
    assert loaded.due() == []

    clock.advance(0.2 * 3600)

    assert loaded.due() == list(Exchange)
    assert all(not state.problem for state in reader.states())


def test_another_process_finds_it_done(loaded, server, writer, clock):
    asked = len(server.asked)

    state = loaded.load(Exchange.NFO)

    assert len(server.asked) == asked
    assert state.rows == 9


def test_rows_that_came_went_or_changed_are_told_by_the_next_list(
    loaded, server, clock, reader
):
    clock.advance(DAY)
    server.answers[Exchange.NFO] = zipped(
        NFO.replace("NIFTY29DEC26P26000", "NIFTY05JAN27P26000").replace(",65,", ",75,")
    )

    loaded.load(Exchange.NFO)

    assert not symbol_is_known(reader, "NIFTY29DEC26P26000")
    assert symbol_is_known(reader, "NIFTY05JAN27P26000")
    assert reader.find(Exchange.NFO, "NIFTY29DEC26F").instrument.lot_size == 75
    assert reader.find(Exchange.MCX, "GOLD04DEC26") is not None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(None, "HTTP 502", id="missing"),
        pytest.param(b"<html>", "BadZipFile", id="damaged"),
        pytest.param(zipped(NFO)[:-60], "BadZipFile", id="cut-off"),
        pytest.param(zipped("A,B\n1,2\n"), "no column", id="headings"),
        pytest.param(zipped(NFO.splitlines()[0] + "\n"), "no row", id="no-rows"),
        pytest.param(zipped(NFO, date(2026, 11, 1)), "is old", id="old"),
    ],
)
def test_bad_download_keeps_yesterdays_rows_and_the_reason(
    loaded, server, clock, reader, answer, problem
):
    before = state_of(reader)
    clock.advance(DAY)
    server.answers[Exchange.NFO] = answer

    state = loaded.load(Exchange.NFO)

    assert problem in state.problem
    assert (state.loaded_at, state.rows) == (before.loaded_at, before.rows)
    assert symbol_is_known(reader)
    assert not state.is_current(clock.now())
    assert Exchange.NFO in loaded.due()


def test_the_next_good_download_ends_the_problem(loaded, server, clock, reader):
    good = server.answers[Exchange.NFO]
    clock.advance(DAY)
    server.answers[Exchange.NFO] = None
    loaded.load(Exchange.NFO)

    server.answers[Exchange.NFO] = good
    state = loaded.load(Exchange.NFO)

    assert (state.problem, state.loaded_at) == ("", clock.now())
    assert Exchange.NFO not in loaded.due()


def test_part_of_a_list_is_not_taken_for_the_list(masters, server, clock, reader):
    server.answers[Exchange.NFO] = zipped(many(2000))
    masters.load(Exchange.NFO)
    clock.advance(DAY)
    server.answers[Exchange.NFO] = zipped(many(100))

    state = masters.load(Exchange.NFO)

    assert state.problem == "the list has 109 rows only, 2009 before"
    assert state.rows == 2009


def test_list_of_an_earlier_day_is_told_by_what_has_expired(
    loaded, server, clock, reader
):
    clock.advance(9 * DAY)
    rows = [
        f"BFO,{each},20,BSXOPT,SENSEX26D03{each}CE,03-DEC-2026,OPTIDX,CE,{each},0.05,"
        for each in range(1, 9)
    ]
    server.answers[Exchange.BFO] = zipped(with_rows(BFO, *rows), date(2026, 12, 3))

    state = loaded.load(Exchange.BFO)

    assert "9 of its 13 rows expired before 2026-12-04" in state.problem
    assert state.rows == 5


def test_old_list_is_better_than_none_and_reported(masters, server, clock, reader):
    server.answers[Exchange.CDS] = zipped(CDS, date(2026, 10, 1))

    state = masters.load(Exchange.CDS)

    assert reader.find(Exchange.CDS, "USDINR29DEC26F") is not None
    assert state.is_old
    assert "made on 2026-10-01" in state.problem
    assert masters.due() == list(Exchange)


def test_weekend_does_not_make_fridays_list_old(masters, server, clock):
    # Sunday; the list was made on Friday and has what expired that day.
    clock.advance(4 * DAY)
    rows = ["CDS,7,1,4,1000,USDINR,USDINR27NOV26F,27-NOV-2026,FUTCUR,XX,0,0.0025"] * 3
    rows = [row.replace("USDINR2", f"USDINR{n}2") for n, row in enumerate(rows)]
    server.answers[Exchange.CDS] = zipped(with_rows(CDS, *rows), date(2026, 11, 27))

    assert masters.load(Exchange.CDS).problem == ""


def test_symbol_that_names_two_things_names_none(masters, server, reader):
    row = "NFO,{},65,NIFTY,TWICE29DEC26F,29-DEC-2026,FUTIDX,XX,0,0.05,"
    server.answers[Exchange.NFO] = zipped(with_rows(NFO, row.format(1), row.format(2)))

    state = masters.load(Exchange.NFO)

    assert not symbol_is_known(reader, "TWICE29DEC26F")
    assert (state.rows, state.skipped) == (9, "2 symbol not unique")


def test_lists_of_another_broker_are_replaced_whatever_their_size(
    masters, server, writer, clock, reader
):
    server.answers[Exchange.NFO] = zipped(many(2000))
    masters.load(Exchange.NFO)
    other = MasterRefresh(
        writer,
        "https://other.example/",
        masters._calendar,
        clock,
        download=lambda url: zipped(NFO),
    )

    assert Exchange.NFO in other.due()
    assert other.load(Exchange.NFO).rows == 9
    assert URL not in {state.url for state in reader.states()}


def test_damaged_file_is_made_again(loaded, server, writer, reader):
    writer.close()
    reader.path.write_bytes(b"no database" * 1000)

    assert loaded.due() == list(Exchange)
    loaded.load(Exchange.NFO)

    assert symbol_is_known(reader)


def test_lists_are_published_at_eight_in_india(clock):
    now = clock.now()

    assert published_before(now) == now.replace(hour=2, minute=30)
    early = now.replace(hour=2, minute=29)
    assert published_before(early) == early.replace(minute=30) - timedelta(days=1)
