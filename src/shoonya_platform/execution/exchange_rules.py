"""What the guard asks of an order for the exchange's sake: hours, lots, prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Protocol

from shoonya_platform.clock import Clock
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.days import INDIA, day_begin
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.instruments import (
    Exchange,
    Instrument,
    PriceBand,
    Product,
)
from shoonya_platform.domain.orders import Intent, Order
from shoonya_platform.store.base import OrderStore


class Instruments(Protocol):
    """Where lot, tick and freeze quantity come from."""

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """What the guard goes by."""

    #: None trades round the clock, holidays too: for the paper broker.
    calendar: MarketCalendar | None
    max_alert_age_seconds: float
    #: Whether market orders get a limit.
    protects_market_orders: bool = True
    #: Share of the last price that a limit may be worse than it.
    max_price_deviation: Decimal = Decimal("0.2")
    #: Whether entries need the exchange's price band of today.
    needs_band: bool = False
    #: When the day is too late for MIS entries, in India; None never is.
    mis_square_off: time | None = None
    #: Whether entries wait until recovery_service has read the broker's books.
    awaits_reconciliation: bool = False
    #: Whether two strategies may hold an instrument in opposite directions.
    allows_conflicts: bool = False
    #: What exceeds the freeze quantity goes out in several orders.
    splits: bool = True
    #: Whether entries are denied that the account cannot afford, as the broker says.
    checks_margin: bool = False
    #: Whether entries are denied of which the broker tells no margin.
    needs_margin: bool = False


class ExchangeRules:
    """The rules that need no look at other orders."""

    def __init__(
        self,
        store: OrderStore,
        instruments: Instruments,
        rules: GuardRules,
        clock: Clock,
    ) -> None:
        self._store = store
        self._instruments = instruments
        self._rules = rules
        self._clock = clock

    def moment(self, order: Order) -> Denial | None:
        """Deny what comes too late, too late in the day, or to a closed market."""
        now = self._clock.now()
        age = (now - order.alerted_at).total_seconds()
        if order.intent is not Intent.EXIT and age > self._rules.max_alert_age_seconds:
            return Denial(
                DenialCode.ALERT_STALE,
                {
                    "age_seconds": round(age, 1),
                    "maximum": self._rules.max_alert_age_seconds,
                },
            )
        return self.square_off(order) or self.hours(order)

    def hours(self, order: Order) -> Denial | None:
        now = self._clock.now()
        calendar = self._rules.calendar
        if calendar is None or calendar.is_open(order.exchange, now):
            return None
        return Denial(
            DenialCode.MARKET_CLOSED,
            {
                "exchange": order.exchange,
                "why": calendar.why_closed(order.exchange, now),
            },
        )

    def square_off(self, order: Order) -> Denial | None:
        """Deny what would be squared off at once."""
        limit = self._rules.mis_square_off
        if limit is None or order.product is not Product.MIS:
            return None
        at = self._clock.now().astimezone(INDIA).time()
        if order.intent is Intent.EXIT or at < limit:
            return None
        return Denial(
            DenialCode.MIS_SQUARE_OFF,
            {"time": f"{at:%H:%M}", "limit": f"{limit:%H:%M}"},
        )

    def limits(self, order: Order, *, may_split: bool = False) -> Denial | None:
        """Deny what the exchange would not take."""
        instrument = self._instruments.find(order.exchange, order.tradingsymbol)
        if instrument is None:
            return Denial(
                DenialCode.INSTRUMENT_UNKNOWN,
                {"tradingsymbol": f"{order.exchange}:{order.tradingsymbol}"},
            )
        if order.quantity % instrument.lot_size:
            return Denial(
                DenialCode.QUANTITY_NOT_IN_LOTS,
                {"quantity": order.quantity, "lot_size": instrument.lot_size},
            )
        largest = instrument.largest_quantity
        if largest is not None and order.quantity > largest and not may_split:
            return Denial(
                DenialCode.QUANTITY_EXCEEDS_FREEZE,
                {"quantity": order.quantity, "maximum": largest},
            )
        for price in (order.price, order.trigger_price):
            if price is not None and price % instrument.tick_size:
                return Denial(
                    DenialCode.PRICE_NOT_ON_TICK,
                    {"price": price, "tick_size": instrument.tick_size},
                )
        return None

    def price_band(self, order: Order) -> Denial | None:
        """Deny what the exchange would refuse today, or trades far worse than last."""
        return self._circuit(order) or self._deviation(order)

    def within_band(self, order: Order, price: Decimal) -> Decimal:
        """Return the nearest price that the exchange takes today."""
        band = self._band(order)
        return price if band is None else band.nearest(price)

    def _circuit(self, order: Order) -> Denial | None:
        band = self._band(order)
        if band is None:
            if not self._rules.needs_band or order.intent is Intent.EXIT:
                return None
            return Denial(
                DenialCode.PRICE_BAND_UNKNOWN,
                {"tradingsymbol": f"{order.exchange}:{order.tradingsymbol}"},
            )
        for price in (order.price, order.trigger_price):
            if price is not None and not band.has(price):
                return Denial(
                    DenialCode.PRICE_BEYOND_CIRCUIT,
                    {"price": price, "lower": band.lower, "upper": band.upper},
                )
        return None

    def _band(self, order: Order) -> PriceBand | None:
        since = day_begin(self._clock.now())
        return self._store.positions.band(
            order.exchange, order.tradingsymbol, since=since
        )

    def _deviation(self, order: Order) -> Denial | None:
        last = self.last_price(order)
        if order.price is None or last is None:
            return None
        worse = (order.price - last) * order.side.sign / last
        if worse <= self._rules.max_price_deviation:
            return None
        return Denial(
            DenialCode.PRICE_OUTSIDE_BAND,
            {
                "price": order.price,
                "last_price": last,
                "maximum": self._rules.max_price_deviation,
            },
        )

    def last_price(self, order: Order) -> Decimal | None:
        return self._store.positions.last_price(order.exchange, order.tradingsymbol)
