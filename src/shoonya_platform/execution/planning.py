"""One leg of an alert becomes an order; an exit's figures come from the position."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from shoonya_platform.domain.alerts import (
    Alert,
    Leg,
    MarketPosition,
    StoredAlert,
    client_order_id,
)
from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import OPEN, Intent, NewOrder, Order, Side
from shoonya_platform.domain.products import Allowed, allowed_default
from shoonya_platform.execution.exchange_rules import Instruments
from shoonya_platform.execution.price_factors import price_factor
from shoonya_platform.store.base import OrderStore

Prices = Mapping[tuple[Exchange, str], Decimal]


class LegPlanner:
    """Plans legs; to be used inside a transaction of the store."""

    def __init__(self, store: OrderStore, instruments: Instruments) -> None:
        self._store = store
        self._instruments = instruments

    def plan(
        self,
        stored: StoredAlert,
        number: int,
        leg: Leg,
        prices: Prices,
        lost: Order | None = None,
        at_most: int | None = None,
    ) -> NewOrder | None:
        """
        Return a leg's order; None when there is nothing to exit.

        Args:
            lost: The order given up that this one replaces: no larger.

            at_most: A bound of its quantity, in units.
        """
        alert = stored.alert
        if alert.intent is Intent.EXIT:
            held = self._held(alert, leg)
            if held is None:
                return None
            side, quantity, product = held
            wanted = exit_quantity(alert, leg, quantity)
            if wanted == leg.quantity:
                wanted = self._left(stored, number, wanted)
            quantity = min(quantity, wanted)
            if not quantity:
                return None
        else:
            side, quantity = asked(leg)
            product = self._product(alert, leg)
        attempt, part = 1, 1
        if lost is not None:
            attempt, part = lost.attempt + 1, lost.part
            quantity = min(quantity, lost.quantity)
        if at_most is not None:
            quantity = min(quantity, at_most)
        known = prices.get((alert.exchange, leg.tradingsymbol))
        return NewOrder(
            client_order_id=client_order_id(stored.alert_id, number, attempt, part),
            alert_id=stored.alert_id,
            leg=number,
            attempt=attempt,
            part=part,
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
            price_factor=price_factor(
                self._store,
                self._instruments,
                alert.strategy,
                alert.exchange,
                leg.tradingsymbol,
            ),
        )

    def again(
        self, stored: StoredAlert, lost: Order, *, at_most: int | None
    ) -> NewOrder | None:
        """
        Return what takes the place of an order that was given up or refused.

        Args:
            at_most: As `plan` takes it.
        """
        prices = {}
        if lost.reference_price is not None:
            prices = {(lost.exchange, lost.tradingsymbol): lost.reference_price}
        leg = stored.alert.legs[lost.leg - 1]
        return self.plan(stored, lost.leg, leg, prices, lost, at_most)

    def _product(self, alert: Alert, leg: Leg) -> Product:
        """Return an entry's product; what changes a position keeps the position's."""
        if not leg.names_product and alert.intent is Intent.ADJUST:
            held = [
                position.product
                for position in self._store.positions.get(
                    alert.strategy, alert.exchange, leg.tradingsymbol
                )
                if position.quantity
            ]
            if len(held) == 1:
                return held[0]
        return leg_product(alert.exchange, leg, self._store.allowances.products())

    def _left(self, stored: StoredAlert, number: int, quantity: int) -> int:
        """Return what of an exit's quantity its orders so far do not close."""
        closing = sum(
            order.filled_quantity
            + (order.leaves_quantity if order.status in OPEN else 0)
            for order in self._store.orders.of_alert(stored.alert_id)
            if order.leg == number and order.intent is Intent.EXIT
        )
        return max(0, quantity - closing)

    def _held(self, alert: Alert, leg: Leg) -> tuple[Side, int, Product] | None:
        """Return what closes the position beyond the exits already under way."""
        exits = [
            order
            for order in self._store.orders.in_status(*OPEN)
            if order.intent is Intent.EXIT and is_of(order, alert, {leg.tradingsymbol})
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


def exit_quantity(alert: Alert, leg: Leg, held: int) -> int:
    """Return how much of what is held an exit closes, in units."""
    # What is stated to be flat afterwards is closed whatever the order says.
    if leg.quantity is None or alert.market_position is MarketPosition.FLAT:
        return held
    return min(held, leg.quantity)


def asked(leg: Leg) -> tuple[Side, int]:
    """Return side and quantity of a leg that is not an exit's."""
    if leg.side is None or leg.quantity is None:
        raise AssertionError("only an exit goes without side and quantity")
    return leg.side, leg.quantity


def leg_product(exchange: Exchange, leg: Leg, allowed: Allowed) -> Product:
    """Return a leg's product: the default is one that the account may use."""
    if leg.names_product or exchange not in allowed:
        return leg.product
    return allowed_default(leg.product, allowed[exchange])


def is_of(order: Order, alert: Alert, tradingsymbols: set[str]) -> bool:
    """Return whether the order is of the alert's strategy, in these instruments."""
    return (
        order.strategy == alert.strategy
        and order.exchange is alert.exchange
        and order.tradingsymbol in tradingsymbols
    )
