"""
The price at which a refused exit is tried again: on the tick, within today's band.

Both are read from the broker at that moment, as what was known before was refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Protocol

from shoonya_platform.brokers.base import Quote
from shoonya_platform.domain.instruments import Exchange, Instrument, PriceBand
from shoonya_platform.domain.orders import NewOrder, Order, OrderId, Side
from shoonya_platform.domain.refusals import Remedy, remedy_of
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.execution.protection import protect
from shoonya_platform.logging import get_component_logger

#: Where the broker knows no tick of the instrument.
_FINEST_TICK = Decimal("0.01")


class Instruments(Protocol):
    """What the broker says of an instrument now."""

    def quote(self, exchange: Exchange, tradingsymbol: str) -> Quote | None: ...

    def instrument(
        self, exchange: Exchange, tradingsymbol: str
    ) -> Instrument | None: ...


@dataclass(frozen=True, slots=True)
class _Figures:
    instrument: Instrument
    band: PriceBand
    last_price: Decimal | None


class RetryPrices:
    """Asks outside a transaction what `priced` needs within it."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._figures: dict[OrderId, _Figures] = {}
        self._logger = get_component_logger("trading_bot")

    def ask(self, refused: list[Order]) -> None:
        """Read the instruments again of which a price was refused."""
        before, self._figures = self._figures, {}
        for order in refused:
            known = before.get(order.order_id) or self._read(order)
            if known is not None:
                self._figures[order.order_id] = known

    def _read(self, order: Order) -> _Figures | None:
        if remedy_of(order.reason) not in (Remedy.TICK, Remedy.BAND):
            return None
        key = (order.exchange, order.tradingsymbol)
        try:
            instrument = self._instruments.instrument(*key)
            quote = self._instruments.quote(*key)
        except BrokerUnavailable as e:
            self._logger.warning(
                "nothing more is known of %s:%s for the next try of order %d: %s",
                *key,
                order.order_id,
                e.sentence,
                extra={**order.log_context, "event": "waiting"},
            )
            return None
        return _Figures(
            instrument
            or Instrument(
                exchange=order.exchange,
                tradingsymbol=order.tradingsymbol,
                tick_size=_FINEST_TICK,
            ),
            PriceBand() if quote is None else quote.band,
            None if quote is None else quote.last_price,
        )

    def priced(self, planned: NewOrder, refused: Order) -> NewOrder:
        """Return the new order with a price that the reason asked for."""
        known = self._figures.get(refused.order_id)
        if known is None or refused.price is None:
            return planned
        price, order_type = refused.price, refused.order_type
        if not planned.order_type.needs_price:
            # It was a limit of the guard's making: made again from the price of now.
            protected = protect(
                replace(refused, order_type=planned.order_type, price=None),
                known.last_price or refused.reference_price,
                known.instrument,
            )
            if protected is not None:
                price, order_type = protected.price, protected.order_type

        def allowed(value: Decimal) -> Decimal:
            tick_size = known.instrument.tick_size
            return allowed_price(value, refused.side, tick_size, known.band)

        trigger = planned.trigger_price
        return replace(
            planned,
            order_type=order_type,
            price=allowed(price),
            trigger_price=None if trigger is None else allowed(trigger),
        )


def allowed_price(
    price: Decimal, side: Side, tick_size: Decimal, band: PriceBand
) -> Decimal:
    """Return the nearest price on the tick, within the band, that still trades."""

    def on_tick(value: Decimal, *, up: bool) -> Decimal:
        rounding = ROUND_CEILING if up else ROUND_FLOOR
        return (value / tick_size).to_integral_value(rounding) * tick_size

    price = max(on_tick(price, up=side is Side.BUY), tick_size)
    if band.lower is not None:
        price = max(price, on_tick(band.lower, up=True))
    if band.upper is not None:
        price = min(price, on_tick(band.upper, up=False))
    return price
