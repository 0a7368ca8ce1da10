"""shoonyactl flatten: closes, waits, and names what is left."""

import json

from shoonya_platform.domain.orders import Intent, OrderStatus, Side
from shoonya_platform.store.doorbell import Doorbell
from shoonya_platform.testing.orders import SYMBOL, store_order

S = OrderStatus


def test_nothing_to_do_is_said(ctl, store):
    result = ctl("flatten")

    assert (result.code, result.out) == (
        0,
        "nothing is held, and no order may open anything\n",
    )


def test_without_a_terminal_nothing_is_closed_without_yes(ctl, store):
    store_order(store, S.FILLED)

    result = ctl("flatten")

    assert result.code == 2
    assert "--yes" in result.err
    assert len(store.alerts.recent(limit=9)) == 1


def test_what_is_left_is_named_with_the_reason(ctl, home, store):
    bells = [Doorbell(home / "run", name) for name in ("trading_bot", "risk_manager")]
    store_order(store, S.FILLED, quantity=65)
    store_order(
        store, S.REJECTED, intent=Intent.EXIT, side=Side.SELL, strategy="straddle"
    )

    result = ctl("flatten", "--yes", "--timeout", "0")

    assert result.code == 124
    assert "closed 0 of 1" in result.err
    assert "1 position still open after 0 s" in result.err
    assert f"NFO:{SYMBOL}" in result.out
    assert "order 2 is rejected" in result.out
    (newest, *_) = store.alerts.recent(limit=1)
    assert newest.alert.intent is Intent.EXIT
    assert "flatten-" in newest.alert.dedupe_key
    assert [bell.wait(0) for bell in bells] == [True, False]
    for bell in bells:
        bell.close()


def test_json_names_what_is_left(ctl, store):
    store_order(store, S.FILLED, quantity=65)

    result = ctl("flatten", "--yes", "--timeout", "0", "--json")

    assert result.code == 124
    answer = json.loads(result.out)
    assert len(answer["exits"]) == 1
    assert answer["left"][0]["quantity"] == 65
    assert answer["left"][0]["why"].startswith("no exit order yet")


def test_name_that_holds_nothing_is_refused_with_those_that_do(ctl, store):
    store_order(store, S.FILLED)

    result = ctl("flatten", "--strategy", "Straddle", "--yes")

    assert result.code == 4
    assert f"held are: 'straddle' {SYMBOL}" in result.err
