"""The simulator refuses what the account and its exchange do not take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shoonya_platform.errors import ConfigError, NotAllowed
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.noren.account import Account
from shoonya_platform.testing.noren.faults import Faults
from shoonya_platform.testing.noren.masters import Masters, TextMasters
from shoonya_platform.testing.noren.packaged import PackagedMasters
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.reading import Refusal
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import india_day

OPTION = "NIFTY01DEC26C25950"
FUTURE = "BANKNIFTY29DEC26F"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def open_account(tmp_path: Path, clock, faults) -> Callable[..., Account]:
    def call(masters: Masters | None = None) -> Account:
        return Account(
            tmp_path,
            MarketSettings(cash=Decimal(10**8)),
            user_id="FA1",
            scrips=Scrips(masters or PackagedMasters(india_day(clock.now()))),
            clock=clock,
            faults=faults,
            tell=lambda _: None,
        )

    return call


@pytest.fixture
def account(open_account) -> Account:
    made: Account = open_account()
    made.set_price("NFO", OPTION, Decimal(100))
    made.set_price("NFO", FUTURE, Decimal(58400))
    return made


def place(account: Account, **changes: str) -> dict[str, str]:
    asked = {
        "actid": "FA1",
        "exch": "NFO",
        "tsym": OPTION,
        "qty": "65",
        "prc": "100",
        "prd": "M",
        "trantype": "B",
        "prctyp": "LMT",
        "ret": "DAY",
        **changes,
    }
    number = account.place(asked)
    return next(
        row for row in reversed(account.order_book()) if row["norenordno"] == number
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"prc": "100.03"}, "EXCH:16283", id="tick"),
        pytest.param(
            {"prctyp": "SL-LMT", "prc": "110", "trgprc": "105.01"},
            "EXCH:16283",
            id="tick-of-the-trigger",
        ),
        pytest.param(
            {"tsym": FUTURE, "qty": "30", "prc": "58400.1"},
            "EXCH:16283",
            id="tick-0.20",
        ),
        pytest.param({"qty": "66"}, "board lot 65", id="lot"),
        pytest.param({"qty": "1820"}, "freeze quantity 1800", id="freeze"),
        pytest.param({"prd": "C"}, "Product C is not enabled for NFO", id="product"),
        pytest.param({"prd": "F"}, "Product F is not enabled", id="funded"),
        pytest.param(
            {"prc": "2000.05"}, "outside the circuit limits", id="option-band"
        ),
        pytest.param(
            {"tsym": FUTURE, "qty": "30", "prc": "70000"},
            "circuit limits 52560 to 64240",
            id="future-band",
        ),
        pytest.param(
            {"prctyp": "SL-LMT", "prc": "90", "trgprc": "95"}, "beyond", id="trigger"
        ),
    ],
)
def test_order_is_rejected_with_the_reason(account, changes, reason):
    row = place(account, **changes)

    assert row["status"] == "REJECTED"
    assert reason in row["rejreason"]


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": "0"},
        {"qty": "6.5"},
        {"prc": "x"},
        {"prc": "nan"},
        {"prc": "0"},
        {"prctyp": "2L"},
        {"ret": "GTC"},
        {"trantype": "X"},
        {"tsym": "NOSUCHTHING"},
        {"exch": "NSE", "tsym": "NIFTY INDEX"},
        {"prctyp": "SL-MKT", "trgprc": "None"},
        {"prd": "B"},
    ],
    ids=str,
)
def test_order_that_cannot_be_read_is_refused_at_once(account, changes):
    with pytest.raises(Refusal):
        place(account, **changes)

    assert account.order_book() == []


def test_contract_is_traded_on_its_last_day_and_expired_after_it(account, clock):
    clock.advance(6 * 86_400)
    assert place(account)["status"] == "COMPLETE"

    clock.advance(86_400)

    row = place(account)
    assert row["status"] == "REJECTED"
    assert "expired" in row["rejreason"]
    account.rules.expiry = False
    assert place(account)["status"] == "COMPLETE"


@pytest.mark.parametrize(
    ("at", "exchange", "is_taken"),
    [
        ((2026, 11, 25, 9, 14), "NFO", False),
        ((2026, 11, 25, 9, 15), "NFO", True),
        ((2026, 11, 25, 15, 30), "NFO", False),
        ((2026, 11, 25, 9, 0), "CDS", True),
        ((2026, 11, 25, 17, 0), "CDS", False),
        ((2026, 11, 25, 23, 29), "MCX", True),
        ((2026, 11, 28, 11, 0), "MCX", False),
    ],
    ids=str,
)
def test_each_exchange_takes_orders_in_its_own_session(
    account, clock, at, exchange, is_taken
):
    account.rules.session_hours = True
    year, month, day, hour, minute = at
    local = datetime(year, month, day, hour, minute, tzinfo=UTC)
    clock.jump_to(local - timedelta(hours=5, minutes=30))
    words = {"NFO": OPTION, "CDS": "USDINR XX", "MCX": "CRUDEOIL XX"}[exchange]
    scrip = account.scrips.search(exchange, words)[0]
    order = {"exch": exchange, "tsym": scrip.tradingsymbol, "prctyp": "MKT"}

    row = place(account, **order, qty=str(scrip.lot_size), prc="0")

    assert (row["status"] == "COMPLETE") is is_taken
    if not is_taken:
        assert row["rejreason"] == "RED:Market is closed"


def test_after_market_order_waits_for_the_session(account, clock):
    account.rules.session_hours = True
    clock.jump_to(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    assert place(account, amo="Yes")["status"] == "PENDING"
    account.step()
    assert account.order_book()[0]["status"] == "PENDING"

    clock.jump_to(datetime(2026, 11, 25, 4, 0, tzinfo=UTC))
    account.step()

    (row,) = account.order_book()
    assert (row["status"], row["amo"]) == ("COMPLETE", "Yes")


def test_price_that_leaves_the_band_takes_it_along(account):
    account.set_price("NFO", FUTURE, Decimal(80_000))

    assert account.band("NFO", FUTURE) == (Decimal(72_000), Decimal(88_000))


def test_profit_has_the_price_factor(account):
    scrip = account.scrips.search("CDS", "USDINR XX")[0]
    account.set_price("CDS", scrip.tradingsymbol, Decimal("88.75"))
    order = {"exch": "CDS", "tsym": scrip.tradingsymbol, "qty": "2"}
    place(account, **order, prctyp="MKT", prc="0")
    account.set_price("CDS", scrip.tradingsymbol, Decimal("88.85"))

    (row,) = account.positions()

    assert (row["urmtom"], row["prcftr"]) == ("200.00", "1000.000000")
    assert row["netavgprc"] == "88.7500"


def test_reject_tick_happens_to_an_order_that_is_on_its_tick(account, faults):
    faults.add("reject_tick")

    assert place(account)["rejreason"].startswith("EXCH:16283:")
    assert place(account)["status"] == "COMPLETE"


def test_duplicate_number_is_that_of_the_order_before(account, faults):
    first = place(account, prc="50")
    faults.add("duplicate_number")

    second = place(account, prc="60")

    assert first["norenordno"] == second["norenordno"]
    assert [row["prc"] for row in account.order_book()] == ["50.00", "60.00"]


def test_books_are_there_again_after_a_restart(account, open_account):
    place(account)
    resting = place(account, prc="50")
    account.close()

    again = open_account()

    assert [row["status"] for row in again.order_book()] == ["COMPLETE", "OPEN"]
    assert [row["netqty"] for row in again.positions()] == ["65"]
    again.cancel(resting["norenordno"])
    assert again.order_book()[1]["status"] == "CANCELED"


def test_books_that_are_damaged_are_named(account, open_account, tmp_path):
    (tmp_path / "books.json").write_text("{")

    with pytest.raises(ConfigError, match=r"books\.json"):
        open_account()


def test_price_of_what_no_master_lists_is_refused(open_account):
    account = open_account(TextMasters({}))

    with pytest.raises(NotAllowed, match="SBIN-EQ"):
        account.set_price("NSE", "SBIN-EQ", Decimal(800))
