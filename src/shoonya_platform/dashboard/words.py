"""How figures are written for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.orders import (
    BEFORE_BROKER,
    REFUSED,
    WORKING,
    OrderStatus,
)

_MINUS = "\N{MINUS SIGN}"
#: Shown where there is nothing to show.
NOTHING = "–"

_CENT = Decimal("0.01")


def rupees(value: Decimal | None, *, signed: bool = False) -> str:
    """Return `12,34,567.50`, grouped as in India; with `+` or a minus if signed."""
    if value is None:
        return NOTHING
    value = value.quantize(_CENT, ROUND_HALF_UP)
    whole, _, cents = format(abs(value), "f").partition(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [tail]
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    sign = _MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{','.join(groups)}.{cents}"


def price(value: Decimal | None) -> str:
    """Return a price with two decimals, more only where the store has more in it."""
    if value is None:
        return NOTHING
    exact = value.normalize()
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and -4 <= exponent < -2:
        return format(exact, "f")
    return format(value.quantize(_CENT, ROUND_HALF_UP), "f")


def quantity(value: int) -> str:
    return f"{_MINUS if value < 0 else ''}{abs(value)}"


def gain(value: Decimal | None) -> str:
    """Return the class of a profit or loss."""
    if not value:
        return "even"
    return "gain" if value > 0 else "loss"


def memory(value: int | None) -> str:
    if value is None:
        return NOTHING
    if value < 1 << 30:
        return f"{value / (1 << 20):.1f} MB"
    return f"{value / (1 << 30):.2f} GB"


def share(value: float | None) -> str:
    """Return a share of one core as `2.5 %`."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def duration(length: timedelta) -> str:
    """Return a length in its two largest units: `3 h 12 min`."""
    seconds = max(0, int(length.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min"
    return f"{seconds} s"


def milliseconds(value: float) -> str:
    """Return a delay in the unit one would say it in."""
    sign = _MINUS if value < 0 else ""
    value = abs(value)
    if value < 1_000:
        return f"{sign}{value:.1f} ms"
    if value < 60_000:
        return f"{sign}{value / 1_000:.2f} s"
    return f"{sign}{duration(timedelta(milliseconds=value))}"


def clock_time(moment: datetime, now: datetime) -> str:
    """Return the time in India, with the date unless it is today's."""
    there = moment.astimezone(INDIA)
    if there.date() == now.astimezone(INDIA).date():
        return f"{there:%H:%M:%S}"
    return f"{there:%d %b %H:%M}"


def precise_time(moment: datetime) -> str:
    """Return date and time in India with milliseconds."""
    there = moment.astimezone(INDIA)
    return f"{there:%d %b %Y %H:%M:%S}.{there.microsecond // 1000:03d}"


def log_time(at: str) -> str:
    """Return `precise_time` of a log record, which has the machine's time as text."""
    try:
        return precise_time(datetime.fromisoformat(at).astimezone())
    except ValueError:
        return at


def words(name: str) -> str:
    """Return `partially filled` for `partially_filled`."""
    return name.replace("_", " ")


_TONES: dict[str, str] = {
    # Services.
    "running": "good",
    "starting": "busy",
    "stopping": "busy",
    # Dead, whatever comes next: what is amber still works.
    "backoff": "bad",
    "failed": "bad",
    "stopped": "idle",
    # Trading.
    "ACTIVE": "good",
    "REDUCING": "warn",
    "HALTED": "bad",
    # Log levels.
    "WARNING": "warn",
    "ERROR": "bad",
    "CRITICAL": "bad",
    # The doctor's findings.
    "note": "idle",
    "warning": "warn",
    "error": "bad",
    # Conditions.
    "critical": "bad",
    # Alerts.
    "received": "busy",
    "planned": "busy",
    # At an end, but that is not to say filled: the sentence beside it tells.
    "completed": "idle",
    "skipped": "idle",
    "not_done": "bad",
    "watched": "busy",
    # Orders; what is not named is at its end without having been filled.
    **dict.fromkeys(BEFORE_BROKER | WORKING, "busy"),
    **dict.fromkeys(REFUSED, "bad"),
    OrderStatus.FILLED: "good",
    OrderStatus.OUTCOME_UNKNOWN: "warn",
}


def tone(word: str) -> str:
    """Return the class that colours a state; the word always stands beside it."""
    return _TONES.get(word, "idle")
