"""Whether the holidays that the guard goes by are about to run out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from shoonya_platform.assessment.conditions import (
    Condition,
    ConditionKind,
    Rules,
    Severity,
)
from shoonya_platform.domain.days import trading_day
from shoonya_platform.domain.instruments import Exchange

#: The exchanges publish a year's holidays in the weeks before it.
AHEAD = timedelta(days=14)


def holidays(now: datetime, rules: Rules) -> Iterator[Condition]:
    """Yield the exchanges whose holidays end; nothing where no hours are held."""
    if rules.calendar is None:
        return
    ends: dict[date, list[str]] = defaultdict(list)
    for exchange in Exchange:
        # One that was never listed is marked by 'shoonyactl calendar'.
        end = rules.calendar.known_until(exchange)
        if end is not None and end < trading_day(now) + AHEAD:
            ends[end].append(exchange)
    for end, names in sorted(ends.items()):
        yield Condition(
            kind=ConditionKind.CALENDAR_ENDS,
            severity=Severity.WARNING,
            text=f"the holidays of {', '.join(names)} are known until {end}; after "
            "that the guard goes by weekday and hours alone",
            action="shoonyactl calendar",
            subject=str(end),
        )
