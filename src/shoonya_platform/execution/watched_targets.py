"""
Targets that are watched here, as a stop of the same position rests at the broker.

A stop and a target are a pair: both at the broker might both be filled.  So only the
stop rests there, where it survives our death, and the target is a market-if-touched
order of ours: once a price touches it, a market exit takes the stop over.  It goes to
the broker as an order of its own when no stop rests any more.
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import (
    Alert,
    AlertStatus,
    Leg,
    StoredAlert,
    alert_id,
)
from shoonya_platform.domain.exits import ExitKind, exit_kind, kind_of
from shoonya_platform.domain.orders import OPEN, AlertId, Intent, NewOrder, Order
from shoonya_platform.domain.positions import Position
from shoonya_platform.execution.planning import exit_quantity, is_of
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: Seconds between two looks at the prices.
LOOK_SECONDS = 1.0
#: Targets looked at.
BATCH = 500


class WatchedTargets:
    """The part of `trading_bot` that watches them."""

    def __init__(self, store: OrderStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looked_at = float("-inf")
        self._logger = get_component_logger("trading_bot")

    def watch(self, alert: Alert, leg: Leg, quantity: int, key: str) -> AlertId:
        """
        Watch a target; inside a transaction of the store.

        Args:
            key: Names it: the same one twice is watched once.
        """
        now = self._clock.now()
        watched = parse(
            {
                **_exit_of(alert),
                "dedupe_id": key,
                "legs": [
                    {
                        **_leg_of(leg, quantity),
                        "order_type": leg.order_type.value,
                        "price": None if leg.price is None else str(leg.price),
                    }
                ],
            }
        )
        new_id, is_new = self._store.alerts.add(
            watched, alert_id(now, secrets.token_bytes(5)), received_at=now
        )
        if is_new:
            text = f"target {leg.price} is watched: a stop rests at the broker"
            self._store.alerts.record(
                new_id, AlertStatus.WATCHED, outcome=text, text=text
            )
        return new_id

    def watch_rest(
        self, stored: StoredAlert, number: int, planned: NewOrder | None
    ) -> AlertId | None:
        """
        Watch what a stop leaves to no order of a target's leg; in a transaction.

        Args:
            number: The leg's, from 1.

        Returns:
            The alert that is watched; None if there is nothing to watch.
        """
        alert, leg = stored.alert, stored.alert.legs[number - 1]
        if kind_of(leg.order_type) is not ExitKind.TARGET:
            return None
        stop = self.stop_beside(alert, leg)
        if stop is None:
            return None
        left = exit_quantity(alert, leg, stop.leaves_quantity)
        if planned is not None:
            left = min(left, exit_quantity(alert, leg, 10**9) - planned.quantity)
        if left <= 0:
            return None
        return self.watch(
            alert,
            replace(leg, product=stop.product),
            left,
            key=f"watch-{stored.alert_id}-{number}",
        )

    def stop_beside(self, alert: Alert, leg: Leg) -> Order | None:
        """Return a stop of what a leg closes, if one is on its way or rests."""
        return next(
            (
                order
                for order in self._store.orders.in_status(*sorted(OPEN))
                if order.intent is Intent.EXIT
                and is_of(order, alert, {leg.tradingsymbol})
                and self._kind(order) is ExitKind.STOP
            ),
            None,
        )

    def look(self) -> int:
        """See which targets were touched, or are of no use; return how many."""
        now = self._clock.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return 0
        self._looked_at = now
        done = 0
        for stored in self._store.alerts.in_status(AlertStatus.WATCHED, limit=BATCH):
            with self._store.transaction(durable=False):
                done += self._settle(stored)
        return done

    def _settle(self, stored: StoredAlert) -> int:
        alert = stored.alert
        (leg,) = alert.legs
        held = self._held(alert, leg)
        if held is None:
            return self._end(stored, AlertStatus.SKIPPED, "its position is closed")
        if self._is_touched(alert, leg, held):
            exit_id = self._exit(stored, leg)
            text = f"target {leg.price} was touched: exit {exit_id} closes it"
            return self._end(stored, AlertStatus.COMPLETED, text)
        if self.stop_beside(alert, leg) is None:
            # As an order of its own now.
            return self._end(stored, AlertStatus.RECEIVED, "no stop rests any more")
        return 0

    def _held(self, alert: Alert, leg: Leg) -> Position | None:
        for position in self._store.positions.get(
            alert.strategy, alert.exchange, leg.tradingsymbol
        ):
            if position.quantity and position.product is leg.product:
                return position
        return None

    def _is_touched(self, alert: Alert, leg: Leg, held: Position) -> bool:
        last = self._store.positions.last_price(alert.exchange, leg.tradingsymbol)
        if last is None or leg.price is None:
            return False
        return (last - leg.price) * held.quantity >= 0

    def _exit(self, stored: StoredAlert, leg: Leg) -> AlertId:
        now = self._clock.now()
        alert = parse(
            {
                **_exit_of(stored.alert),
                "dedupe_id": f"target-{stored.alert_id}",
                "legs": [_leg_of(leg, leg.quantity)],
            }
        )
        new_id, _ = self._store.alerts.add(
            alert, alert_id(now, secrets.token_bytes(5)), received_at=now
        )
        return new_id

    def _end(self, stored: StoredAlert, status: AlertStatus, text: str) -> int:
        self._store.alerts.record(stored.alert_id, status, outcome=text, text=text)
        self._logger.info(
            "Alert %s: %s",
            stored.alert_id,
            text,
            extra={
                "alert_id": stored.alert_id,
                "strategy": stored.alert.strategy,
                "event": "target_watched",
            },
        )
        return 1

    def _kind(self, order: Order) -> ExitKind:
        stored = self._store.alerts.get(order.alert_id)
        return exit_kind(order, None if stored is None else stored.alert)


def _exit_of(alert: Alert) -> dict[str, object]:
    return {
        "execution_type": Intent.EXIT.value,
        "strategy_name": alert.strategy,
        "exchange": alert.exchange.value,
    }


def _leg_of(leg: Leg, quantity: int | None) -> dict[str, object]:
    fields: dict[str, object] = {
        "tradingsymbol": leg.tradingsymbol,
        "product_type": leg.product.value,
    }
    return fields if quantity is None else {**fields, "qty": quantity}
