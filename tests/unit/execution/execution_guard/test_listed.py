"""Orders by the broker's lists: what is denied, and that all that goes out fits."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults, market_calendar
from shoonya_platform.domain.instruments import Exchange, PriceBand
from shoonya_platform.domain.orders import Intent, OrderType, Side
from shoonya_platform.execution.execution_guard import PATIENCE_SECONDS, ExecutionGuard
from shoonya_platform.instruments.file import FILE_NAME
from shoonya_platform.instruments.lookup import ListedInstruments
from shoonya_platform.instruments.masters import Reading, read_master
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.rows import Security
from shoonya_platform.instruments.writer import InstrumentWriter
from shoonya_platform.testing.orders import store_order
from tests.masters import LISTS, MADE_ON, zipped
from tests.unit.execution.execution_guard.conftest import RULES, judged
from tests.unit.execution.rows import S

LISTED_RULES = replace(RULES, calendar=market_calendar(), needs_list=True)
TRADABLE = [
    instrument
    for exchange, text in LISTS.items()
    for instrument in read_master(zipped(text), exchange, Reading(), MADE_ON)
    if instrument.is_tradable
]


@pytest.fixture
def file(tmp_path) -> Iterator[InstrumentWriter]:
    opened = InstrumentWriter(tmp_path / FILE_NAME)
    yield opened
    opened.close()


@pytest.fixture
def masters(file, clock) -> MasterRefresh:
    def download(url):
        return zipped(LISTS[Exchange(url.removeprefix("x/").partition("_")[0])])

    return MasterRefresh(file, "x/", market_calendar(), clock, download=download)


@pytest.fixture
def guard(store, file, clock, rings):
    return ExecutionGuard(
        store,
        ListedInstruments(file, Catalogue(catalogue_defaults())),
        LISTED_RULES,
        clock,
        rings,
    )


@pytest.fixture
def loaded(masters):
    for exchange in Exchange:
        masters.load(exchange)


FUTURE: dict[str, Any] = {"tradingsymbol": "BANKNIFTY29DEC26F", "quantity": 30}
LIMIT = {"order_type": OrderType.LIMIT}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({**FUTURE, **LIMIT, "price": Decimal("55000.20")}, "", id="fits"),
        pytest.param(
            {**FUTURE, **LIMIT, "price": Decimal("55000.10")},
            "PRICE_NOT_ON_TICK: price=55000.10, tick_size=0.2",
            id="tick",
        ),
        pytest.param(
            {**FUTURE, "quantity": 35},
            "QUANTITY_NOT_IN_LOTS: quantity=35, lot_size=30",
            id="lot",
        ),
        pytest.param({**FUTURE, "quantity": 30 * 900}, "", id="freeze-unknown"),
        pytest.param(
            {"tradingsymbol": "NIFTY29DEC26C99999"},
            "INSTRUMENT_UNKNOWN: tradingsymbol=NFO:NIFTY29DEC26C99999, "
            "why=not in the broker's list of today",
            id="unlisted",
        ),
        pytest.param(
            {"tradingsymbol": "NIFTY24NOV26F"},
            "INSTRUMENT_EXPIRED: tradingsymbol=NFO:NIFTY24NOV26F, expiry=2026-11-24",
            id="expired-by-name",
        ),
        pytest.param(
            {"exchange": Exchange.CDS, "tradingsymbol": "USDINR", "quantity": 1},
            "INSTRUMENT_UNKNOWN: tradingsymbol=CDS:USDINR, "
            "why=an index is quoted, not traded",
            id="index",
        ),
    ],
)
def test_entry_is_held_against_the_list(loaded, guard, store, changes, reason):
    assert judged(guard, store, **changes) == reason


def test_contract_trades_on_its_last_day_and_not_after(loaded, guard, store, clock):
    gold = {"exchange": Exchange.MCX, "tradingsymbol": "GOLD04DEC26", "quantity": 1}
    clock.advance(timedelta(days=9).total_seconds())
    assert judged(guard, store, **gold, alerted_at=clock.now()) == ""

    clock.advance(timedelta(days=3).total_seconds())
    reason = judged(guard, store, **gold, alerted_at=clock.now(), strategy="other")

    assert reason == "INSTRUMENT_EXPIRED: tradingsymbol=MCX:GOLD04DEC26, " + (
        f"expiry={date(2026, 12, 4)}"
    )


def test_entry_waits_a_while_for_the_first_list(guard, store, masters):
    order = store_order(store, S.RISK_PASSED, **FUTURE)
    assert guard.step() == 0

    masters.load(Exchange.NFO)
    guard.step()

    assert store.orders.get(order.order_id).status is S.GUARD_PASSED


def test_without_a_list_entries_are_denied_for_that(guard, store, clock):
    clock.advance(PATIENCE_SECONDS)

    assert judged(guard, store, **FUTURE) == (
        "INSTRUMENTS_UNAVAILABLE: exchange=NFO, "
        "why=the broker's list of its instruments was never loaded"
    )


@pytest.mark.parametrize(
    "symbol",
    [
        pytest.param("BANKNIFTY29DEC26F", id="no-list"),
        pytest.param("NIFTY24NOV26F", id="expired"),
        pytest.param("NIFTY29DEC26C99999", id="unlisted"),
        pytest.param("OF NO FORM", id="of-no-form"),
    ],
)
@pytest.mark.parametrize("has_list", [False, True])
def test_exit_passes_whatever_is_known(request, guard, store, symbol, has_list):
    if has_list:
        request.getfixturevalue("loaded")

    reason = judged(
        guard,
        store,
        intent=Intent.EXIT,
        tradingsymbol=symbol,
        quantity=30,
        side=Side.SELL,
    )

    assert reason == ""


def test_expired_has_no_meaning_round_the_clock(store, file, clock, rings, loaded):
    rules = replace(LISTED_RULES, calendar=None)
    instruments = ListedInstruments(file, Catalogue(catalogue_defaults()))
    guard = ExecutionGuard(store, instruments, rules, clock, rings)
    clock.advance(timedelta(days=30).total_seconds())

    reason = judged(
        guard,
        store,
        exchange=Exchange.MCX,
        tradingsymbol="GOLD04DEC26",
        quantity=1,
        alerted_at=clock.now(),
    )

    assert reason == ""


def test_list_is_used_as_soon_as_it_is_there(guard, store, masters, clock):
    clock.advance(PATIENCE_SECONDS)
    assert judged(guard, store, **FUTURE).startswith("INSTRUMENTS_UNAVAILABLE")

    masters.load(Exchange.NFO)

    assert judged(guard, store, **FUTURE) == ""


@pytest.mark.parametrize(
    ("side", "lower", "upper", "price"),
    [
        pytest.param(Side.BUY, "50000", "55150.15", "55150.00", id="buy: rounded down"),
        pytest.param(Side.SELL, "54850.15", "60000", "54850.20", id="sell: rounded up"),
        pytest.param(Side.SELL, "50000", "60000", "54725.00", id="within"),
    ],
)
def test_limit_that_the_band_cuts_stays_on_the_tick(
    loaded, guard, store, side, lower, upper, price
):
    key = (Exchange.NFO, "BANKNIFTY29DEC26F")
    with store.transaction(durable=False):
        store.positions.note_prices({key: Decimal(55000)})
        store.positions.note_bands(
            {key: PriceBand(lower=Decimal(lower), upper=Decimal(upper))}
        )
    order = store_order(store, S.RISK_PASSED, side=side, **FUTURE)

    guard.step()

    assert store.orders.get(order.order_id).price == Decimal(price)


@st.composite
def markets(draw):
    """An instrument, its price, band and freeze quantity, and an order in it."""
    instrument = draw(st.sampled_from(TRADABLE))
    tick = instrument.tick_size
    last = draw(st.integers(1, 200_000)) * tick
    band = None
    if draw(st.booleans()):
        # Borders as percentages give them: not on a tick, and wider than two.
        below = draw(st.decimals("0.001", "0.2", places=3)) * last + 2 * tick
        above = draw(st.decimals("0.001", "0.2", places=3)) * last + 2 * tick
        band = PriceBand(
            lower=max(last - below, Decimal("0.0001")).quantize(Decimal("0.0001")),
            upper=(last + above).quantize(Decimal("0.0001"), ROUND_CEILING),
        )
    freeze = draw(st.none() | st.integers(1, 40 * instrument.lot_size))
    lots = draw(st.integers(1, 100))
    is_stop = draw(st.booleans())
    return {
        "instrument": instrument,
        "last": last,
        "band": band,
        "freeze": freeze,
        "order": {
            "exchange": instrument.exchange,
            "tradingsymbol": instrument.tradingsymbol,
            "side": draw(st.sampled_from(Side)),
            "intent": draw(st.sampled_from([Intent.ENTRY, Intent.EXIT])),
            "quantity": lots * instrument.lot_size,
            "order_type": OrderType.STOP_MARKET if is_stop else OrderType.MARKET,
            "trigger_price": last if is_stop else None,
        },
    }


def test_no_order_that_goes_out_is_off_its_tick_its_lot_or_its_band(
    loaded, store, file, clock, rings
):
    rules = replace(LISTED_RULES, allows_conflicts=True)
    instruments = ListedInstruments(file, Catalogue(catalogue_defaults()))
    guard = ExecutionGuard(store, instruments, rules, clock, rings)
    strategies = iter(range(1_000_000))

    @settings(max_examples=150)
    @given(markets())
    def check(market):
        instrument, band = market["instrument"], market["band"]
        key = (instrument.exchange, instrument.tradingsymbol)
        file.note_security(
            instrument.exchange,
            instrument.token,
            Security(asked_on=MADE_ON, freeze_quantity=market["freeze"]),
        )
        with store.transaction(durable=False):
            store.positions.note_prices({key: market["last"]})
            store.positions.note_bands({key: band or PriceBand()})
        order = store_order(
            store, S.RISK_PASSED, strategy=f"s{next(strategies)}", **market["order"]
        )

        guard.step()

        parts = store.orders.of_alert(order.alert_id)
        assert sum(part.quantity for part in parts) == order.quantity
        for part in parts:
            assert part.status is S.GUARD_PASSED, part.reason
            assert part.quantity % instrument.lot_size == 0
            if (market["freeze"] or 0) >= instrument.lot_size:
                assert part.quantity <= market["freeze"]
            assert part.price > 0
            assert part.price % instrument.tick_size == 0
            assert band is None or band.has(part.price)
            worse = (part.price - market["last"]) * part.side.sign
            assert worse >= 0 or part.price == instrument.tick_size

    check()
