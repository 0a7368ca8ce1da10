"""The rules as the configuration has them."""

from __future__ import annotations

from dataclasses import replace

from shoonya_platform.assessment.conditions import Rules
from shoonya_platform.config.calendar import calendar
from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.calendar import MarketCalendar
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.errors import ConfigError
from shoonya_platform.instruments.file import FILE_NAME

#: A comparison may be missed, and a slow broker takes its time for the next.
_LOOKS_MISSED = 6


def configured_rules(settings: Settings) -> Rules:
    """Return the rules that go with the settings."""
    default = Rules()
    recovery = settings.recovery
    return replace(
        default,
        reconciliation_seconds=max(
            default.reconciliation_seconds, _LOOKS_MISSED * recovery.interval_seconds
        ),
        silent_seconds=max(
            default.silent_seconds, 3 * settings.service.heartbeat_seconds
        ),
        old_order_seconds=recovery.old_order_seconds,
        entries_wait=recovery.entries_wait,
        instruments_file=(
            settings.shoonya_dir / FILE_NAME
            if settings.broker.name == "shoonya"
            else None
        ),
        calendar=_calendar(settings),
    )


def _calendar(settings: Settings) -> MarketCalendar | None:
    if settings.guard.market_hours != "exchange":
        return None
    try:
        return calendar(settings)
    except ConfigError:
        # The services that trade by it end with this error; what shows that runs on.
        return market_calendar()
