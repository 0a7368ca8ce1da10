"""'Flat' is said only where nothing similar is held."""

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import Side
from shoonya_platform.execution.missed_exits import LOOK_SECONDS
from shoonya_platform.testing.orders import SYMBOL, a_leg
from tests.unit.execution.rows import T
from tests.unit.execution.trading_bot.conftest import (
    CALL,
    exit_alert,
    hold,
    outcome,
    walk,
)


def shown(store):
    return store.discrepancies.open(DiscrepancyKind.EXIT_MISSED)


def test_exit_that_names_its_strategy_otherwise_is_not_done(bot, store):
    hold(store, 65, strategy="Straddle")
    alert_id = exit_alert(store)

    bot.step()

    status, text = outcome(store, alert_id)
    assert status is AlertStatus.NOT_DONE
    assert text == (
        f"not done: 'straddle' holds nothing in NFO:{SYMBOL}, but 'Straddle' holds "
        f"65 NFO:{SYMBOL} NRML"
    )
    (found,) = shown(store)
    assert found.text == f"exit {alert_id} was {text}"


def test_it_is_over_once_what_is_similar_is_closed(bot, store, clock):
    hold(store, 65, strategy="Straddle")
    exit_alert(store)
    bot.step()
    clock.advance(LOOK_SECONDS)
    bot.step()
    assert len(shown(store)) == 1

    hold(store, 65, strategy="Straddle", side=Side.SELL)
    clock.advance(LOOK_SECONDS)
    bot.step()

    assert shown(store) == []


def test_it_is_over_once_it_is_acknowledged(bot, store, clock):
    hold(store, 65, strategy="Straddle")
    exit_alert(store)
    bot.step()
    (found,) = shown(store)
    with store.transaction(durable=False):
        store.discrepancies.acknowledge(found.discrepancy_id, by="tests")

    clock.advance(LOOK_SECONDS)
    bot.step()

    assert shown(store) == []


def test_other_legs_are_exited_all_the_same(bot, store):
    hold(store, 65, tradingsymbol=CALL)
    hold(store, 65, strategy="Straddle")
    alert_id = exit_alert(store, a_leg(CALL), a_leg(SYMBOL))

    bot.step()

    assert [o.tradingsymbol for o in store.orders.of_alert(alert_id)] == [CALL]
    assert outcome(store, alert_id)[0] is AlertStatus.PLANNED
    event = store.orders.events(alert_id=alert_id)[-1]
    assert "not done: 'straddle' holds nothing" in event.text
    assert len(shown(store)) == 1


def test_what_another_exit_closes_is_not_called_flat(bot, store):
    hold(store, 65)
    exit_alert(store)
    bot.step()
    (order,) = store.orders.recent(limit=1)
    walk(store, order, T.RISK_PASSED)
    alert_id = exit_alert(store)

    bot.step()

    assert outcome(store, alert_id) == (
        AlertStatus.SKIPPED,
        f"nothing more to exit in NFO:{SYMBOL}: order {order.order_id} closes it",
    )
