"""shoonyactl order and trace."""

import os
import pty
import subprocess
import sys
from decimal import Decimal

import pytest

from shoonya_platform.ctl.asking import user
from shoonya_platform.domain.orders import (
    CLOSED,
    OPEN,
    OrderStatus,
    OrderTrigger,
    OrderType,
)
from shoonya_platform.store.doorbell import Doorbell
from shoonya_platform.testing.orders import a_fill, store_order

S, T = OrderStatus, OrderTrigger


# -- list ----------------------------------------------------------------------


def test_list_shows_the_newest_orders_first(ctl, store):
    orders = [store_order(store, status) for status in (S.FILLED, S.DENIED, S.ACCEPTED)]

    listed = ctl("order", "list", "--json", "-n", "2").document

    assert [order["order_id"] for order in listed] == [
        orders[2].order_id,
        orders[1].order_id,
    ]


def test_list_has_prices_as_text_times_in_utc_and_words_for_statuses(ctl, store):
    order = store_order(
        store, S.ACCEPTED, order_type=OrderType.LIMIT, price=a_fill(price="90.10").price
    )
    with store.transaction(durable=False):
        store.orders.fill(order, a_fill(25, "90.05"))

    (listed,) = ctl("order", "list", "--json").document

    assert listed["price"] == "90.10"
    assert listed["average_price"] == "90.05"
    assert listed["status"] == "partially_filled"
    assert listed["created_at"] == "2026-11-25T04:30:00+00:00"
    assert (listed["filled_quantity"], listed["trigger_price"]) == (25, None)


@pytest.mark.parametrize(
    ("words", "statuses"),
    [
        pytest.param(["open"], OPEN, id="open"),
        pytest.param(["closed"], CLOSED, id="closed"),
        pytest.param(["denied"], {S.DENIED}, id="one"),
        pytest.param(["denied", "filled"], {S.DENIED, S.FILLED}, id="two"),
    ],
)
def test_list_can_be_narrowed_by_status(ctl, store, words, statuses):
    for status in S:
        store_order(store, status)
    options = [part for word in words for part in ("--status", word)]

    listed = ctl("order", "list", "--json", *options).document

    assert {order["status"] for order in listed} == statuses


def test_list_is_a_table_for_people(ctl, store):
    order = store_order(store, S.PARTIALLY_FILLED, filled_quantity=25)

    result = ctl("order", "list")

    assert result.code == 0
    (_, line) = result.out.splitlines()
    for shown in (order.client_order_id, "25/65", "100.00", "partially_filled"):
        assert shown in line


@pytest.mark.parametrize("options", [[], ["--status", "open"]])
def test_empty_list_says_so_and_has_no_data(ctl, store, options):
    result = ctl("order", "list", *options)

    assert (result.code, result.out) == (0, "")
    assert "orders" in result.err
    assert ctl("order", "list", "--json", *options).document == []


# -- show and trace ------------------------------------------------------------


def test_order_is_found_by_each_of_its_ids(ctl, store):
    order = store_order(store, S.ACCEPTED)

    for name in (order.order_id, order.client_order_id, order.broker_order_id):
        shown = ctl("order", "show", str(name), "--json").document
        assert shown["client_order_id"] == order.client_order_id


def test_show_is_the_orders_story_for_people(ctl, store):
    order = store_order(store, S.ACCEPTED)

    out = ctl("order", "show", str(order.order_id)).out

    assert order.client_order_id in out
    assert "guard_passed" in out
    assert str(order.broker_order_id) in out


# -- cancel --------------------------------------------------------------------


@pytest.fixture
def bell(home):
    """command_service's own doorbell."""
    opened = Doorbell(home / "run", "command_service")
    yield opened
    opened.close()


def test_cancel_without_a_terminal_is_refused_without_yes(ctl, store, bell):
    order = store_order(store, S.ACCEPTED)

    result = ctl("order", "cancel", str(order.order_id))

    assert result.code == 2
    assert "--yes" in result.err
    assert store.orders.cancel_requests(limit=9) == []
    assert not bell.wait(0)


def test_cancel_leaves_the_request_rings_and_says_if_it_waited_too_long(
    ctl, store, bell
):
    order = store_order(store, S.ACCEPTED)

    result = ctl("order", "cancel", str(order.order_id), "--yes", "--timeout", "0.1")

    assert result.code == 124
    assert "still accepted" in result.err
    (request,) = store.orders.cancel_requests(limit=9)
    assert (request.order_id, request.requested_by) == (order.order_id, user())
    assert bell.wait(0)


def test_cancel_waits_for_the_end_and_says_what_was_filled(ctl, home, store, clock):
    order = store_order(store, S.PENDING_CANCEL, filled_quantity=25)
    end = f"""
import time
from pathlib import Path
from shoonya_platform.clock import SystemClock
from shoonya_platform.store.sqlite import SqliteOrderStore
store = SqliteOrderStore(
    Path({str(home / "state" / "orders.db")!r}), service="order_watcher",
    run_id="other", clock=SystemClock(),
)
while not store.orders.cancel_requests(limit=1):
    time.sleep(0.01)
with store.transaction(durable=False):
    store.orders.record(store.orders.get({order.order_id}), "canceled")
"""
    with subprocess.Popen([sys.executable, "-c", end]):
        result = ctl("order", "cancel", str(order.order_id), "--yes")

    assert result.code == 0
    assert result.out == (f"order {order.order_id} is canceled, 25 of 65 filled\n")


@pytest.mark.parametrize("status", sorted(CLOSED))
def test_cancel_of_an_order_at_its_end_is_refused(ctl, store, status):
    order = store_order(store, status)

    result = ctl("order", "cancel", str(order.order_id), "--yes")

    assert result.code == 1
    assert f"is {status} already" in result.err
    assert store.orders.cancel_requests(limit=9) == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [pytest.param("n", 1, id="no"), pytest.param("y", 124, id="yes")],
)
def test_on_a_terminal_the_deed_is_shown_and_asked_for(home, store, answer, code):
    order = store_order(store, S.ACCEPTED)
    terminal, end = pty.openpty()

    with subprocess.Popen(
        [
            *(sys.executable, "-m", "shoonya_platform.ctl.main", "order", "cancel"),
            *(str(order.order_id), "--timeout", "0.1"),
        ],
        stdin=end,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asked:
        os.write(terminal, f"{answer}\n".encode())
        out, err = asked.communicate(timeout=60)
    os.close(terminal)
    os.close(end)

    assert asked.returncode == code
    assert out == ""
    assert f"cancel order {order.order_id}, {order.summary}, accepted?" in err
    assert bool(store.orders.cancel_requests(limit=9)) == (answer == "y")


# -- modify --------------------------------------------------------------------


def a_limit(store, status=S.ACCEPTED, **changes):
    fields = {"order_type": OrderType.LIMIT, "price": Decimal(100), **changes}
    return store_order(store, status, **fields)


def request_of(store, order):
    return store.modifies.get(order.order_id)


def test_modify_leaves_the_request_rings_and_says_if_it_waited_too_long(
    ctl, home, store
):
    order = a_limit(store)
    bell = Doorbell(home / "run", "risk_manager")

    result = ctl(
        *("order", "modify", str(order.order_id), "--price", "101.50"),
        *("--yes", "--timeout", "0.1"),
    )

    assert result.code == 124
    assert "still requested" in result.err
    asked = request_of(store, order)
    assert (asked.terms.price, asked.terms.quantity) == (Decimal("101.50"), 65)
    assert asked.requested_by == user()
    assert bell.wait(0)
    bell.close()
    again = ctl("order", "modify", str(order.order_id), "--price", "102", "--yes")
    assert again.code == 1
    assert "being modified already" in again.err


@pytest.mark.parametrize(
    ("settle", "code", "shown"),
    [
        pytest.param(
            'store.modifies.deny(order, "TRADING_HALTED")',
            31,
            "denied: TRADING_HALTED",
            id="denied",
        ),
        pytest.param(
            'store.modifies.finish(order.order_id, result="rejected: RED:no")',
            22,
            "rejected: RED:no",
            id="rejected",
        ),
        pytest.param(
            "order = store.orders.record(order, 'replace_requested');"
            "store.orders.replace(order, request.terms)",
            0,
            ": replaced, it is accepted, BUY 130 NFO:",
            id="replaced",
        ),
    ],
)
def test_modify_says_how_it_ended(ctl, home, store, settle, code, shown):
    order = a_limit(store)
    end = f"""
import time
from pathlib import Path
from shoonya_platform.clock import SystemClock
from shoonya_platform.store.sqlite import SqliteOrderStore
store = SqliteOrderStore(
    Path({str(home / "state" / "orders.db")!r}), service="other",
    run_id="other", clock=SystemClock(),
)
while not (request := store.modifies.get({order.order_id})):
    time.sleep(0.01)
order = store.orders.get({order.order_id})
with store.transaction(durable=False):
    {settle}
"""
    with subprocess.Popen([sys.executable, "-c", end]):
        result = ctl(
            *("order", "modify", str(order.order_id), "--quantity", "130", "--yes")
        )

    assert result.code == code
    assert shown in result.out + result.err


@pytest.mark.parametrize(
    ("status", "changes", "options", "code", "words"),
    [
        (S.ACCEPTED, {}, (), 2, "nothing to change"),
        (S.ACCEPTED, {}, ("--price", "none"), 2, "a price in rupees"),
        (S.ACCEPTED, {}, ("--price", "100"), 1, "has these terms"),
        (S.ACCEPTED, {}, ("--trigger-price", "9"), 1, "has no trigger price"),
        (
            S.ACCEPTED,
            {"order_type": OrderType.MARKET, "price": None},
            ("--price", "9"),
            1,
            "has no price",
        ),
        (S.FILLED, {}, ("--price", "9"), 1, "is filled: only one that works"),
        (S.GUARD_PASSED, {}, ("--price", "9"), 1, "is guard_passed: only one"),
        (S.PENDING_CANCEL, {}, ("--price", "9"), 1, "is pending_cancel: only one"),
    ],
)
def test_modify_refuses_what_cannot_be(
    ctl, store, status, changes, options, code, words
):
    order = a_limit(store, status, **changes)

    result = ctl("order", "modify", str(order.order_id), *options, "--yes")

    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert request_of(store, order) is None


def test_modify_without_a_terminal_is_refused_without_yes(ctl, store):
    order = a_limit(store)

    assert ctl("order", "modify", str(order.order_id), "--price", "99").code == 2
    assert request_of(store, order) is None
