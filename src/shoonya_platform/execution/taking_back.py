"""
Fills that should not be, and that no leg accounts for: they are exited again.

An exchange may fill what it has already confirmed as canceled.  Of an entry that was
withdrawn, that is a position which nothing waits for; of an exit that another one took
over, a position the other way round.  Both are closed by an exit of just that quantity.
"""

from __future__ import annotations

import secrets

from shoonya_platform.clock import Clock
from shoonya_platform.domain.alert_form import parse
from shoonya_platform.domain.alerts import AlertStatus, alert_id, sent_name
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import AlertId, Intent, Order, OrderStatus
from shoonya_platform.execution.discrepancies import Discrepancies
from shoonya_platform.store.base import OrderStore

#: Who asks for the cancel of an entry whose exit does not wait for it.
FOR_EXIT = "trading_bot for exit"
#: Who asks for the cancel of an entry of which another leg has failed.
FOR_LEG = "trading_bot as leg"
#: What else withdraws entries: a breach, and a person who closes everything.
_WITHDRAWING = (FOR_EXIT, FOR_LEG, "risk_manager")
_FLATTEN = ": flatten"

_KIND = DiscrepancyKind.FILL_UNWANTED
_WORKING_ON = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_CANCEL,
)


class TakingBack:
    """Exits what was filled against all plans; inside a transaction of the store."""

    def __init__(
        self, store: OrderStore, clock: Clock, discrepancies: Discrepancies
    ) -> None:
        self._store = store
        self._clock = clock
        self._discrepancies = discrepancies

    def look(self, before: Order, after: Order, surplus: int) -> None:
        """
        Look at fills that were just booked.

        Args:
            surplus: What the order's leg has too much, which is closed elsewhere.
        """
        filled = after.traded_quantity - before.traded_quantity - surplus
        if filled <= 0:
            return
        if after.intent is Intent.EXIT:
            quantity = min(filled, self._opened(after) - surplus)
            what = "it had been taken over by another exit, and opened a position"
        elif self._is_unwanted(before):
            quantity, what = filled, "it had been withdrawn"
        else:
            return
        if quantity > 0:
            self._exit(after, quantity, what)

    def _opened(self, order: Order) -> int:
        """Return how much is held on an exit's own side, in units."""
        return sum(
            max(0, position.quantity * order.side.sign)
            for position in self._store.positions.get(
                order.strategy, order.exchange, order.tradingsymbol
            )
            if position.product is order.product
        )

    def withdraw_copy(self, copy: Order) -> None:
        """Cancel a second order under the id of one that was withdrawn."""
        if copy.intent is not Intent.EXIT and self._is_unwanted(copy):
            self._store.orders.request_cancel(
                copy.order_id, by=f"{FOR_LEG} {copy.leg} was withdrawn"
            )

    def _is_unwanted(self, order: Order) -> bool:
        """Return whether an entry, or what it is a copy of, was withdrawn."""
        name = sent_name(order.client_order_id)
        if name == order.client_order_id:
            is_over = order.status is OrderStatus.CANCELED
            return (is_over and self._is_withdrawn(order)) or self._is_passed(order)
        first = self._store.orders.by_client_order_id(name)
        return first is not None and first.is_closed and self._is_withdrawn(first)

    def _is_passed(self, order: Order) -> bool:
        """Return whether an exit no longer waits for an entry that works on."""
        by = self._store.orders.canceled_by(order.order_id)
        if not by.startswith(FOR_EXIT) or order.status not in _WORKING_ON:
            return False
        exit_alert = self._store.alerts.get(AlertId(by.removeprefix(FOR_EXIT).strip()))
        return exit_alert is not None and exit_alert.status is not AlertStatus.RECEIVED

    def _is_withdrawn(self, order: Order) -> bool:
        by = self._store.orders.canceled_by(order.order_id)
        return by.startswith(_WITHDRAWING) or by.endswith(_FLATTEN)

    def _exit(self, order: Order, quantity: int, what: str) -> None:
        now = self._clock.now()
        key = f"take-back-{order.order_id}-{order.traded_quantity}"
        alert = parse(
            {
                "execution_type": Intent.EXIT.value,
                "strategy_name": order.strategy,
                "exchange": order.exchange.value,
                "dedupe_id": key,
                "legs": [
                    {
                        "tradingsymbol": order.tradingsymbol,
                        "qty": quantity,
                        "product_type": order.product.value,
                    }
                ],
            }
        )
        new_id, is_new = self._store.alerts.add(
            alert, alert_id(now, secrets.token_bytes(5)), received_at=now
        )
        if not is_new:
            return
        self._discrepancies.note(
            _KIND,
            key,
            f"{quantity} {order.exchange}:{order.tradingsymbol} of order "
            f"{order.order_id} were filled although {what}; exit {new_id} closes them",
            f"check positions with the broker: 'shoonyactl trace {order.order_id}'",
            order,
        )
        self._discrepancies.resolve(_KIND, key)
