"""The simulator's account is asked by many threads: its requests, steps and tests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from shoonya_platform.brokers.paper import PaperSettings
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.testing.noren.account import Account
from shoonya_platform.testing.noren.faults import Faults

NAME = "SBIN-EQ"


def test_prices_bands_and_steps_do_not_meet_in_one_transaction(tmp_path: Path):
    account = Account(
        tmp_path,
        PaperSettings(cash=Decimal(10**9)),
        user_id="FA1",
        catalogue=Catalogue(catalogue_defaults(), {}),
        clock=SystemClock(),
        faults=Faults(),
        tell=lambda _: None,
    )
    deeds = (
        lambda: account.band(Exchange.NSE, NAME),
        lambda: account.last_price(Exchange.NSE, NAME),
        lambda: account.set_price(Exchange.NSE, NAME, Decimal(100)),
        account.step,
        account.limits,
    )

    with ThreadPoolExecutor(8) as executor:
        # Raises what any of them raised.
        for done in [executor.submit(deed) for _ in range(100) for deed in deeds]:
            done.result()
    account.release()
    account.close()
