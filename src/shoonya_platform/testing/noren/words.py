"""How Noren writes times and figures: all values are text."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

Row = dict[str, str]

#: The simulator has its own idea of India's time, as it has of all else.
INDIA = timezone(timedelta(hours=5, minutes=30), "IST")


def request_time(moment: datetime) -> str:
    """`HH:MM:SS DD-MM-YYYY`, as in request_time and norentm."""
    return f"{moment.astimezone(INDIA):%H:%M:%S %d-%m-%Y}"


def exchange_time(moment: datetime) -> str:
    """`DD-MM-YYYY HH:MM:SS`, as in exch_tm and fltm."""
    return f"{moment.astimezone(INDIA):%d-%m-%Y %H:%M:%S}"


def india_day(moment: datetime) -> date:
    return moment.astimezone(INDIA).date()


def india_moment(day: date, at: time) -> datetime:
    """Return a time of day in India as a moment in UTC."""
    return datetime.combine(day, at, tzinfo=INDIA).astimezone(UTC)


def money(value: Decimal, precision: int = 2) -> str:
    """Write a price or an amount with the digits of its segment."""
    return f"{value:.{precision}f}"


def plain(value: Decimal) -> str:
    """Write a figure as the masters do: without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Return the nearest price on the tick, at least one tick."""
    if not tick:
        return price
    ticks = (price / tick).to_integral_value(rounding=ROUND_HALF_UP)
    return max(ticks, Decimal(1)) * tick


@lru_cache(maxsize=10_000)
def read_day(text: str, form: str) -> date:
    """
    Read a day.

    Raises:
        ValueError: It is written in another form.
    """
    return datetime.strptime(text, form).replace(tzinfo=INDIA).date()


def number(text: str) -> Decimal:
    """
    Read a figure of a request.

    Raises:
        ValueError: It is not a number.
    """
    try:
        found = Decimal(text)
    except InvalidOperation as e:
        raise ValueError(f"not a number: {text!r}") from e
    if not found.is_finite():
        raise ValueError(f"not a finite number: {text!r}")
    return found
