"""The scrip master: once a day, and yesterday's if need be."""

import io
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest

from shoonya_platform.brokers.shoonya_scrips import ScripMaster, read_master
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable

NFO = """\
Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,
NFO,43650,65,NIFTY,NIFTY27JAN26C25700,27-JAN-2026,OPTIDX,CE,25700,0.05,
NFO,43651,x,NIFTY,BROKENROW,27-JAN-2026,OPTIDX,CE,25700,0.05,
"""
NSE = """\
Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,
NSE,2031,1,M&M,M&M-EQ,EQ,0.10,
"""


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("symbols.txt", text)
    return buffer.getvalue()


class Server:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: bytes | None = zipped(NFO)

    def download(self, url: str) -> bytes:
        self.asked.append(url)
        if self.answer is None:
            raise BrokerUnavailable("the broker answered HTTP 502")
        return self.answer


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def open_master(tmp_path, clock, server, told):
    def call() -> ScripMaster:
        return ScripMaster(
            tmp_path / "shoonya",
            "https://api.example/",
            clock,
            download=server.download,
            tell=told.append,
        )

    return call


def test_scrip_is_found_with_token_lot_and_tick(open_master, server):
    scrip = open_master().find(Exchange.NFO, "NIFTY27JAN26C25700")

    assert (scrip.token, scrip.lot_size, scrip.tick_size) == (
        "43650",
        65,
        Decimal("0.05"),
    )
    assert server.asked == ["https://api.example/NFO_symbols.txt.zip"]


def test_columns_are_found_by_their_headings():
    assert list(read_master(zipped(NSE))) == [("M&M-EQ", "2031", 1, "0.10")]


def test_what_is_not_listed_or_broken_is_not_found(open_master):
    master = open_master()

    assert master.find(Exchange.NFO, "NOSUCHTHING") is None
    assert master.find(Exchange.NFO, "BROKENROW") is None


def test_master_is_fetched_once_a_day_for_all_processes(open_master, server, clock):
    for master in (open_master(), open_master()):
        master.find(Exchange.NFO, "NIFTY27JAN26C25700")
        master.find(Exchange.NFO, "NOSUCHTHING")
    assert len(server.asked) == 1

    clock.advance(timedelta(days=1).total_seconds())
    master.find(Exchange.NFO, "NIFTY27JAN26C25700")

    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [None, b"<html>", zipped("A,B\n1,2\n")])
def test_failing_download_falls_back_to_the_last_one_and_says_so_once(
    open_master, server, clock, told, answer
):
    open_master().find(Exchange.NFO, "NIFTY27JAN26C25700")
    clock.advance(timedelta(days=1).total_seconds())
    server.answer = answer

    master = open_master()
    for _ in range(3):
        assert master.find(Exchange.NFO, "NIFTY27JAN26C25700") is not None

    (sentence,) = told
    assert "going on with the one of 2026-11-25" in sentence
    assert len(server.asked) == 2


def test_failed_download_is_tried_again_after_a_while(open_master, server, clock):
    master = open_master()
    master.find(Exchange.NFO, "NIFTY27JAN26C25700")
    clock.advance(timedelta(days=1).total_seconds())
    server.answer = None
    master.find(Exchange.NFO, "NIFTY27JAN26C25700")

    clock.advance(601)
    server.answer = zipped(NFO.replace("NIFTY", "NEWNIFTY"))

    assert master.find(Exchange.NFO, "NEWNIFTY27JAN26C25700") is not None


def test_without_any_master_it_is_unavailable(open_master, server):
    server.answer = None

    with pytest.raises(BrokerUnavailable):
        open_master().find(Exchange.NFO, "NIFTY27JAN26C25700")


def test_damaged_master_is_fetched_anew(open_master, server, tmp_path):
    open_master().find(Exchange.NFO, "NIFTY27JAN26C25700")
    (tmp_path / "shoonya" / "NFO.scrips").write_bytes(b"no database")

    assert open_master().find(Exchange.NFO, "NIFTY27JAN26C25700") is not None
