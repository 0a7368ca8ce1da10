"""An account that has more in it than ours, and a session that dies in the morning."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.orders import ClientOrderId
from shoonya_platform.testing.noren.server import NorenSimulator
from shoonya_platform.testing.receiver import Receiver
from shoonya_platform.testing.waiting import eventually
from tests.acceptance.noren import at_the_broker, log_in, noren_platform
from tests.acceptance.platform import Platform, entry
from tests.contract.noren_world import LOT, SYMBOL

MAX_AGE_SECONDS = 4.0


@pytest.fixture
def simulator() -> Iterator[NorenSimulator]:
    with NorenSimulator("oauth", step_seconds=0.2, listed=[f"NFO:{SYMBOL}"]) as running:
        running.set_price(Exchange.NFO, SYMBOL, "100")
        yield running


def exit_of(strategy: str) -> dict[str, object]:
    return {**entry(strategy, SYMBOL), "execution_type": "exit"}


def unreadable(platform: Platform) -> list[str]:
    store = platform.store()
    try:
        kind = DiscrepancyKind.ROW_UNREADABLE
        return sorted(each.subject for each in store.discrepancies.unresolved(kind))
    finally:
        store.close()


def records(platform: Platform, service: str, words: str) -> list[str]:
    lines = (platform.log_dir / f"{service}.log").read_text().splitlines()
    return [line for line in lines if words in line]


def test_mtf_order_and_position_in_the_account_stop_nothing(
    simulator: NorenSimulator, tmp_path: Path
):
    simulator.set_rules(derivative_products="MIF")
    user_id = simulator.credentials.user_id
    foreign = {
        "uid": user_id,
        "actid": user_id,
        "exch": "NFO",
        "tsym": SYMBOL,
        "prd": "F",
        "qty": str(2 * LOT),
        "ret": "DAY",
        "trantype": "B",
        "prctyp": "MKT",
        "prc": "0",
    }
    bought = simulator.place_elsewhere(foreign)
    resting = simulator.place_elsewhere(foreign | {"prctyp": "LMT", "prc": "50"})
    with noren_platform(simulator, tmp_path) as platform:
        began = platform.pids()
        expected = [
            f"order_book {bought}",
            f"order_book {resting}",
            f"positions {SYMBOL}",
        ]
        eventually(lambda: unreadable(platform) == expected, 20)
        # Of the same instrument, and in the other direction.
        assert platform.outcome(platform.accept(entry("s1", SYMBOL))) == "filled"
        assert platform.outcome(platform.accept(exit_of("s1"))) == "filled"
        # A message of the feed about it, while ours go on.
        simulator.place_elsewhere(foreign | {"prctyp": "LMT", "prc": "51"})
        assert platform.outcome(platform.accept(entry("s2", SYMBOL))) == "filled"
        shown = eventually(
            lambda: rows if len(rows := unreadable(platform)) == 4 else None, 20
        )

        listed = platform.ctl("discrepancy", "list", "--kind", "row_unreadable").stdout
        assert all(row.split()[1] in listed for row in shown)
        assert "nothing has to be done" in platform.ctl("status").stdout
        assert platform.pids() == began
        assert set(began) == set(COMPONENTS)
    # Read every two seconds, and reported once.
    for row in shown:
        assert len(records(platform, "recovery_service", f"({row.split()[1]})")) == 1
    assert records(platform, "recovery_service", "position_differs") == []
    held = {row["prd"]: row["netqty"] for row in simulator.account.positions()}
    assert held == {"F": str(2 * LOT), "M": str(-LOT)}


@pytest.mark.parametrize("words", ["html", "status_200", "invalid_token"])
def test_session_that_dies_loses_no_order_and_sends_none_twice(
    simulator: NorenSimulator, tmp_path: Path, words
):
    with Receiver() as receiver:
        platform = noren_platform(
            simulator,
            tmp_path,
            "[notify]\ninterval_seconds = 0.1\n"
            f"[guard]\nmax_alert_age_seconds = {MAX_AGE_SECONDS}\n",
        )
        (tmp_path / "credentials" / "notify_urls").write_text(receiver.url)
        with platform:
            die_and_come_back(platform, simulator, receiver, words)


def die_and_come_back(
    platform: Platform, simulator: NorenSimulator, receiver: Receiver, words: str
) -> None:
    assert platform.outcome(platform.accept(entry("held", SYMBOL))) == "filled"
    simulator.add_fault("unauthorized", words=words, on="any")
    leaving = platform.accept(exit_of("held"))
    late = platform.accept(entry("late", SYMBOL))

    def is_asked_for() -> bool:
        return any("no session at the broker" in body for body in receiver.bodies)

    eventually(is_asked_for, 20, message="a notification")
    check = platform.ctl("check")
    assert check.returncode in (1, 2)
    assert "no session at the broker" in check.stdout
    assert "shoonyactl broker login" in platform.ctl("status").stdout

    began = time.monotonic()
    eventually(
        lambda: time.monotonic() - began > MAX_AGE_SECONDS,
        2 * MAX_AGE_SECONDS,
        message="the entry is past its age",
    )
    assert [row for row in simulator.orders() if row["trantype"] == "B"] == []
    log_in(platform, simulator)

    assert platform.outcome(leaving) == "filled"
    assert "ALERT_STALE" in platform.outcome(late)
    assert platform.outcome(platform.accept(entry("after", SYMBOL))) == "filled"
    eventually(
        lambda: "no session" not in platform.ctl("check").stdout,
        20,
        message="the condition ends",
    )
    numbers = [row["remarks"] for row in simulator.orders()]
    assert len(numbers) == len(set(numbers)) == 3
    for number in numbers:
        assert len(at_the_broker(simulator, ClientOrderId(number))) == 1
