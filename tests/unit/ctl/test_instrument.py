"""shoonyactl instrument: what is known of a symbol, and its source."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.instruments.file import FILE_NAME
from shoonya_platform.instruments.rows import Security
from shoonya_platform.instruments.writer import InstrumentWriter
from tests.masters import LISTS, MADE_ON, zipped


class Lists(BaseHTTPRequestHandler):
    """Publishes the lists, but for those that `missing` names."""

    missing: ClassVar[set[str]] = set()

    def do_GET(self):
        name = self.path.strip("/").partition("_")[0]
        is_there = name in Exchange.__members__ and name not in self.missing
        self.send_response(200 if is_there else 404)
        self.end_headers()
        if is_there:
            self.wfile.write(zipped(LISTS[Exchange(name)]))

    def log_message(self, *_):
        """It writes to the standard error otherwise."""


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Lists)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()
    Lists.missing.clear()


@pytest.fixture
def live(home, server):
    """A configuration for the real broker."""
    with (home / "shoonya.toml").open("a") as file:
        file.write(
            f"""
[broker]
name = "shoonya"
[guard]
market_hours = "exchange"
[shoonya]
user_id = "FA1"
scrip_url = "http://127.0.0.1:{server.server_port}/"
[instruments."NFO:BANKNIFTY"]
lot_size = 35
tick_size = "0.4"
"""
        )
    return home


@pytest.fixture
def loaded(live, ctl):
    assert ctl("instrument", "refresh").code == 0


def test_refresh_loads_all_lists_and_says_how_much(live, ctl):
    result = ctl("instrument", "refresh")

    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(Exchange)
    assert "3 instruments" in lines[2]
    assert "rows left out: 1 tick size damaged" in lines[2]


def test_refresh_that_fails_keeps_what_is_there_and_ends_with_21(loaded, ctl):
    Lists.missing.add("NFO")

    result = ctl("instrument", "refresh", "NFO", "MCX")

    assert result.code == 21
    first, second = result.out.splitlines()
    assert "HTTP 404" in first
    assert "still 9 instruments" in first
    assert second.startswith("MCX: 11 instruments")
    assert ctl("instrument", "NIFTY29DEC26F").code == 0


def test_symbol_is_shown_with_its_figures_and_their_source(loaded, ctl):
    result = ctl("instrument", "MCX:GOLD31DEC26P130000")

    assert result.code == 0
    shown = dict(line.split(maxsplit=1) for line in result.out.strip().splitlines())
    assert shown["kind"] == "option PE 130000 OPTFUT"
    assert (shown["lot"], shown["tick"], shown["expiry"]) == ("1", "0.5", "2026-12-31")
    assert "100" in shown["price"]
    assert "the broker's list of MCX" in shown["source"]


def test_json_has_the_same_figures(loaded, live, ctl):
    file = InstrumentWriter(live / "state" / "shoonya" / FILE_NAME)
    security = Security(asked_on=MADE_ON, freeze_quantity=1801)
    file.note_security(Exchange.NFO, "49543", security)
    file.close()

    (document,) = ctl("instrument", "NIFTY29DEC26F", "--json").document

    assert document["exchange"] == "NFO"
    assert document["tick_size"] == "0.1"
    assert document["price_factor"] == "1"
    assert document["expiry"] == "2026-12-29"
    assert (document["freeze_quantity"], document["largest_quantity"]) == (1801, 1755)
    assert document["freeze_asked_on"] == "2026-11-25"
    assert (document["source"], document["is_overridden"]) == ("master", False)


@pytest.mark.parametrize(
    ("entered", "found"),
    [
        pytest.param("RELIANCE", ["NSE:RELIANCE-EQ", "BSE:RELIANCE"], id="no-series"),
        pytest.param("nse:m&m-eq", ["NSE:M&M-EQ"], id="lower-case"),
        pytest.param("BSE:RELIANCE", ["BSE:RELIANCE"], id="one-exchange"),
        pytest.param("NIFTY INDEX", ["NSE:NIFTY INDEX"], id="blank"),
    ],
)
def test_symbol_is_found_as_people_enter_it(loaded, ctl, entered, found):
    document = ctl("instrument", entered, "--json").document

    shown = {f"{each['exchange']}:{each['tradingsymbol']}" for each in document}
    assert shown == set(found)


@pytest.mark.parametrize(
    ("entered", "near"),
    [
        pytest.param("NIFTY29DEC26", "NFO:NIFTY29DEC26F", id="begins-so"),
        pytest.param("RELAINCE-EQ", "NSE:RELIANCE-EQ", id="misspelt"),
        pytest.param("MCX:GOLD05DEC26", "MCX:GOLD04DEC26", id="other-day"),
    ],
)
def test_what_is_not_found_names_what_is_near(loaded, ctl, entered, near):
    result = ctl("instrument", entered)

    assert result.code == 4
    assert near in result.err
    assert result.out == ""


def test_expired_symbol_is_named_so(loaded, ctl):
    result = ctl("instrument", "NIFTY24NOV26F")

    assert result.code == 4
    assert "by its name it expired on 2026-11-24" in result.err


def test_operators_figures_are_shown_as_such(loaded, ctl):
    result = ctl("instrument", "BANKNIFTY29DEC26F")

    assert "0.4" in result.out
    assert "[instruments] of the configuration" in result.out


def test_without_lists_it_is_a_guess_and_says_so(live, ctl):
    result = ctl("instrument", "MCX:CRUDEOIL18DEC26")

    assert result.code == 0
    assert "the table of this version" in result.out
    assert "entries are denied" in result.err


def test_paper_broker_shows_the_packaged_table(ctl):
    result = ctl("instrument", "NIFTY29DEC26F")

    assert result.code == 0
    assert "NFO:NIFTY29DEC26F" in result.out
    assert "the table of this version, of 2026-" in result.out
    assert result.err == ""


def test_paper_broker_has_no_lists_to_load(ctl):
    result = ctl("instrument", "refresh")

    assert result.code == 1
    assert "has no lists" in result.err


def test_no_form_of_any_exchange_is_refused_with_examples(ctl):
    result = ctl("instrument", "not a symbol")

    assert result.code == 4
    assert "NSE:RELIANCE-EQ" in result.err


def test_doctor_says_where_the_figures_come_from(ctl, home):
    (finding,) = [
        each
        for each in ctl("doctor", "--json").document["findings"]
        if each["check"] == "instruments"
    ]

    assert finding["level"] == "ok"
    assert "the paper broker has no lists" in finding["sentence"]
