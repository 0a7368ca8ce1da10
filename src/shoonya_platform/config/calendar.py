"""The market calendar as the configuration has it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.calendar import MarketCalendar, parse_additions
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.errors import ConfigError


def calendar(settings: Settings) -> MarketCalendar:
    """
    Return the built-in calendar, with what the user's own file adds.

    Raises:
        ConfigError: The file cannot be read or used.
    """
    path = settings.guard.calendar_file
    if not path:
        return market_calendar()
    try:
        with Path(path).open("rb") as file:
            data = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as e:
        raise ConfigError(
            f"the calendar '{path}' cannot be read: {e}",
            hint="guard.calendar_file names it; docs/calendar.md shows its form",
        ) from e
    return market_calendar().with_additions(parse_additions(data, path))
