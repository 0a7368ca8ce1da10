"""
Asks the broker what the account may use and afford, before entries are planned.

The guard judges inside a transaction, where nothing may wait for a broker, so both are
asked here and left in the store.  Exits are never asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shoonya_platform.brokers.base import PlaceOrder
from shoonya_platform.clock import Clock
from shoonya_platform.domain.alerts import Leg, StoredAlert, client_order_id
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.margins import Margin, MarginReading
from shoonya_platform.domain.orders import AlertId, Intent, TimeInForce
from shoonya_platform.domain.products import Allowed
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.planning import Prices, asked, leg_product
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.base import OrderStore

#: What the account may use changes with a login at most.
PRODUCTS_SECONDS = 600.0
#: After a failure they are asked for again.
PRODUCTS_AGAIN_SECONDS = 30.0
#: Questions about margins take at most so long in one step; the other entries wait for
#: the next one, so that exits do not wait for all of them.
MARGINS_SECONDS = 2.0


class Account(Protocol):
    def margin(self, orders: Sequence[PlaceOrder]) -> Margin: ...

    def products(self) -> Mapping[Exchange, frozenset[Product]] | None: ...


@dataclass(slots=True)
class Readings:
    """What the broker told just now."""

    products: Allowed | None = None
    margins: dict[AlertId, MarginReading] = field(default_factory=dict)
    #: Entries that were not asked about for want of time.
    waiting: set[AlertId] = field(default_factory=set)


class AccountKeeper:
    """
    Fetches what the account may use and afford.

    Args:
        asks_margin: Whether each entry's margin is asked for.
    """

    def __init__(
        self, store: OrderStore, account: Account, clock: Clock, *, asks_margin: bool
    ) -> None:
        self._store = store
        self._account = account
        self._clock = clock
        self._asks_margin = asks_margin
        self._products_until = float("-inf")
        self._logger = get_component_logger("trading_bot")

    def fetch(self, alerts: Sequence[StoredAlert], prices: Prices) -> Readings:
        """Ask what is needed to judge these alerts; a failure is a reading too."""
        told = Readings()
        entries = [s for s in alerts if s.alert.intent is not Intent.EXIT]
        if not entries:
            return told
        self._fetch_products(told)
        if not self._asks_margin:
            return told
        known = self._store.allowances.products()
        allowed = known if told.products is None else told.products
        until = self._clock.monotonic() + MARGINS_SECONDS
        for stored in entries:
            if self._clock.monotonic() > until:
                told.waiting.add(stored.alert_id)
            else:
                told.margins[stored.alert_id] = self._ask(stored, prices, allowed)
        return told

    def note(self, told: Readings) -> None:
        """Leave it in the store, inside a transaction."""
        if (
            told.products is not None
            and told.products != self._store.allowances.products()
        ):
            self._store.allowances.note_products(told.products)
        for alert_id, reading in told.margins.items():
            self._store.allowances.note_margin(alert_id, reading)

    def _fetch_products(self, told: Readings) -> None:
        now = self._clock.monotonic()
        if now < self._products_until:
            return
        self._products_until = now + PRODUCTS_SECONDS
        try:
            told.products = self._account.products()
        except BrokerUnavailable as e:
            self._products_until = now + PRODUCTS_AGAIN_SECONDS
            self._logger.warning(
                "the account's products are not known: %s, proceeding without",
                e.sentence,
                extra={"event": "products_unknown"},
            )

    def _ask(
        self, stored: StoredAlert, prices: Prices, allowed: Allowed
    ) -> MarginReading:
        asked_at = self._clock.now()
        try:
            orders = [
                self._order(stored, number, leg, prices, allowed)
                for number, leg in enumerate(stored.alert.legs, start=1)
            ]
            margin = self._account.margin(orders)
        except BrokerUnavailable as e:
            self._logger.warning(
                "the margin of alert %s is not known: %s",
                stored.alert_id,
                e.sentence,
                extra={"alert_id": stored.alert_id, "event": "margin_unknown"},
            )
            return MarginReading(
                required=None, available=None, failure=e.message, asked_at=asked_at
            )
        return MarginReading(
            required=margin.required,
            available=margin.available,
            is_refused=margin.is_refused,
            asked_at=asked_at,
        )

    def _order(
        self,
        stored: StoredAlert,
        number: int,
        leg: Leg,
        prices: Prices,
        allowed: Allowed,
    ) -> PlaceOrder:
        exchange = stored.alert.exchange
        key = (exchange, leg.tradingsymbol)
        price = leg.price or prices.get(key) or self._store.positions.last_price(*key)
        if price is None:
            raise BrokerUnavailable(f"no price of {exchange}:{leg.tradingsymbol}")
        side, quantity = asked(leg)
        return PlaceOrder(
            client_order_id=client_order_id(stored.alert_id, number, 1),
            exchange=exchange,
            tradingsymbol=leg.tradingsymbol,
            side=side,
            quantity=quantity,
            order_type=leg.order_type,
            price=price,
            trigger_price=leg.trigger_price,
            product=leg_product(exchange, leg, allowed),
            time_in_force=TimeInForce.DAY,
        )
