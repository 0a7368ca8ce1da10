"""What the guard asks of an order for the exchange's sake: hours, lots, prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Protocol

from shoonya_platform.clock import Clock
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.days import INDIA, day_begin, trading_day
from shoonya_platform.domain.denials import Denial, DenialCode
from shoonya_platform.domain.instruments import (
    Exchange,
    Instrument,
    PriceBand,
    Source,
)
from shoonya_platform.domain.orders import Intent, Order
from shoonya_platform.domain.square_off import SquareOffTimes
from shoonya_platform.store.base import OrderStore


class Instruments(Protocol):
    """Where lot, tick, freeze quantity and expiry come from."""

    def find(self, exchange: Exchange, tradingsymbol: str) -> Instrument | None:
        """
        Return what is known; its `source` says where from.

        Returns:
            None if the exchange has no instruments with such a name.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """What the guard goes by."""

    #: None trades round the clock, holidays too: for the paper broker.
    calendar: MarketCalendar | None
    max_alert_age_seconds: float
    #: Whether exits outside of hours wait for the next session, or are denied.
    exits_wait: bool = True
    #: Whether market orders get a limit.
    protects_market_orders: bool = True
    #: Share of the last price that a limit may be worse than it.
    max_price_deviation: Decimal = Decimal("0.2")
    #: Whether entries need the exchange's price band of today.
    needs_band: bool = False
    #: From when on entries would be closed at once.
    square_off_times: SquareOffTimes = field(default_factory=SquareOffTimes)
    #: Whether entries wait until recovery_service has read the broker's books.
    awaits_reconciliation: bool = False
    #: Whether two strategies may hold an instrument in opposite directions.
    allows_conflicts: bool = False
    #: What exceeds the freeze quantity goes out in several orders.
    splits: bool = True
    #: Whether entries need the broker's own figures: not for the paper broker.
    needs_list: bool = False
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

    def awaits_market(self, order: Order) -> bool:
        """Return whether an exit waits for its exchange to open."""
        return (
            self._rules.exits_wait
            and order.intent is Intent.EXIT
            and self.hours(order) is not None
        )

    def is_any_closed(self) -> bool:
        calendar, now = self._rules.calendar, self._clock.now()
        return calendar is not None and not all(
            calendar.is_open(exchange, now) for exchange in Exchange
        )

    def opens(self, order: Order) -> str:
        """Return when an order's exchange opens next, in India: `Mon 30 Nov 09:15`."""
        calendar, now = self._rules.calendar, self._clock.now()
        if calendar is None:
            return "now"
        at = calendar.next_open(order.exchange, now).astimezone(INDIA)
        return f"{at:%a %d %b %H:%M}"

    def square_off(self, order: Order) -> Denial | None:
        """Deny what would be squared off at once."""
        now, times = self._clock.now(), self._rules.square_off_times
        if order.intent is Intent.EXIT or not times.is_due(
            order.strategy, order.exchange, order.product, now
        ):
            return None
        own = times.of_strategy(order.strategy, now)
        if own is not None and now >= own:
            return Denial(
                DenialCode.STRATEGY_SQUARE_OFF,
                {"strategy": order.strategy, "limit": f"{own:%H:%M}"},
            )
        limit = times.of_mis(order.exchange, now)
        return Denial(
            DenialCode.MIS_SQUARE_OFF,
            {
                "time": f"{now.astimezone(INDIA):%H:%M}",
                "limit": "" if limit is None else f"{limit:%H:%M}",
            },
        )

    def limits(self, order: Order, *, may_split: bool = False) -> Denial | None:
        """Deny what the exchange would not take."""
        instrument = self._instruments.find(order.exchange, order.tradingsymbol)
        is_exit = order.intent is Intent.EXIT
        if instrument is None:
            return None if is_exit and self._rules.needs_list else _unknown(order)
        if is_exit:
            # What is held has to be closed: of a guess, of what is in no list any
            # more, or of what the exchange settles by itself, the exchange decides.
            if self._is_guess(instrument):
                return None
        else:
            denial = self._listing(order, instrument)
            if denial is not None:
                return denial
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

    def lacks_list(self, order: Order) -> bool:
        """Return whether an entry lacks the list of its exchange's instruments."""
        if not self._rules.needs_list or order.intent is Intent.EXIT:
            return False
        found = self._instruments.find(order.exchange, order.tradingsymbol)
        return found is not None and found.source is Source.PACKAGED

    def _listing(self, order: Order, instrument: Instrument) -> Denial | None:
        """Deny what has expired, and what the broker does not list."""
        # Round the clock there are no trading days, so nothing expires.
        if self._rules.calendar is not None and instrument.has_expired(
            trading_day(self._clock.now())
        ):
            return Denial(
                DenialCode.INSTRUMENT_EXPIRED,
                {
                    "tradingsymbol": f"{order.exchange}:{order.tradingsymbol}",
                    "expiry": instrument.expiry,
                },
            )
        if not instrument.is_tradable:
            return _unknown(order, why="an index is quoted, not traded")
        if not self._is_guess(instrument):
            return None
        if instrument.source is Source.UNLISTED:
            return _unknown(order, why="not in the broker's list of today")
        return Denial(
            DenialCode.INSTRUMENTS_UNAVAILABLE,
            {
                "exchange": order.exchange,
                "why": "the broker's list of its instruments was never loaded",
            },
        )

    def _is_guess(self, instrument: Instrument) -> bool:
        return self._rules.needs_list and not instrument.source.is_broker

    def price_band(self, order: Order) -> Denial | None:
        """Deny what the exchange would refuse today, or trades far worse than last."""
        return self._circuit(order) or self._deviation(order)

    def within_band(self, order: Order, price: Decimal) -> Decimal:
        """Return the nearest price, on a tick, that the exchange takes today."""
        band = self._band(order)
        nearest = price if band is None else band.nearest(price)
        if band is None or nearest == price:
            return price
        instrument = self._instruments.find(order.exchange, order.tradingsymbol)
        if instrument is None:
            return nearest
        # The band's border need not be on a tick: round away from it.
        rounding = ROUND_CEILING if nearest > price else ROUND_FLOOR
        on_tick = instrument.on_tick(nearest, rounding)
        return on_tick if band.has(on_tick) else nearest

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


def _unknown(order: Order, *, why: str = "") -> Denial:
    figures = {"tradingsymbol": f"{order.exchange}:{order.tradingsymbol}"}
    return Denial(
        DenialCode.INSTRUMENT_UNKNOWN, figures | ({"why": why} if why else {})
    )
