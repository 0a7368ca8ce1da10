"""
What an alert would do now: the services' own steps over a copy of the order store.

The broker is asked what the services would ask it, for prices, products and margin;
nothing is sent to it, and nothing is written to the order store.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from shoonya_platform.clock import Clock
from shoonya_platform.config.loader import Config
from shoonya_platform.domain.alerts import Alert, AlertStatus, StoredAlert
from shoonya_platform.domain.alerts import alert_id as new_alert_id
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.domain.margins import MarginReading
from shoonya_platform.domain.orders import AlertId, Order, OrderStatus
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.execution.figures import FigureKeeper
from shoonya_platform.execution.trading_bot import TradingBot
from shoonya_platform.risk.supreme_risk import SupremeRiskManager
from shoonya_platform.services.parts import (
    Quotes,
    guard_rules,
    instruments,
    open_broker,
    risk_limits,
)
from shoonya_platform.store.base import OrderStore
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.store.sqlite_upkeep import copy

#: trading_bot waits this long for the price of an instrument, and a little for us.
PATIENCE_SECONDS = 8.0
_NAP_SECONDS = 0.1

_JUDGED = frozenset({OrderStatus.GUARD_PASSED, OrderStatus.DENIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """How far an alert came."""

    alert: StoredAlert
    orders: list[Order]
    margin: MarginReading | None  #: None if the broker was not asked
    is_duplicate: bool
    #: Whether entries wait for the broker's books to be read.
    awaits_reconciliation: bool

    @property
    def denied(self) -> list[Order]:
        return [each for each in self.orders if each.status is OrderStatus.DENIED]

    @property
    def is_waiting(self) -> bool:
        return self.alert.status is AlertStatus.RECEIVED or any(
            each.status not in _JUDGED for each in self.orders
        )


def rehearse(
    config: Config, path: Path, alert: Alert, clock: Clock, tell: Callable[[str], None]
) -> Rehearsal:
    """
    Return what would become of an alert.

    Args:
        path: The order store's file.

        tell: Gets a sentence about what the broker tolerates.

    Raises:
        StoreError: The store cannot be copied.
    """
    with _copied(path, clock) as store:
        now = clock.now()
        with store.transaction(durable=False):
            alert_id, is_new = store.alerts.add(
                alert, new_alert_id(now, secrets.token_bytes(5)), received_at=now
            )
        if is_new:
            _run(config, store, alert_id, clock, tell)
        stored = store.alerts.get(alert_id)
        if stored is None:
            raise AssertionError("an alert that was just stored is there")
        return Rehearsal(
            alert=stored,
            orders=store.orders.of_alert(alert_id),
            margin=store.allowances.margin(alert_id),
            is_duplicate=not is_new,
            awaits_reconciliation=config.settings.recovery.entries_wait
            and store.recovery.is_awaited(),
        )


@contextmanager
def _copied(path: Path, clock: Clock) -> Iterator[OrderStore]:
    with tempfile.TemporaryDirectory(prefix="shoonya-") as folder:
        target = Path(folder) / path.name
        copy(path, target)
        store = SqliteOrderStore(
            target, service="shoonyactl", run_id="rehearsal", clock=clock
        )
        # The workers log what they do, and here they do nothing.
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield store
        finally:
            logging.disable(before)
            store.close()


class _Listening(Quotes):
    """The broker's prices; an alert's own is not passed on."""

    def note_price(
        self, exchange: Exchange, tradingsymbol: str, price: Decimal
    ) -> None:
        del exchange, tradingsymbol, price


def _run(
    config: Config,
    store: OrderStore,
    alert_id: AlertId,
    clock: Clock,
    tell: Callable[[str], None],
) -> None:
    settings = config.settings

    def ring(*services: str) -> None:
        del services

    broker = open_broker(config, clock, tell)
    try:
        quotes = _Listening(broker)
        listed = instruments(settings)
        figures = None
        if settings.broker.name == "shoonya":
            figures = FigureKeeper(store, listed, quotes, clock)
        workers = (
            TradingBot(
                store,
                quotes,
                clock,
                ring,
                instruments=listed,
                replan_seconds=settings.recovery.replan_seconds,
                all_or_nothing=settings.guard.all_or_nothing,
                figures=figures,
                asks_margin=settings.guard.margin == "check",
                reaches_stated=settings.guard.stated_position == "reach",
            ),
            SupremeRiskManager(store, risk_limits(settings), clock, ring),
            ExecutionGuard(store, listed, guard_rules(settings), clock, ring),
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            moved = sum(worker.step() for worker in workers)
            if _is_judged(store, alert_id) or time.monotonic() > until:
                return
            if not moved:
                if _is_planned(store, alert_id):
                    # It waits for something that none of the three brings about.
                    return
                time.sleep(_NAP_SECONDS)
    finally:
        broker.close()


def _is_planned(store: OrderStore, alert_id: AlertId) -> bool:
    stored = store.alerts.get(alert_id)
    return stored is not None and stored.status is not AlertStatus.RECEIVED


def _is_judged(store: OrderStore, alert_id: AlertId) -> bool:
    return _is_planned(store, alert_id) and all(
        order.status in _JUDGED or order.is_closed
        for order in store.orders.of_alert(alert_id)
    )
