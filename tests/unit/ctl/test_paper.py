"""shoonyactl paper: prices and faults for the paper broker of the configuration."""

from decimal import Decimal

import pytest

from shoonya_platform.brokers.paper import FaultKind, PaperBroker, PaperSettings
from shoonya_platform.clock import SystemClock
from shoonya_platform.domain.catalogue import Catalogue
from shoonya_platform.domain.data import catalogue_defaults
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.store.doorbell import Doorbell


@pytest.fixture
def broker(home):
    """The same account, as a service sees it."""
    opened = PaperBroker(
        home / "state" / "paper.db",
        PaperSettings(),
        catalogue=Catalogue(catalogue_defaults()),
        clock=SystemClock(),
        timeout_seconds=5.0,
    )
    yield opened
    opened.close()


def test_price_is_the_brokers_and_the_watcher_is_rung(ctl, home, broker):
    bell = Doorbell(home / "run", "order_watcher")

    result = ctl("paper", "price", "nfo:nifty28dec27f", "26010.05")

    assert (result.code, result.out) == (0, "NFO:NIFTY28DEC27F trades at 26010.05\n")
    price = broker.last_price(Exchange.NFO, "NIFTY28DEC27F")
    assert price is not None
    assert abs(price - Decimal("26010.05")) < 1
    assert bell.wait(0)
    bell.close()


def test_fault_waits_for_whoever_meets_it(ctl, broker):
    ctl("paper", "fault", "accept_then_timeout", "--count", "3", "--seconds", "2")

    (fault,) = broker.faults()
    assert (fault.kind, fault.count, fault.seconds) == (
        FaultKind.ACCEPT_THEN_TIMEOUT,
        3,
        2.0,
    )
    (listed,) = ctl("paper", "faults", "--json").document
    assert (listed["kind"], listed["count"]) == ("accept_then_timeout", 3)


def test_none_ends_all_faults(ctl, broker):
    ctl("paper", "fault", "unavailable", "--count", "100")

    assert ctl("paper", "fault", "none").code == 0

    assert broker.faults() == []
    assert ctl("paper", "faults", "--json").document == []
