"""shoonyactl position: the broker's positions beside ours."""

import json

from shoonya_platform.domain.discrepancies import Discrepancy, DiscrepancyKind
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.testing.orders import SYMBOL, store_order

S = OrderStatus


def show(store):
    with store.transaction(durable=False):
        store.discrepancies.note(
            Discrepancy(
                kind=DiscrepancyKind.POSITION_DIFFERS,
                subject=f"NFO:{SYMBOL} NRML",
                text="differs",
                action="look",
            )
        )


def test_list_shows_what_differs(ctl, store):
    store_order(store, S.FILLED, quantity=65)

    result = ctl("position", "list")

    assert result.code == 0
    assert f"NFO:{SYMBOL}" in result.out
    assert "-65" in result.out


def test_adopt_takes_over_the_brokers_after_a_preview(ctl, store):
    store_order(store, S.FILLED, quantity=65)
    show(store)
    assert ctl("position", "adopt", SYMBOL).code == 2

    result = ctl("position", "adopt", SYMBOL, "--yes")

    assert (result.code, result.err) == (0, "")
    assert "order 2 of 'straddle' explains it" in result.out
    assert store.positions.open() == []


def test_adopt_asks_whose_it_is_if_several_hold_it(ctl, store):
    store_order(store, S.FILLED, quantity=65)
    store_order(store, S.FILLED, quantity=65, strategy="other")
    show(store)

    result = ctl("position", "adopt", SYMBOL, "--yes")

    assert result.code == 2
    assert "--strategy (other, straddle)" in result.err
    assert ctl("position", "adopt", SYMBOL, "--strategy", "other", "--yes").code == 0


def test_nothing_to_adopt_is_said(ctl, store):
    result = ctl("position", "adopt", SYMBOL, "--yes")

    assert result.code == 4
    assert "what we hold" in result.err


def test_json_has_both(ctl, store):
    store_order(store, S.FILLED, quantity=65)

    answer = json.loads(ctl("position", "list", "--json").out)

    assert answer["positions"][0]["quantity"] == 65
    assert answer["differences"][0]["theirs"] == 0
