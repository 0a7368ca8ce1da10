"""TradingView's tickers, looked up in lists of the broker's format and without one."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.derivatives import monthly
from shoonya_platform.domain.instruments import Exchange, Instrument, Kind
from shoonya_platform.domain.ticker_map import Listing, TickerMap
from shoonya_platform.errors import AlertRefused
from shoonya_platform.instruments.file import FILE_NAME
from shoonya_platform.instruments.listing import MasterListing
from shoonya_platform.instruments.lookup import ListedInstruments
from shoonya_platform.instruments.masters import Reading, read_master
from shoonya_platform.instruments.rows import MasterState
from shoonya_platform.instruments.writer import InstrumentWriter
from shoonya_platform.testing.noren.packaged import PackagedMasters
from shoonya_platform.testing.tickers import packaged_listing, packaged_tickers
from tests.masters import zipped

TODAY = date(2026, 12, 1)
#: TradingView names the market, and CDS's is NSE.
MARKET = {
    Exchange.NFO: Exchange.NSE,
    Exchange.CDS: Exchange.NSE,
    Exchange.BFO: Exchange.BSE,
}
MONTH_CODES = "FGHJKMNQUVXZ"
MORE = (
    *("NSE:M&M-EQ", "NSE:BAJAJ-AUTO-EQ", "NSE:GENSOL-BZ", "BSE:M&M", "BSE:BAJAJ-AUTO"),
    *("NFO:M&M29DEC26F", "NFO:M&M29DEC26C3000", "NFO:BAJAJ-AUTO29DEC26F"),
    *("NFO:RELIANCE29DEC26C1402.5", "NFO:NIFTYNXT5029DEC26C70000"),
)


def write(file: InstrumentWriter, exchange: Exchange, text: str) -> list[Instrument]:
    rows = list(read_master(zipped(text), exchange, Reading(), TODAY))
    now = datetime(2026, 12, 1, 3, tzinfo=UTC)
    file.replace(
        exchange,
        rows,
        accept=lambda new, old, doubled: MasterState(
            exchange=exchange, loaded_at=now, tried_at=now, rows=new
        ),
    )
    return rows


@pytest.fixture(scope="module")
def rows() -> dict[Exchange, list[Instrument]]:
    return {}


@pytest.fixture(scope="module")
def listing(tmp_path_factory, rows) -> Iterator[Listing]:
    """A few dozen instruments in the format of the broker's lists."""
    made = PackagedMasters(TODAY, MORE)
    file = InstrumentWriter(tmp_path_factory.mktemp("lists") / FILE_NAME)
    file.create()
    for exchange in Exchange:
        rows[exchange] = write(file, exchange, made.text(exchange))
    catalogue = Catalogue(catalogue_defaults())
    yield MasterListing(file, ListedInstruments(file, catalogue), packaged_listing())
    file.close()


@pytest.fixture
def tickers(listing) -> TickerMap:
    return TickerMap(listing)


def written_by_tradingview(of: Instrument, futures: list[Instrument]) -> list[str]:
    """Return the tickers under which TradingView has an instrument."""
    if of.kind is Kind.CASH:
        name = re.sub(r"-[A-Z][A-Z0-9]$", "", of.tradingsymbol)
        return [re.sub("[&-]", "_", name)]
    root = re.sub("[&-]", "_", of.underlying)
    expiry = of.expiry
    assert expiry is not None
    if of.kind is Kind.OPTION:
        assert of.right is not None
        assert of.strike is not None
        strike = format(of.strike.normalize(), "f")
        return [f"{root}{expiry:%y%m%d}{of.right[0]}{strike}"]
    return [
        f"{root}{futures.index(of) + 1}!",
        f"{root}{MONTH_CODES[expiry.month - 1]}{expiry.year}",
    ]


def test_every_listed_instrument_has_a_ticker_that_maps_back_to_it(
    tickers, listing, rows
):
    seen: dict[Kind, int] = {}
    for exchange in Exchange:
        for row in rows[exchange]:
            if row.kind is Kind.INDEX:
                continue
            futures = monthly(
                exchange, listing.futures(exchange, row.underlying, TODAY)
            )
            if row.kind is Kind.FUTURE and row not in futures:
                continue
            market = MARKET.get(exchange, exchange)
            want = (exchange, row.tradingsymbol)
            for text in written_by_tradingview(row, futures):
                seen[row.kind] = seen.get(row.kind, 0) + 1
                assert tickers.resolve(market, text, TODAY) == want, text
            assert tickers.resolve(exchange, row.tradingsymbol, TODAY) == want
    assert seen[Kind.CASH] > 20
    assert seen[Kind.FUTURE] > 50
    assert seen[Kind.OPTION] > 500


@pytest.mark.parametrize(
    ("exchange", "text", "names"),
    [
        pytest.param("NSE", "NIFTY", "NFO:NIFTY29DEC26F", id="an index"),
        pytest.param("NSE", "RELIANC", "NSE:RELIANCE-EQ", id="mistyped"),
        pytest.param("NSE", "NIFTY9!", "NFO:NIFTY29DEC26F", id="too far"),
        pytest.param("NSE", "NIFTY251118C26000", "expired", id="expired"),
        pytest.param("BSE", "SENSX1!", "BFO:SENSEX26DECFUT", id="mistyped future"),
        pytest.param("NFO", "RELIANCE", "NFO:RELIANCE29DEC26F", id="no segment's"),
    ],
)
def test_name_that_maps_to_nothing_is_refused_with_the_nearest(
    tickers, exchange, text, names
):
    with pytest.raises(AlertRefused) as refused:
        tickers.resolve(Exchange(exchange), text, TODAY)

    assert refused.value.code == "INSTRUMENT_UNKNOWN"
    assert names in str(refused.value)


def test_nearest_options_are_those_of_the_nearest_expiry_and_strike(tickers, rows):
    strikes = sorted(
        row.strike
        for row in rows[Exchange.NFO]
        if row.underlying == "NIFTY" and row.strike and row.expiry == date(2026, 12, 29)
    )
    with pytest.raises(AlertRefused) as refused:
        tickers.resolve(Exchange.NSE, f"NIFTY261229C{strikes[-1] + 7}", TODAY)

    hint = refused.value.hint or ""
    assert hint.startswith(f"the nearest: NFO:NIFTY29DEC26C{strikes[-1]}, ")
    assert "P" not in hint.replace("NIFTY", "")


@pytest.mark.parametrize(
    ("roll_days", "today", "front"),
    [
        (0, date(2026, 12, 29), "NIFTY29DEC26F"),
        (1, date(2026, 12, 28), "NIFTY29DEC26F"),
        (1, date(2026, 12, 29), "NIFTY25JAN27F"),
        (3, date(2026, 12, 27), "NIFTY25JAN27F"),
    ],
)
def test_continuous_future_rolls_by_the_lists_expiries(
    roll_days, today, front, listing
):
    found = listing.futures(Exchange.NFO, "NIFTY", TODAY)
    january = next(each for each in found if each.expiry.month == 1)
    front = front.replace("NIFTY25JAN27F", january.tradingsymbol)

    chosen = TickerMap(listing, roll_days=roll_days).resolve(
        Exchange.NSE, "NIFTY1!", today
    )

    assert chosen == (Exchange.NFO, front)


def test_what_may_close_a_position_goes_to_the_future_that_is_held(listing):
    rolled = TickerMap(listing, roll_days=5)
    day = date(2026, 12, 28)
    december = (Exchange.NFO, "NIFTY29DEC26F")

    assert rolled.resolve(Exchange.NSE, "NIFTY1!", day) != december
    assert rolled.resolve(Exchange.NSE, "NIFTY1!", day, [december]) == december


def test_future_held_of_the_month_asked_for_comes_before_an_older_one(listing):
    rolled = TickerMap(listing, roll_days=5)
    day = date(2026, 12, 28)
    december = (Exchange.NFO, "NIFTY29DEC26F")
    january = rolled.resolve(Exchange.NSE, "NIFTY1!", day)

    assert rolled.resolve(Exchange.NSE, "NIFTY1!", day, [december, january]) == january


def test_of_several_older_futures_held_the_one_that_ends_first_is_closed(listing):
    rolled = TickerMap(listing, roll_days=30)
    december, january = (
        (Exchange.NFO, each.tradingsymbol)
        for each in monthly(
            Exchange.NFO, listing.futures(Exchange.NFO, "NIFTY", TODAY)
        )[:2]
    )
    day = date(2027, 1, 1)
    old = [january, (Exchange.NFO, "NIFTY05JAN27F")]
    assert rolled.resolve(Exchange.NSE, "NIFTY1!", day) not in [december, *old]

    assert rolled.resolve(Exchange.NSE, "NIFTY1!", day, old) == old[1]


def test_future_that_has_ended_does_not_take_what_is_meant_for_the_front_one(tickers):
    ended = (Exchange.NFO, "NIFTY24NOV26F")

    front = tickers.resolve(Exchange.NSE, "NIFTY1!", TODAY, [ended])

    assert front == (Exchange.NFO, "NIFTY29DEC26F")


def test_held_instrument_is_closed_though_the_lists_lack_it(tickers):
    held = [(Exchange.NFO, "NIFTY24NOV26C26000"), (Exchange.NSE, "GONE-EQ")]

    for text, want in (("NIFTY261124C26000", held[0]), ("GONE", held[1])):
        assert tickers.resolve(Exchange.NSE, text, TODAY, held) == want
        with pytest.raises(AlertRefused):
            tickers.resolve(Exchange.NSE, text, TODAY)


@pytest.mark.parametrize(
    ("exchange", "text", "want"),
    [
        ("NSE", "RELIANCE", "NSE:RELIANCE-EQ"),
        ("NSE", "M_M", "NSE:M&M-EQ"),
        ("NSE", "BAJAJ_AUTO", "NSE:BAJAJ-AUTO-EQ"),
        ("NSE", "RELIANCE-EQ", "NSE:RELIANCE-EQ"),
        ("NSE", "NIFTY1!", "NFO:NIFTY29DEC26F"),
        ("NSE", "BANKNIFTY3!", "NFO:BANKNIFTY23FEB27F"),
        ("NSE", "NIFTYZ2026", "NFO:NIFTY29DEC26F"),
        ("NSE", "NIFTY261229C26000", "NFO:NIFTY29DEC26C26000"),
        ("NSE", "NIFTY261208P25950", "NFO:NIFTY08DEC26P25950"),
        ("NSE", "NIFTY28DEC27F", "NFO:NIFTY28DEC27F"),
        ("NFO", "NIFTY28DEC27C26000", "NFO:NIFTY28DEC27C26000"),
        ("NSE", "M_M1!", "NFO:M&M29DEC26F"),
        ("NSE", "USDINR1!", "CDS:USDINR29DEC26F"),
        ("NSE", "USDINR29DEC26F", "CDS:USDINR29DEC26F"),
        ("BSE", "BSX1!", "BFO:SENSEX26DECFUT"),
        ("BSE", "BSX261203C85000", "BFO:SENSEX26D0385000CE"),
        ("BSE", "SENSEX261231C85000", "BFO:SENSEX26DEC85000CE"),
        ("BSE", "RELIANCE", "BSE:RELIANCE"),
        ("BSE", "M_M", "BSE:M&M"),
        ("MCX", "CRUDEOIL261216P4850", "MCX:CRUDEOIL16DEC26P4850"),
        ("MCX", "CRUDEOIL18DEC26", "MCX:CRUDEOIL18DEC26"),
        ("MCX", "CRUDEOIL1!", "MCX:CRUDEOIL18DEC26"),
        ("MCX", "GOLD1!", "MCX:GOLD04DEC26"),
        ("MCX", "GOLDG2027", "MCX:GOLD05FEB27"),
    ],
)
def test_without_a_list_names_follow_the_exchanges_rules(exchange, text, want):
    found = packaged_tickers().resolve(Exchange(exchange), text, TODAY)

    assert ":".join(found) == want


@pytest.mark.parametrize(
    ("exchange", "text"),
    [
        ("NSE", "NIFTY"),
        ("BSE", "SENSEX"),
        ("NSE", "NO_SUCH"),
        ("MCX", "WHEAT1!"),
        ("NSE", "NIFTY261131C26000"),
    ],
)
def test_without_a_list_what_cannot_be_known_is_refused(exchange, text):
    with pytest.raises(AlertRefused):
        packaged_tickers().resolve(Exchange(exchange), text, TODAY)
