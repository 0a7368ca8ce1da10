"""Exits for what is held, and no entry that opens anything after them."""

import pytest

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.closing import closing_alerts
from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.store.flatten import Scope, flatten
from shoonya_platform.testing.orders import (
    SYMBOL,
    a_leg,
    an_alert,
    store_alert,
    store_order,
)

S = OrderStatus
OTHER = "NIFTY28DEC27C26000"


@pytest.fixture
def held(store):
    store_order(store, S.FILLED, quantity=130)
    store_order(store, S.FILLED, quantity=65, tradingsymbol=OTHER, side=Side.SELL)
    store_order(store, S.FILLED, quantity=65, strategy="other")


def run(store, clock, *scope):
    return flatten(store, Scope(*scope), by="tests", at=clock.now())


def exits(store, done):
    alerts = [store.alerts.get(alert_id).alert for alert_id in done.exits]
    assert all(alert.intent is Intent.EXIT for alert in alerts)
    # All that is held by then.
    assert all(leg.quantity is None for alert in alerts for leg in alert.legs)
    return sorted(
        (alert.strategy, leg.tradingsymbol) for alert in alerts for leg in alert.legs
    )


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (
            (),
            [
                ("other", SYMBOL),
                ("straddle", OTHER),
                ("straddle", SYMBOL),
            ],
        ),
        (("other",), [("other", SYMBOL)]),
        (
            (None, SYMBOL),
            [("other", SYMBOL), ("straddle", SYMBOL)],
        ),
        (("straddle", OTHER), [("straddle", OTHER)]),
        (("nobody",), []),
    ],
)
def test_exits_of_all_that_is_meant(store, clock, held, scope, expected):
    assert exits(store, run(store, clock, *scope)) == expected


def test_entries_are_canceled_and_exits_are_not(store, clock):
    entry = store_order(store, S.ACCEPTED)
    other = store_order(store, S.ACCEPTED, strategy="other")
    store_order(store, S.ACCEPTED, intent=Intent.EXIT, side=Side.SELL)

    done = run(store, clock, "straddle")

    assert done.canceled == (entry.order_id,)
    assert store.orders.cancel_request(entry.order_id) is not None
    assert store.orders.cancel_request(other.order_id) is None


def test_entries_without_orders_are_given_up(store, clock):
    entry = store_alert(store, an_alert())
    leaving = store_alert(store, an_alert(execution_type="exit"))
    other = store_alert(store, an_alert(a_leg(OTHER)))

    run(store, clock, "straddle", SYMBOL)

    assert store.alerts.get(entry).status is AlertStatus.SKIPPED
    assert store.alerts.get(entry).outcome.startswith("tests closed everything")
    for alert_id in (leaving, other):
        assert store.alerts.get(alert_id).status is AlertStatus.RECEIVED


def test_twice_exits_again_what_is_still_held(store, clock, held):
    first = run(store, clock)
    clock.advance(1)

    assert exits(store, run(store, clock)) == exits(store, first)


def test_more_legs_than_an_alert_takes_are_several_alerts(store):
    for number in range(25):
        store_order(store, S.FILLED, tradingsymbol=f"NIFTY28DEC27C{25000 + number}")

    alerts = closing_alerts(store.positions.open(), "key")

    assert sorted(len(alert.legs) for alert in alerts) == [5, 20]
    assert len({alert.dedupe_key for alert in alerts}) == 2
