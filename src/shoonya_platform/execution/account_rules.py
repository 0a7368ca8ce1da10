"""What the guard asks of an order for the account's sake: its product, its margin."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from shoonya_platform.clock import Clock
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.orders import AlertId, Order
from shoonya_platform.domain.products import Allowed
from shoonya_platform.store.base import OrderStore

#: An entry that passed so long before a reading may not be in its figures yet.
_ON_ITS_WAY = timedelta(seconds=2)
_KEPT = timedelta(minutes=5)


class AccountRules:
    """
    Judges entries by what trading_bot has left in the store about the account.

    Args:
        checks_margin: Whether what the account cannot afford is denied.

        needs_margin: Whether what the broker told no margin of is denied.
    """

    def __init__(
        self,
        store: OrderStore,
        clock: Clock,
        *,
        checks_margin: bool,
        needs_margin: bool,
    ) -> None:
        self._store = store
        self._clock = clock
        self._checks_margin = checks_margin
        self._needs_margin = needs_margin
        self._allowed: Allowed = {}
        #: Entries that passed: when, and what they need.
        self._passed: dict[AlertId, tuple[datetime, Decimal]] = {}

    def refresh(self) -> None:
        """Read what the account may use, before a batch is judged."""
        self._allowed = self._store.allowances.products()

    def product(self, order: Order) -> Denial | None:
        """Deny what the account may not use; without an answer nothing is denied."""
        if not self._allowed:
            return None
        allowed = self._allowed.get(order.exchange, frozenset())
        if order.product in allowed:
            return None
        return Denial(
            DenialCode.PRODUCT_NOT_ALLOWED,
            {
                "product": order.product,
                "exchange": order.exchange,
                "allowed": " ".join(sorted(allowed)) or "none",
            },
        )

    def margin(self, order: Order) -> Denial | None:
        """Deny an alert's orders together if the account cannot afford them."""
        if not self._checks_margin:
            return None
        reading = self._store.allowances.margin(order.alert_id)
        if reading is None or reading.required is None or reading.available is None:
            if not self._needs_margin:
                return None
            why = "not asked" if reading is None else reading.failure
            return Denial(DenialCode.MARGIN_UNKNOWN, {"why": why})
        since = reading.asked_at - _ON_ITS_WAY
        reserved = sum(
            (
                needs
                for alert_id, (at, needs) in self._passed.items()
                if at >= since and alert_id != order.alert_id
            ),
            Decimal(0),
        )
        is_enough = reading.required <= reading.available - reserved
        if is_enough and not reading.is_refused:
            return None
        figures: dict[str, object] = {
            "required": reading.required,
            "available": reading.available,
        }
        if reserved:
            figures["passed_since"] = reserved
        if is_enough:
            # It counts something that its figures do not show.
            figures["broker_says"] = "insufficient"
        return Denial(DenialCode.MARGIN_INSUFFICIENT, figures)

    def note_passed(self, order: Order) -> None:
        """Count what an entry that passes needs against the entries after it."""
        if not self._checks_margin or order.alert_id in self._passed:
            return
        reading = self._store.allowances.margin(order.alert_id)
        if reading is None or reading.required is None:
            return
        now = self._clock.now()
        self._passed = {
            alert_id: (at, needs)
            for alert_id, (at, needs) in self._passed.items()
            if now - at < _KEPT
        }
        self._passed[order.alert_id] = (now, reading.required)
