"""
When positions are closed by the clock: intraday ones, and those of a strategy.

A broker closes what is intraday (MIS) a little before the market does, for a fee; we do
it before the broker.  The times of brokers for each exchange are in `docs/calendar.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.days import INDIA, trading_day
from shoonya_platform.domain.instruments import Exchange, Product

#: Exchanges whose day ends in the afternoon, for which the setting is meant.
_BY_THE_SETTING = frozenset({Exchange.NSE, Exchange.BSE, Exchange.NFO, Exchange.BFO})
#: Elsewhere, and on days with hours of their own, so long before the close.
LEAD = timedelta(minutes=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareOffTimes:
    """The times, in India."""

    #: Of MIS where the afternoon ends the day; None never closes it.
    mis: time | None = None
    #: Of all that a strategy holds.
    strategies: Mapping[str, time] = field(default_factory=dict)
    #: None trades round the clock.
    calendar: MarketCalendar | None = None

    def of_mis(self, exchange: Exchange, now: datetime) -> datetime | None:
        """Return today's time for MIS on an exchange; None if there is none."""
        if self.mis is None or self.calendar is None:
            return None
        day = trading_day(now)
        window = self.calendar.window(exchange, day)
        if window is None:
            return None
        opens, closes = (datetime.combine(day, at, tzinfo=INDIA) for at in window)
        at = datetime.combine(day, self.mis, tzinfo=INDIA)
        if exchange in _BY_THE_SETTING and opens < at < closes:
            return at
        return closes - LEAD

    def of_strategy(self, strategy: str, now: datetime) -> datetime | None:
        """Return today's time of a strategy; None if it has none."""
        at = self.strategies.get(strategy)
        if at is None:
            return None
        return datetime.combine(trading_day(now), at, tzinfo=INDIA)

    def is_due(
        self, strategy: str, exchange: Exchange, product: Product, now: datetime
    ) -> bool:
        """Return whether what is held so is to be closed by now."""
        times = [self.of_strategy(strategy, now)]
        if product is Product.MIS:
            times.append(self.of_mis(exchange, now))
        return any(at is not None and now >= at for at in times)

    def is_open(self, exchange: Exchange, now: datetime) -> bool:
        """Return whether an exit could go out."""
        return self.calendar is None or self.calendar.is_open(exchange, now)
