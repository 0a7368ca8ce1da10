"""The risk rules, pure: an order and the book in, a denial or nothing out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.orders import Intent, Order
from shoonya_platform.domain.positions import ZERO, Position, shrinks


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The limits, in rupees unless told otherwise."""

    max_daily_loss: Decimal
    max_exposure: Decimal
    max_open_positions: int  #: instruments
    max_order_value: Decimal


@dataclass(slots=True, kw_only=True)
class RiskBook:
    """What is held and on its way, as the rules see it."""

    positions: list[Position]
    working: list[Order] = field(default_factory=list)
    realised_today: Decimal = ZERO

    @property
    def daily_pnl(self) -> Decimal:
        """Realised today plus unrealised, in rupees."""
        return self.realised_today + sum(
            (position.unrealised_pnl for position in self.positions), ZERO
        )

    @property
    def exposure(self) -> Decimal:
        """Gross rupees of all positions and of the entries on their way."""
        held = sum((position.exposure for position in self.positions), ZERO)
        return held + sum((leaves_value(order) for order in self._entries()), ZERO)

    def instruments(self) -> set[tuple[str, str]]:
        """Return what is held or being entered, as (exchange, tradingsymbol)."""
        held: Iterable[Position | Order] = [
            position for position in self.positions if position.quantity
        ]
        return {
            (part.exchange, part.tradingsymbol) for part in [*held, *self._entries()]
        }

    def _entries(self) -> list[Order]:
        return [order for order in self.working if order.intent is not Intent.EXIT]


def leaves_value(order: Order) -> Decimal:
    """Return what may still be filled, in rupees; 0 when no price is known."""
    price = order.price or order.reference_price or ZERO
    return order.leaves_quantity * price


def judge(order: Order, book: RiskBook, limits: RiskLimits) -> Denial | None:
    """Return why the order may not pass, or None.  What shrinks a position may."""
    if shrinks(order, book.positions, book.working):
        return None
    if book.daily_pnl <= -limits.max_daily_loss:
        return Denial(
            DenialCode.DAILY_LOSS_LIMIT,
            {"daily_pnl": money(book.daily_pnl), "limit": -limits.max_daily_loss},
        )
    if order.price is None and order.reference_price is None:
        return Denial(
            DenialCode.PRICE_UNKNOWN,
            {"tradingsymbol": f"{order.exchange}:{order.tradingsymbol}"},
        )
    value = leaves_value(order)
    if value > limits.max_order_value:
        return Denial(
            DenialCode.ORDER_VALUE_EXCEEDS_MAXIMUM,
            {"value": money(value), "maximum": limits.max_order_value},
        )
    if book.exposure + value > limits.max_exposure:
        return Denial(
            DenialCode.EXPOSURE_EXCEEDS_MAXIMUM,
            {
                "exposure": money(book.exposure),
                "order": money(value),
                "maximum": limits.max_exposure,
            },
        )
    instruments = book.instruments()
    if (order.exchange, order.tradingsymbol) not in instruments and len(
        instruments
    ) >= limits.max_open_positions:
        return Denial(
            DenialCode.POSITIONS_EXCEED_MAXIMUM,
            {"open": len(instruments), "maximum": limits.max_open_positions},
        )
    return None


def money(value: Decimal) -> Decimal:
    """Round to paise, for figures that people read."""
    return value.quantize(Decimal("0.01"))
