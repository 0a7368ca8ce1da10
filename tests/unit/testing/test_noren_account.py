"""The simulator's account is used by many threads at once."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from shoonya_platform.clock import SystemClock
from shoonya_platform.testing.noren.account import Account
from shoonya_platform.testing.noren.faults import Faults
from shoonya_platform.testing.noren.packaged import PackagedMasters
from shoonya_platform.testing.noren.prices import MarketSettings
from shoonya_platform.testing.noren.scrips import Scrips
from shoonya_platform.testing.noren.words import india_day

NAME = "SBIN-EQ"
ORDER = {
    "actid": "FA1",
    "exch": "NSE",
    "tsym": NAME,
    "qty": "1",
    "prc": "0",
    "prd": "C",
    "trantype": "B",
    "prctyp": "MKT",
    "ret": "DAY",
}


def test_orders_prices_bands_and_steps_of_many_threads_are_all_carried_out(
    tmp_path: Path,
):
    clock = SystemClock()
    messages: list[dict[str, str]] = []
    account = Account(
        tmp_path,
        MarketSettings(cash=Decimal(10**9)),
        user_id="FA1",
        scrips=Scrips(PackagedMasters(india_day(clock.now()))),
        clock=clock,
        faults=Faults(),
        tell=messages.append,
    )
    deeds = (
        lambda: account.band("NSE", NAME),
        lambda: account.last_price("NSE", NAME),
        lambda: account.set_price("NSE", NAME, Decimal(800)),
        account.step,
        account.positions,
        lambda: account.place(ORDER),
    )

    with ThreadPoolExecutor(8) as executor:
        # Raises what any of them raised.
        for done in [executor.submit(deed) for _ in range(100) for deed in deeds]:
            done.result()
    account.release()
    account.close()

    (position,) = account.positions()
    assert position["netqty"] == "100"
    assert len({row["norenordno"] for row in account.order_book()}) == 100
    assert sum(frame["reporttype"] == "Fill" for frame in messages) == 100
