"""Tells when the services have nothing left to do at a moment of the day."""

from __future__ import annotations

from shoonya_platform.brokers.base import Broker
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.orders import BEFORE_BROKER, IN_FLIGHT, OPEN
from shoonya_platform.domain.positions import ZERO
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.execution.claims import match, numbers_of
from shoonya_platform.execution.reports import differs
from shoonya_platform.risk.limits import RiskBook
from shoonya_platform.store.base import OrderStore

_UNDER_WAY = sorted(BEFORE_BROKER | IN_FLIGHT)


class Settled:
    """
    Looks at the store as a person would who waits for the end of something.

    Args:
        halts_on_breach: Whether risk_manager halts trading once all is closed.
    """

    def __init__(
        self, store: OrderStore, broker: Broker, clock: Clock, *, halts_on_breach: bool
    ) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock
        self._halts_on_breach = halts_on_breach

    def waits_for(self) -> str:
        """Return who has something to do still, '' when nobody has."""
        before = self._store.orders.newest_event_id()
        waits = self._look()
        if not waits and self._store.orders.newest_event_id() != before:
            # Something moved past while each place was looked at.
            return "what just happened"
        return waits

    def _look(self) -> str:
        alerts, orders = self._store.alerts, self._store.orders
        if self._store.recovery.is_awaited():
            return "recovery_service: the first reconciliation"
        if alerts.in_status(AlertStatus.RECEIVED, limit=1):
            return "trading_bot: an alert"
        under_way = orders.in_status(*_UNDER_WAY, limit=1)
        if under_way:
            return f"order {under_way[0].order_id}, which is {under_way[0].status}"
        if orders.cancel_requests(limit=1):
            return "command_service: a cancel"
        claims = self._broker.order_book()
        numbers = numbers_of(claims)
        for claim in claims:
            matched = match(self._store, claim, numbers)
            order = matched.order
            if order is not None and differs(
                order, claim, shares_number=matched.shares_number
            ):
                return f"order_watcher: order {order.order_id}"
        if alerts.finished(limit=1):
            return "trading_bot: the end of an alert"
        held = self._store.positions.open()
        for position in held:
            last = self._broker.last_price(position.exchange, position.tradingsymbol)
            if last is not None and last != position.last_price:
                return f"order_watcher: the price of {position.tradingsymbol}"
        return self._risk()

    def _risk(self) -> str:
        now = self._clock.now()
        book = RiskBook(
            positions=self._store.positions.open(),
            realised_today=self._store.positions.realised_on(trading_day(now)),
        )
        day = self._store.risk.day(trading_day(now))
        if (ZERO if day is None else day.last_pnl) != book.daily_pnl:
            return "risk_manager: the day's P&L"
        if (
            self._halts_on_breach
            and day is not None
            and day.breached
            and self._store.trading.status().state is TradingState.REDUCING
            and not book.positions
            and not self._store.orders.in_status(*sorted(OPEN), limit=1)
        ):
            return "risk_manager: the halt"
        return ""
