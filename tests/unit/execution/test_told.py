"""What a service did is in its log, whenever it is killed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.domain.orders import BrokerOrderId, Order, OrderStatus
from shoonya_platform.errors import OutcomeUnknown
from shoonya_platform.execution.command_service import CommandService
from shoonya_platform.execution.order_watcher import OrderWatcherEngine
from shoonya_platform.execution.outcomes import RecoveryRules
from shoonya_platform.execution.recovery import RecoveryService
from shoonya_platform.execution.webhook import Intake
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.orders import an_alert, store_order
from shoonya_platform.testing.tickers import packaged_tickers
from tests.preconditions import at_any_moment
from tests.unit.execution.rows import INSTRUMENTS

S = OrderStatus
RULES = RecoveryRules(
    interval_seconds=1.0, absent_reads=2, absent_seconds=1.0, exit_absent_seconds=1.0
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the service does comes after it."""


class DyingStore(SqliteOrderStore):
    """Commits, and takes the process along with the next instruction."""

    #: Commits before that one.
    survives = 0

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        with super().transaction(durable=durable):
            yield
        self.survives -= 1
        if self.survives < 0:
            raise Killed


@pytest.fixture
def dying(tmp_path, clock, caplog) -> Iterator[DyingStore]:
    caplog.set_level("INFO")
    opened = DyingStore(
        tmp_path / "orders.db", service="tests", run_id="dying", clock=clock
    )
    yield opened
    opened.close()


def at_the_broker(broker, order: Order) -> BrokerOrderId:
    placed = PlaceOrder.of(order)
    number: BrokerOrderId = broker.accept(placed, order.broker_order_id).broker_order_id
    return number


def assert_told(caplog, event: str, order: Order) -> None:
    told = [(r.event, r.order_id) for r in caplog.records if hasattr(r, "order_id")]

    assert (event, order.order_id) in told


def test_watcher_tells_of_a_fill(dying, store, broker, clock, rings, caplog):
    order = store_order(store, S.ACCEPTED)
    broker.fill(at_the_broker(broker, order), order.quantity)
    watcher = OrderWatcherEngine(dying, broker, clock, rings)

    with pytest.raises(Killed):
        watcher.step()

    assert store.orders.get(order.order_id).status is S.FILLED
    assert_told(caplog, "order_filled", order)


def test_watcher_tells_of_an_acceptance_that_overtook_the_answer(
    dying, store, broker, clock, rings, caplog
):
    order = store_order(store, S.SUBMITTED)
    at_the_broker(broker, order)
    watcher = OrderWatcherEngine(dying, broker, clock, rings)

    with pytest.raises(Killed):
        watcher.step()

    assert store.orders.get(order.order_id).status is S.ACCEPTED
    assert_told(caplog, "order_accepted", order)


def test_command_service_tells_of_an_outcome_that_its_last_run_left_unknown(
    dying, store, broker, clock, rings, caplog
):
    order = store_order(store, S.SUBMITTED)

    with pytest.raises(Killed):
        CommandService(dying, broker, clock, rings, at_any_moment(dying)).begin()

    assert store.orders.get(order.order_id).status is S.OUTCOME_UNKNOWN
    assert_told(caplog, "outcome_unknown", order)


@pytest.mark.parametrize(
    ("error", "event"),
    [(None, "order_accepted"), (OutcomeUnknown("no answer"), "outcome_unknown")],
)
def test_command_service_tells_of_an_answer(
    dying, store, broker, clock, rings, caplog, error, event
):
    order = store_order(store, S.GUARD_PASSED)
    broker.answer_place(error)
    dying.survives = 1

    with pytest.raises(Killed):
        CommandService(dying, broker, clock, rings, at_any_moment(dying)).step()

    assert_told(caplog, event, order)


def test_command_service_tells_of_a_cancel_before_the_order_was_sent(
    dying, store, broker, clock, rings, caplog
):
    order = store_order(store, S.RISK_PASSED)
    with store.transaction(durable=False):
        store.orders.request_cancel(order.order_id, by="somebody")

    with pytest.raises(Killed):
        CommandService(dying, broker, clock, rings, at_any_moment(dying)).step()

    assert store.orders.get(order.order_id).status is S.CANCELED
    assert_told(caplog, "cancel_done", order)


def test_recovery_tells_of_an_outcome_that_it_found(
    dying, store, broker, clock, rings, caplog
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    at_the_broker(broker, order)

    with pytest.raises(Killed):
        RecoveryService(
            dying, broker, RULES, clock, rings, instruments=INSTRUMENTS
        ).step()

    assert store.orders.get(order.order_id).status is S.ACCEPTED
    assert_told(caplog, "outcome_found", order)


def test_recovery_tells_of_an_order_that_was_never_placed(
    dying, store, broker, clock, rings, caplog
):
    order = store_order(store, S.OUTCOME_UNKNOWN)
    rules = replace(RULES, interval_seconds=1000.0)
    recovery = RecoveryService(
        dying, broker, rules, clock, rings, instruments=INSTRUMENTS
    )
    with pytest.raises(Killed):
        recovery.step()

    clock.advance(5)
    # What is shown, the reading that is counted, and then what follows from it.
    dying.survives = 2
    with pytest.raises(Killed):
        recovery.step()

    assert store.orders.get(order.order_id).status is S.NOT_PLACED
    assert_told(caplog, "not_placed", order)


def test_recovery_tells_of_an_order_that_was_behind_the_books(
    dying, store, broker, clock, rings, caplog
):
    order = store_order(store, S.ACCEPTED)
    broker.fill(at_the_broker(broker, order), order.quantity)

    with pytest.raises(Killed):
        RecoveryService(
            dying, broker, RULES, clock, rings, instruments=INSTRUMENTS
        ).begin()

    assert store.orders.get(order.order_id).status is S.FILLED
    assert_told(caplog, "order_caught_up", order)


def test_execution_service_tells_of_an_alert(dying, store, clock, rings, caplog):
    with ThreadPoolExecutor(1) as executor:
        intake = Intake(
            dying,
            "a-secret",
            clock,
            rings,
            max_body_bytes=1000,
            executor=executor,
            tickers=packaged_tickers(),
        )
        with pytest.raises(Killed):
            intake._store_alerts([an_alert()])

    (stored,) = store.alerts.recent(limit=10)
    assert stored.alert_id in [
        r.alert_id for r in caplog.records if r.event == "alert_accepted"
    ]
