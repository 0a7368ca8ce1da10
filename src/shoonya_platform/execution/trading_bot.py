"""
trading_bot: turns an alert into one order for each leg, and says how it ended.

An exit takes quantity and side from what the strategy holds.  While entries of the
same strategy in the same instrument are still on their way, they are canceled first
and the exit waits, so that nothing is left behind.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import (
    Alert,
    AlertStatus,
    Leg,
    StoredAlert,
    client_order_id,
)
from shoonya_platform.domain.alerts import alert_id as new_alert_id
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import (
    OPEN,
    AlertId,
    Intent,
    NewOrder,
    Order,
    OrderId,
    OrderStatus,
    Side,
)
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.undo import undoing
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

BATCH = 50

#: A leg is planned at most this often, however often it is proven not placed.
MAX_ATTEMPTS = 3

#: A broker may refuse a cancel, and the entry rests on: seconds until the next try.
CANCEL_AGAIN_SECONDS = 5.0

Prices = Mapping[tuple[Exchange, str], Decimal]


class Quotes(Protocol):
    """Where prices come from, and where an alert's own price is passed on."""

    def last_price(self, exchange: Exchange, tradingsymbol: str) -> Decimal | None: ...

    def note_price(
        self, exchange: Exchange, tradingsymbol: str, price: Decimal
    ) -> None: ...


@dataclass(slots=True)
class _WaitingExit:
    """An exit, and the entries it waits for: not for those that come later."""

    entries: set[OrderId]
    asked_at: float  #: when their cancels were last asked for, monotonic


class TradingBot:
    """
    The worker of `trading_bot`.

    Args:
        ring: Rings the named services' doorbells.

        replan_seconds: A leg proven not placed is planned anew while its alert is
            younger than this; 0 never does.

        all_or_nothing: Whether an entry of which a leg failed is exited.
    """

    def __init__(
        self,
        store: OrderStore,
        quotes: Quotes,
        clock: Clock,
        ring: Callable[..., None],
        *,
        replan_seconds: float,
        all_or_nothing: bool = True,
    ) -> None:
        self._store = store
        self._quotes = quotes
        self._clock = clock
        self._ring = ring
        self._replan_seconds = replan_seconds
        self._all_or_nothing = all_or_nothing
        self._waiting: dict[AlertId, _WaitingExit] = {}
        self._planned = 0
        self._logger = get_component_logger("trading_bot")

    def begin(self) -> None:
        """Nothing is left behind: planning is one transaction."""

    def status(self) -> str:
        if self._waiting:
            return f"{len(self._waiting)} exits wait for entries to be canceled"
        return f"{self._planned} orders planned, waiting for alerts"

    def step(self) -> int:
        return self._plan_alerts() + self._settle_alerts()

    def _plan_alerts(self) -> int:
        fresh = self._store.alerts.in_status(AlertStatus.RECEIVED, limit=BATCH)
        if not fresh:
            return 0
        prices = self._prices(fresh)
        priced = {stored.alert_id for stored in fresh}
        planned = 0
        with self._store.transaction(durable=False):
            # Read again inside: another process may have planned them meanwhile, and
            # what came since has no prices yet and is for the next step.
            for stored in self._store.alerts.in_status(
                AlertStatus.RECEIVED, limit=BATCH
            ):
                if stored.alert_id in priced:
                    planned += self._plan(stored, prices)
        if planned:
            self._planned += planned
            self._ring("risk_manager")
        return planned

    def _prices(self, alerts: list[StoredAlert]) -> Prices:
        """Ask for the prices no alert names; a quote is not worth failing for."""
        prices: dict[tuple[Exchange, str], Decimal] = {}
        for stored in alerts:
            exchange = stored.alert.exchange
            for leg in stored.alert.legs:
                key = (exchange, leg.tradingsymbol)
                try:
                    if leg.price is not None:
                        # A limit is a wish, not a quote: it is one only where no
                        # price was ever heard of.
                        if (
                            not leg.order_type.needs_price
                            or self._store.positions.last_price(*key) is None
                        ):
                            self._quotes.note_price(*key, leg.price)
                        prices[key] = leg.price
                    elif key not in prices:
                        price = self._quotes.last_price(*key)
                        if price is not None:
                            prices[key] = price
                except BrokerUnavailable as e:
                    self._logger.warning(
                        "no price for %s:%s: %s, proceeding without",
                        *key,
                        e.sentence,
                        extra={"alert_id": stored.alert_id},
                    )
        return prices

    def _plan(self, stored: StoredAlert, prices: Prices) -> int:
        alert = stored.alert
        if alert.intent is Intent.EXIT and self._entries_under_way(stored):
            return 0
        self._waiting.pop(stored.alert_id, None)
        orders = []
        skipped = []
        for number, leg in enumerate(alert.legs, start=1):
            planned = self._leg(stored, number, leg, prices)
            if planned is None:
                skipped.append(leg.tradingsymbol)
            else:
                orders.append(
                    self._store.orders.add(planned, alerted_at=_alerted_at(stored))
                )
        context = {"alert_id": stored.alert_id, "strategy": alert.strategy}
        for symbol in skipped:
            self._logger.info(
                "nothing to exit in %s:%s: '%s' is flat",
                alert.exchange,
                symbol,
                alert.strategy,
                extra={**context, "event": "leg_skipped"},
            )
        if not orders:
            outcome = f"nothing to exit: '{alert.strategy}' is flat"
            self._store.alerts.record(
                stored.alert_id, AlertStatus.SKIPPED, outcome=outcome, text=outcome
            )
            return 0
        text = f"{len(orders)} order{'s' * (len(orders) != 1)}"
        if skipped:
            text += f", flat in {', '.join(skipped)}"
        self._store.alerts.record(
            stored.alert_id, AlertStatus.PLANNED, outcome="", text=text
        )
        for order in orders:
            self._logger.info(
                "Order %d planned: %s",
                order.order_id,
                order.summary,
                extra={**order.log_context, "event": "order_created"},
            )
        return len(orders)

    def _leg(
        self,
        stored: StoredAlert,
        number: int,
        leg: Leg,
        prices: Prices,
        attempt: int = 1,
    ) -> NewOrder | None:
        alert = stored.alert
        side, quantity, product = leg.side, leg.quantity, leg.product
        if alert.intent is Intent.EXIT:
            held = self._held(alert, leg)
            if held is None:
                return None
            side, quantity, product = held
        known = prices.get((alert.exchange, leg.tradingsymbol))
        return NewOrder(
            client_order_id=client_order_id(stored.alert_id, number, attempt),
            alert_id=stored.alert_id,
            leg=number,
            attempt=attempt,
            strategy=alert.strategy,
            intent=alert.intent,
            exchange=alert.exchange,
            tradingsymbol=leg.tradingsymbol,
            side=side,
            quantity=quantity,
            order_type=leg.order_type,
            price=leg.price if leg.order_type.needs_price else None,
            trigger_price=leg.trigger_price,
            product=product,
            reference_price=leg.price
            or known
            or self._store.positions.last_price(alert.exchange, leg.tradingsymbol),
        )

    def _held(self, alert: Alert, leg: Leg) -> tuple[Side, int, Product] | None:
        """Return what closes the position beyond the exits already under way."""
        exits = [
            order
            for order in self._store.orders.in_status(*OPEN)
            if order.intent is Intent.EXIT and _is_of(order, alert, {leg.tradingsymbol})
        ]
        positions = self._store.positions.get(
            alert.strategy, alert.exchange, leg.tradingsymbol
        )
        # The leg's own product first, should the strategy hold several.
        for position in sorted(positions, key=lambda p: p.product is not leg.product):
            closing = sum(
                order.side.sign * order.leaves_quantity
                for order in exits
                if order.product is position.product
            )
            left = position.quantity + closing
            if left and (left > 0) == (position.quantity > 0):
                side = Side.SELL if left > 0 else Side.BUY
                return side, abs(left), position.product
        return None

    def _entries_under_way(self, stored: StoredAlert) -> bool:
        """Have unfinished entries canceled; return whether the exit must wait."""
        alert = stored.alert
        symbols = {leg.tradingsymbol for leg in alert.legs}
        # Proven not placed, and still to be planned anew: not after this exit.
        for order in self._store.orders.unreplaced(since=self._replan_since()):
            if order.intent is not Intent.EXIT and _is_of(order, alert, symbols):
                self._request_cancel(order, stored)
        entries = {
            order.order_id: order
            for order in self._store.orders.in_status(*OPEN)
            if order.intent is not Intent.EXIT and _is_of(order, alert, symbols)
        }
        now = self._clock.monotonic()
        waiting = self._waiting.get(stored.alert_id)
        if waiting is None:
            waiting = _WaitingExit(set(entries), float("-inf"))
        awaited = [o for o in entries.values() if o.order_id in waiting.entries]
        if not awaited:
            return False
        self._waiting[stored.alert_id] = waiting
        if now - waiting.asked_at >= CANCEL_AGAIN_SECONDS:
            waiting.asked_at = now
            for order in awaited:
                self._request_cancel(order, stored)
            self._ring("command_service")
        return True

    def _request_cancel(self, order: Order, exit_alert: StoredAlert) -> None:
        self._store.orders.request_cancel(
            order.order_id, by=f"trading_bot for exit {exit_alert.alert_id}"
        )
        self._logger.info(
            "Order %d is canceled before the exit of '%s'",
            order.order_id,
            order.strategy,
            extra={**order.log_context, "event": "exit_waits"},
        )

    def _settle_alerts(self) -> int:
        """Plan lost legs anew, then say how finished alerts ended."""
        since = self._replan_since()
        if not (
            self._store.orders.unreplaced(since=since)
            or self._store.alerts.finished(limit=1)
        ):
            return 0
        settled = 0
        with self._store.transaction(durable=False):
            for order in self._store.orders.unreplaced(since=since):
                settled += self._replan(order)
            for alert_id in self._store.alerts.finished(limit=BATCH):
                self._report(alert_id)
                settled += 1
        if settled:
            self._ring("risk_manager")
        return settled

    def _replan_since(self) -> datetime:
        return self._clock.now() - timedelta(seconds=self._replan_seconds)

    def _replan(self, lost: Order) -> int:
        stored = self._store.alerts.get(lost.alert_id)
        if (
            stored is None
            or stored.status is not AlertStatus.PLANNED
            or lost.attempt >= MAX_ATTEMPTS
        ):
            return 0
        leg = stored.alert.legs[lost.leg - 1]
        prices: Prices = {}
        if lost.reference_price is not None:
            prices = {(lost.exchange, lost.tradingsymbol): lost.reference_price}
        planned = self._leg(stored, lost.leg, leg, prices, attempt=lost.attempt + 1)
        if planned is None:
            return 0
        order = self._store.orders.add(planned, alerted_at=lost.alerted_at)
        self._logger.warning(
            "Order %d planned anew as %d: the first was proven not placed",
            lost.order_id,
            order.order_id,
            extra={**order.log_context, "event": "order_replanned"},
        )
        return 1

    def _report(self, alert_id: AlertId) -> None:
        orders = self._store.orders.of_alert(alert_id)
        outcome = describe_outcome(orders)
        undo = undoing(orders) if self._all_or_nothing else None
        if undo is not None:
            now = self._clock.now()
            undo_id, _ = self._store.alerts.add(
                undo, new_alert_id(now, secrets.token_bytes(5)), received_at=now
            )
            outcome += f"; what was filled is exited by {undo_id}"
        self._store.alerts.record(
            alert_id, AlertStatus.COMPLETED, outcome=outcome, text=outcome
        )
        self._logger.info(
            "Alert %s completed: %s",
            alert_id,
            outcome,
            extra={
                "alert_id": alert_id,
                "strategy": orders[0].strategy,
                "event": "alert_completed",
            },
        )


def describe_outcome(orders: list[Order]) -> str:
    """Return how an alert ended: `filled`, or how many legs did and why not."""
    newest = {order.leg: order for order in orders}
    filled = [o for o in newest.values() if o.status is OrderStatus.FILLED]
    if len(filled) == len(newest):
        return "filled"
    others = "; ".join(
        f"leg {order.leg} {order.status}"
        + (
            f" ({order.filled_quantity} of {order.quantity})"
            * bool(order.filled_quantity)
        )
        + (f": {order.reason}" if order.reason else "")
        for order in newest.values()
        if order.status is not OrderStatus.FILLED
    )
    return f"{len(filled)} of {len(newest)} legs filled; {others}"


def _is_of(order: Order, alert: Alert, tradingsymbols: set[str]) -> bool:
    return (
        order.strategy == alert.strategy
        and order.exchange is alert.exchange
        and order.tradingsymbol in tradingsymbols
    )


def _alerted_at(stored: StoredAlert) -> datetime:
    sent = stored.alert.sent_at
    return stored.received_at if sent is None else min(sent, stored.received_at)
