"""Trading days: India's, whatever zone the machine is in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

INDIA = ZoneInfo("Asia/Kolkata")


def trading_day(moment: datetime) -> date:
    """Return the date in India at an aware moment."""
    return moment.astimezone(INDIA).date()


def day_begin(moment: datetime) -> datetime:
    """Return when the moment's Indian day began, in UTC."""
    midnight = datetime.combine(trading_day(moment), time(0), tzinfo=INDIA)
    return midnight.astimezone(UTC)
