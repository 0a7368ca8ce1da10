"""What a strategy holds, and what it has made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from shoonya_platform.domain.instruments import Exchange, Product
from shoonya_platform.domain.orders import Intent, Order, Side

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """
    One strategy's holding of one instrument.

    `quantity` is signed: positive is long.  `average_price` is the average of the
    open quantity, 0 when flat.  `realised_pnl` is of the position's whole life.

    Prices are as the exchange quotes them; `price_factor` turns quantity times price
    into rupees.  Another factor values all that is open, from its average on; what
    was realised before stays as it was.
    """

    strategy: str
    exchange: Exchange
    tradingsymbol: str
    product: Product
    quantity: int = 0
    average_price: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    last_price: Decimal | None = None
    #: Rupees that one unit gains when its price rises by one; see `Instrument`.
    price_factor: Decimal = Decimal(1)
    updated_at: datetime | None = None

    @property
    def unrealised_pnl(self) -> Decimal:
        """Rupees, at the last price known; 0 if none is known."""
        if self.last_price is None:
            return ZERO
        gain = self.last_price - self.average_price
        return gain * self.quantity * self.price_factor

    @property
    def exposure(self) -> Decimal:
        """Gross value in rupees, at the last price known or else the average."""
        price = self.average_price if self.last_price is None else self.last_price
        return abs(self.quantity) * price * self.price_factor

    def after_fill(self, side: Side, quantity: int, price: Decimal) -> Position:
        """
        Return the position after a fill of `quantity` units at a price.

        What closes is realised against the average; what is left over beyond flat
        opens the other way at the fill's price.
        """
        signed = side.sign * quantity
        total = self.quantity + signed
        if self.quantity * signed >= 0:
            cost = self.average_price * abs(self.quantity) + price * quantity
            return replace(
                self,
                quantity=total,
                average_price=cost / abs(total),
                last_price=price,
            )
        closing = min(abs(self.quantity), quantity)
        gain = (self.average_price - price) * side.sign
        realised = gain * closing * self.price_factor
        if total * self.quantity > 0:
            average = self.average_price
        else:
            average = price if total else ZERO
        return replace(
            self,
            quantity=total,
            average_price=average,
            realised_pnl=self.realised_pnl + realised,
            last_price=price,
        )


def shrinks(
    order: Order, positions: Iterable[Position], working: Iterable[Order]
) -> bool:
    """
    Return whether the order can only make its strategy's position smaller.

    Args:
        working: Orders on their way: what they will close cannot be closed again.
    """
    return order.intent is Intent.EXIT or closes_only(order, positions, working)


def closes_only(
    order: Order, positions: Iterable[Position], working: Iterable[Order]
) -> bool:
    """
    Return whether what the order may still fill is held, and closed by no other.

    Args:
        working: As `shrinks` takes it.
    """
    key = _holding(order)
    held = sum(p.quantity for p in positions if _holding(p) == key)
    closing = sum(
        other.leaves_quantity
        for other in working
        if _holding(other) == key
        and other.side is order.side
        and other.order_id != order.order_id
    )
    # What is held on the order's own side counts as less than nothing.
    return order.leaves_quantity <= -held * order.side.sign - closing


def _holding(part: Order | Position) -> tuple[str, ...]:
    return (part.strategy, part.exchange, part.tradingsymbol, part.product)
