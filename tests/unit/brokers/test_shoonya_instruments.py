"""The list of the day, completed by what the broker says of one instrument."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.shoonya_instruments import (
    RETRY_SECONDS,
    ShoonyaInstruments,
)
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import Exchange, Source
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.file import FILE_NAME
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.writer import InstrumentWriter
from tests.masters import LISTS, zipped

FUTURE = "NIFTY29DEC26F"
NEW = "NIFTY29DEC26C31000"


class Broker:
    """Answers SearchScrip and GetSecurityInfo."""

    def __init__(self):
        self.tokens: dict[tuple[Exchange, str], str] = {(Exchange.NFO, NEW): "77"}
        self.row: dict[str, str] = {
            "frzqty": "1801", "ls": "65", "ti": "0.05", "pp": "2", "cname": "NIFTY"
        }  # fmt: skip
        self.asked: list[str] = []
        self.is_down = False

    def search(self, exchange, tradingsymbol):
        self.asked.append(tradingsymbol)
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.tokens.get((exchange, tradingsymbol))

    def ask(self, exchange, token):
        self.asked.append(token)
        if self.is_down:
            raise BrokerUnavailable("down")
        return self.row


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def open_instruments(
    tmp_path, clock, broker
) -> Iterator[Callable[[], ShoonyaInstruments]]:
    opened = []

    def call() -> ShoonyaInstruments:
        made = ShoonyaInstruments(
            InstrumentWriter(tmp_path / FILE_NAME),
            clock,
            search=broker.search,
            ask=broker.ask,
        )
        opened.append(made)
        return made

    yield call
    for each in opened:
        each.close()


@pytest.fixture
def instruments(open_instruments):
    return open_instruments()


@pytest.fixture
def loaded(tmp_path, clock):
    file = InstrumentWriter(tmp_path / FILE_NAME)

    def download(url):
        return zipped(LISTS[Exchange(url.removeprefix("x/").partition("_")[0])])

    masters = MasterRefresh(file, "x/", market_calendar(), clock, download=download)
    for exchange in Exchange:
        masters.load(exchange)
    file.close()


def test_token_is_the_lists_and_nobody_is_asked(loaded, instruments, broker):
    assert instruments.token(Exchange.NFO, FUTURE) == "49543"
    assert broker.asked == []


def test_freeze_quantity_is_asked_for_once_a_day_for_all_processes(
    loaded, open_instruments, broker, clock
):
    for each in (open_instruments(), open_instruments()):
        found = each.find(Exchange.NFO, FUTURE)
        assert (found.freeze_quantity, found.largest_quantity) == (1801, 1755)
        assert (found.lot_size, found.tick_size) == (65, Decimal("0.1"))
    assert broker.asked == ["49543"]

    clock.advance(timedelta(days=1).total_seconds())
    open_instruments().find(Exchange.NFO, FUTURE)

    assert broker.asked == ["49543", "49543"]


def test_without_an_answer_the_one_of_yesterday_serves(
    loaded, instruments, broker, clock
):
    instruments.find(Exchange.NFO, FUTURE)
    clock.advance(timedelta(days=1).total_seconds())
    broker.is_down = True

    for _ in range(3):
        assert instruments.find(Exchange.NFO, FUTURE).freeze_quantity == 1801

    assert len(broker.asked) == 2
    clock.advance(RETRY_SECONDS)
    instruments.find(Exchange.NFO, FUTURE)
    assert len(broker.asked) == 3


@pytest.mark.parametrize("value", ["0", "", "x"])
def test_unknown_freeze_quantity_limits_nothing(loaded, instruments, broker, value):
    broker.row["frzqty"] = value

    assert instruments.find(Exchange.NFO, FUTURE).freeze_quantity is None


def test_what_was_listed_today_is_learnt_and_kept_for_all(
    loaded, instruments, open_instruments, broker
):
    assert instruments.token(Exchange.NFO, NEW) == "77"
    instruments.find(Exchange.NFO, NEW)
    broker.is_down = True

    found = open_instruments().find(Exchange.NFO, NEW)

    assert (found.source, found.token, found.lot_size, found.freeze_quantity) == (
        Source.SECURITY_INFO,
        "77",
        65,
        1801,
    )


def test_what_nobody_lists_is_not_there(loaded, instruments):
    assert instruments.token(Exchange.NFO, "NOSUCHTHING") is None
    assert instruments.find(Exchange.NFO, "NOSUCHTHING") is None


def test_without_any_list_nothing_is_kept_that_would_let_entries_pass(
    instruments, open_instruments, broker
):
    assert instruments.find(Exchange.NFO, NEW).lot_size == 65
    asked = len(broker.asked)
    assert instruments.find(Exchange.NFO, NEW).lot_size == 65
    assert len(broker.asked) == asked

    open_instruments().find(Exchange.NFO, NEW)

    assert len(broker.asked) == 2 * asked


@pytest.mark.parametrize(
    ("symbol", "given", "factor"),
    [
        pytest.param("GOLD31DEC26C140000", "", "100", id="as its underlying"),
        pytest.param("TIN31DEC26", "(1 / 1 ) * (50 / 1)", "50", id="as published"),
        pytest.param("TIN31DEC26", "(1 / 8 ) * (1 / 1)", "0.125", id="a share of it"),
    ],
)
def test_price_factor_of_what_is_new_is_never_guessed(
    loaded, instruments, broker, symbol, given, factor
):
    broker.tokens[Exchange.MCX, symbol] = "99"
    broker.row["prcftr_d"] = given

    assert instruments.find(Exchange.MCX, symbol).price_factor == Decimal(factor)


@pytest.mark.parametrize("given", ["", "(1 / 0 ) * (1 / 1)", "100"])
def test_without_a_price_factor_it_is_unavailable(loaded, instruments, broker, given):
    broker.tokens[Exchange.MCX, "TIN31DEC26"] = "99"
    broker.row["prcftr_d"] = given

    with pytest.raises(BrokerUnavailable):
        instruments.find(Exchange.MCX, "TIN31DEC26")
