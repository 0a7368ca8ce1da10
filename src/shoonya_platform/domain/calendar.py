"""
When the exchanges trade: hours by date, holidays, special sessions.

All of it is data, because it changes: hours moved in August 2026, holidays come
anew each year.  What the data does not cover is judged by the weekday and the last
hours known, and `known_until` says from when on: a calendar that ran out must neither
stop trading nor pass its guess off as knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import ConfigError

_SATURDAY = 5


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hours of some exchanges from a day on, until later ones replace them."""

    exchanges: tuple[Exchange, ...]
    #: In India's time; None has always been so.
    since: date | None = None
    opens: time
    closes: time  #: the first moment that is closed again
    is_verified: bool = True  #: read at its source, or found to agree in several


class Holiday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day without trading."""

    day: date
    name: str


class Holidays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All holidays of some exchanges in one year."""

    exchanges: tuple[Exchange, ...]
    year: int
    days: tuple[Holiday, ...]


class ClosedDay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more day without trading, beside the year's holidays."""

    day: date
    name: str
    exchanges: tuple[Exchange, ...]


class Session(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A part of the day that is no continuous trading: an auction, a pre-open.

    It is shown, and opens nothing.
    """

    name: str
    exchanges: tuple[Exchange, ...]
    opens: time
    closes: time
    since: date | None = None
    until: date | None = None  #: the first day without it
    note: str = ""
    is_verified: bool = True

    def applies(self, exchange: Exchange, day: date) -> bool:
        return (
            exchange in self.exchanges
            and (self.since or date.min) <= day
            and day < (self.until or date.max)
        )


class SpecialSession(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """
    A day with hours of its own, weekend or holiday or not.

    Without hours it is known to take place, but not when: the day counts as closed.
    """

    day: date
    name: str
    exchanges: tuple[Exchange, ...]
    opens: time | None = None
    closes: time | None = None
    is_verified: bool = True


class Additions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a user's own file adds; where it differs from the built-in, it counts."""

    hours: tuple[Hours, ...] = ()
    #: A year's whole list, in place of the built-in one.
    holidays: tuple[Holidays, ...] = ()
    closed: tuple[ClosedDay, ...] = ()
    specials: tuple[SpecialSession, ...] = ()
    sessions: tuple[Session, ...] = ()


class MarketCalendar(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Moments are aware; days and hours are India's, whatever the machine's zone."""

    #: The day on which the data was collected.
    as_of: date
    hours: tuple[Hours, ...]
    holidays: tuple[Holidays, ...]
    specials: tuple[SpecialSession, ...] = ()
    closed: tuple[ClosedDay, ...] = ()
    sessions: tuple[Session, ...] = ()

    def is_open(self, exchange: Exchange, at: datetime) -> bool:
        return self.why_closed(exchange, at) == ""

    def is_any_open(self, at: datetime) -> bool:
        """Return whether at least one exchange is open."""
        return any(self.is_open(exchange, at) for exchange in Exchange)

    def why_closed(self, exchange: Exchange, at: datetime) -> str:
        """Return "holiday: Christmas", "weekend", "outside 09:15-15:30"; "" if open."""
        local = _local(at)
        day = self._day(exchange, local.date())
        if day.window is None:
            return day.why
        opens, closes = day.window
        if opens <= local.time() < closes:
            return ""
        return f"outside {opens:%H:%M}-{closes:%H:%M}{day.why}"

    def next_open(self, exchange: Exchange, at: datetime) -> datetime:
        """Return the first moment from `at` on at which it is open, in UTC."""
        if self.is_open(exchange, at):
            return at.astimezone(UTC)
        today = _local(at).date()
        # No exchange rests for a year; one that did would have left the data.
        for later in range(366):
            day = today + timedelta(days=later)
            window = self._day(exchange, day).window
            if window is None:
                continue
            opens = datetime.combine(day, window[0], tzinfo=INDIA)
            if opens > at:
                return opens.astimezone(UTC)
        raise ConfigError(f"the market calendar never opens {exchange} again")

    def covers(self, exchange: Exchange, at: datetime) -> bool:
        """Tell whether the year's holidays are known."""
        return self._holidays(exchange, _local(at).year) is not None

    def known_until(self, exchange: Exchange) -> date | None:
        """Return the last day of the years whose holidays are known, None for none."""
        years = [each.year for each in self.holidays if exchange in each.exchanges]
        return date(max(years), 12, 31) if years else None

    def with_special(self, special: SpecialSession) -> MarketCalendar:
        """Return the calendar with one more special session; it counts first."""
        changed = msgspec.structs.replace(self, specials=(special, *self.specials))
        _check(changed)
        return changed

    def with_additions(self, added: Additions) -> MarketCalendar:
        """Return the calendar with a user's own entries, which count first."""
        changed = msgspec.structs.replace(
            self,
            hours=(*added.hours, *self.hours),
            holidays=(*added.holidays, *self.holidays),
            closed=(*added.closed, *self.closed),
            specials=(*added.specials, *self.specials),
            sessions=(*self.sessions, *added.sessions),
        )
        _check(changed)
        return changed

    def window(self, exchange: Exchange, day: date) -> tuple[time, time] | None:
        """Return when the exchange trades on a day, None if it does not."""
        return self._day(exchange, day).window

    def why(self, exchange: Exchange, day: date) -> str:
        """Return why a day is closed, or what is special about it; "" if nothing."""
        return self._day(exchange, day).why.strip(" ()")

    def sessions_of(self, exchange: Exchange, day: date) -> list[Session]:
        """Return the day's other sessions, by time; none on a closed day."""
        if self.window(exchange, day) is None:
            return []
        found = [each for each in self.sessions if each.applies(exchange, day)]
        return sorted(found, key=lambda each: each.opens)

    def unverified(self, exchange: Exchange, day: date) -> list[str]:
        """Return what of the day's entries nobody has verified."""
        found = []
        special = self._special(exchange, day)
        if special is not None and not special.is_verified:
            found.append(f"{special.name}: its hours")
        hours = self._hours(exchange, day)
        if special is None and hours is not None and not hours.is_verified:
            found.append(f"hours {hours.opens:%H:%M}-{hours.closes:%H:%M}")
        found += [
            f"{each.name} {each.opens:%H:%M}-{each.closes:%H:%M}"
            for each in self.sessions_of(exchange, day)
            if not each.is_verified
        ]
        if self._holidays(exchange, day.year) is None:
            found.append(f"the holidays of {day.year} are not in the calendar")
        return found

    def days_off(self, exchange: Exchange, year: int) -> list[Holiday]:
        """Return the known days of a year without trading, in order."""
        table = self._holidays(exchange, year)
        days = {each.day: each for each in (() if table is None else table.days)}
        days |= {
            each.day: Holiday(day=each.day, name=each.name)
            for each in self.closed
            if exchange in each.exchanges and each.day.year == year
        }
        return [days[day] for day in sorted(days)]

    def _special(self, exchange: Exchange, day: date) -> SpecialSession | None:
        for special in self.specials:
            if special.day == day and exchange in special.exchanges:
                return special
        return None

    def _hours(self, exchange: Exchange, day: date) -> Hours | None:
        valid = [
            hours
            for hours in self.hours
            if exchange in hours.exchanges and (hours.since or date.min) <= day
        ]
        return max(valid, key=lambda hours: hours.since or date.min, default=None)

    def _day(self, exchange: Exchange, day: date) -> _Day:
        special = self._special(exchange, day)
        if special is not None:
            if special.opens is None or special.closes is None:
                return _Day(None, f"{special.name}: hours not in the calendar")
            return _Day((special.opens, special.closes), f" ({special.name})")
        for closed in self.closed:
            if closed.day == day and exchange in closed.exchanges:
                return _Day(None, f"closed: {closed.name}")
        table = self._holidays(exchange, day.year)
        for holiday in () if table is None else table.days:
            if holiday.day == day:
                return _Day(None, f"holiday: {holiday.name}")
        if day.weekday() >= _SATURDAY:
            return _Day(None, "weekend")
        latest = self._hours(exchange, day)
        if latest is None:
            return _Day(None, f"the calendar has no hours of {exchange}")
        return _Day((latest.opens, latest.closes), "")

    def _holidays(self, exchange: Exchange, year: int) -> Holidays | None:
        for table in self.holidays:
            if table.year == year and exchange in table.exchanges:
                return table
        return None


@dataclass(frozen=True, slots=True)
class _Day:
    window: tuple[time, time] | None
    why: str  #: closed all day, or what to add about the window


def parse_calendar(data: Mapping[str, object]) -> MarketCalendar:
    """
    Read the calendar as it stands in `market_calendar.toml`.

    Raises:
        ConfigError: With the place and what would be right.
    """
    try:
        calendar = msgspec.convert(data, MarketCalendar, builtin_types=(date, time))
    except msgspec.ValidationError as e:
        raise ConfigError(f"the market calendar cannot be used: {e}") from e
    _check(calendar)
    return calendar


def parse_additions(data: Mapping[str, object], where: str) -> Additions:
    """
    Read a user's own calendar file.

    Raises:
        ConfigError: With the place and what would be right.
    """
    try:
        return msgspec.convert(data, Additions, builtin_types=(date, time))
    except msgspec.ValidationError as e:
        raise ConfigError(f"the calendar '{where}' cannot be used: {e}") from e


def _check(calendar: MarketCalendar) -> None:
    entries: tuple[Hours | SpecialSession | Session, ...] = (
        *calendar.hours,
        *calendar.specials,
        *calendar.sessions,
    )
    for entry in entries:
        opens, closes = entry.opens, entry.closes
        if opens is None and closes is None:
            continue
        if (
            opens is None
            or closes is None
            or opens.tzinfo is not None
            or closes.tzinfo is not None
            or opens >= closes
        ):
            raise ConfigError(
                "the market calendar: expected hours within one day in India's time, "
                f"was {opens}-{closes}"
            )
    for table in calendar.holidays:
        for holiday in table.days:
            if holiday.day.year != table.year:
                raise ConfigError(
                    f"the market calendar: {holiday.day} ({holiday.name}) stands "
                    f"among the holidays of {table.year}"
                )


def _local(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("expected an aware time, was a naive one")
    return at.astimezone(INDIA)
