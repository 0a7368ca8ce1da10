"""Products the account may not use and margins it does not have are denied."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoonya_platform.domain.instruments import Exchange, Instrument, Product
from shoonya_platform.domain.margins import MarginReading
from shoonya_platform.domain.orders import Intent, Side
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.testing.orders import store_order
from tests.unit.execution.execution_guard.conftest import RULES
from tests.unit.execution.rows import S, current, status_of


def ready(store, **changes):
    return store_order(store, S.RISK_PASSED, **changes)


def note(store, clock, order, required, available, failure="", **changes):
    reading = MarginReading(
        required=None if required is None else Decimal(required),
        available=None if available is None else Decimal(available),
        failure=failure,
        asked_at=clock.now(),
        **changes,
    )
    with store.transaction(durable=False):
        store.allowances.note_margin(order.alert_id, reading)


def allow(store, **products):
    with store.transaction(durable=False):
        store.allowances.note_products(
            {Exchange(name): frozenset(each) for name, each in products.items()}
        )


class Anything:
    def find(self, exchange, tradingsymbol):
        return Instrument(exchange=exchange, tradingsymbol=tradingsymbol)


@pytest.fixture
def new_guard(store, clock, rings):
    def make(**rules):
        return ExecutionGuard(store, Anything(), replace(RULES, **rules), clock, rings)

    return make


@pytest.fixture
def checking(new_guard):
    return new_guard(checks_margin=True)


def test_product_that_the_account_lacks_is_denied_with_those_it_has(new_guard, store):
    allow(store, NFO=[Product.MIS], NSE=[Product.CNC])
    order = ready(store, product=Product.NRML)

    new_guard().step()

    assert current(store, order).reason == (
        "PRODUCT_NOT_ALLOWED: product=NRML, exchange=NFO, allowed=MIS"
    )


def test_exchange_that_the_account_lacks_allows_nothing(new_guard, store):
    allow(store, NSE=[Product.CNC])
    order = ready(store)

    new_guard().step()

    assert "allowed=none" in current(store, order).reason


@pytest.mark.parametrize("products", [{}, {"NFO": [Product.NRML, Product.MIS]}])
def test_product_that_is_allowed_or_not_known_passes(new_guard, store, products):
    allow(store, **products)
    order = ready(store, product=Product.NRML)

    new_guard().step()

    assert status_of(store, order) is S.GUARD_PASSED


def test_exit_passes_whatever_the_account_may_use_or_afford(new_guard, store, clock):
    allow(store, NFO=[Product.MIS])
    store_order(store, S.FILLED, product=Product.NRML)
    order = ready(store, side=Side.SELL, intent=Intent.EXIT, product=Product.NRML)
    note(store, clock, order, 100, 1)

    new_guard(checks_margin=True, needs_margin=True).step()

    assert status_of(store, order) is S.GUARD_PASSED


def test_entry_that_cannot_be_afforded_is_denied_with_both_figures(
    checking, store, clock
):
    order = ready(store)
    note(store, clock, order, "176246.49", "4950.30")

    checking.step()

    assert current(store, order).reason == (
        "MARGIN_INSUFFICIENT: required=176246.49, available=4950.30"
    )


def test_broker_that_says_no_is_believed_whatever_its_figures_are(
    checking, store, clock
):
    order = ready(store)
    note(store, clock, order, 60, 100, is_refused=True)

    checking.step()

    assert current(store, order).reason == (
        "MARGIN_INSUFFICIENT: required=60, available=100, broker_says=insufficient"
    )


def test_entry_that_takes_all_there_is_passes(checking, store, clock):
    order = ready(store)
    note(store, clock, order, 100, 100)

    checking.step()

    assert status_of(store, order) is S.GUARD_PASSED


def test_entries_that_passed_meanwhile_count_too(checking, store, clock):
    first = ready(store, tradingsymbol="A28DEC27F")
    second = ready(store, tradingsymbol="B28DEC27F")
    for order in (first, second):
        note(store, clock, order, 60, 100)

    checking.step()

    assert status_of(store, first) is S.GUARD_PASSED
    assert current(store, second).reason == (
        "MARGIN_INSUFFICIENT: required=60, available=100, passed_since=60"
    )


def test_reading_of_later_has_what_passed_before(checking, store, clock):
    first = ready(store, tradingsymbol="A28DEC27F")
    note(store, clock, first, 60, 100)
    checking.step()
    clock.advance(10)
    second = ready(store, tradingsymbol="B28DEC27F")
    note(store, clock, second, 60, 100)

    checking.step()

    assert status_of(store, second) is S.GUARD_PASSED


@pytest.mark.parametrize(
    ("needs", "status"), [(False, S.GUARD_PASSED), (True, S.DENIED)]
)
def test_setting_decides_where_no_margin_is_known(
    new_guard, store, clock, needs, status
):
    failed = ready(store, tradingsymbol="A28DEC27F")
    note(store, clock, failed, None, None, "down")
    unasked = ready(store, tradingsymbol="B28DEC27F")

    new_guard(checks_margin=True, needs_margin=needs).step()

    assert status_of(store, failed) is status_of(store, unasked) is status
    if needs:
        assert current(store, failed).reason == "MARGIN_UNKNOWN: why=down"


def test_nothing_is_compared_when_the_setting_is_off(new_guard, store, clock):
    order = ready(store)
    note(store, clock, order, 100, 1)

    new_guard(checks_margin=False).step()

    assert status_of(store, order) is S.GUARD_PASSED


def test_adjustment_that_only_closes_passes(checking, store, clock):
    store_order(store, S.FILLED, quantity=65)
    order = ready(store, quantity=65, side=Side.SELL, intent=Intent.ADJUST)
    note(store, clock, order, 100, 1)

    checking.step()

    assert status_of(store, order) is S.GUARD_PASSED
