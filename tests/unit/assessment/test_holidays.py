"""The calendar that is judged by is the configured one, and it is known to end."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Literal

import pytest

from shoonya_platform.assessment.assess import assess
from shoonya_platform.assessment.conditions import ConditionKind, Rules
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.assessment.holidays import holidays
from shoonya_platform.config.settings import Guard, Settings
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import Exchange

#: 10:00 in India, on a working day.
MONDAY = datetime(2026, 11, 30, 4, 30, tzinfo=UTC)


@pytest.fixture
def own(tmp_path):
    """Rules that go with a calendar file of the user's own."""
    path = tmp_path / "calendar.toml"

    def make(
        text: str, market_hours: Literal["exchange", "round_the_clock"] = "exchange"
    ) -> Rules:
        path.write_text(text)
        guard = Guard(market_hours=market_hours, calendar_file=str(path))
        return configured_rules(Settings(guard=guard))

    return make


CLOSED = """
[[closed]]
day = 2026-11-30
name = "a storm"
exchanges = ["NSE", "NFO", "BSE", "BFO", "CDS", "MCX"]
"""


def test_closed_day_of_the_users_own_file_is_no_trading_time(own):
    assert configured_rules(Settings()).is_trading_time(MONDAY)

    assert not own(CLOSED).is_trading_time(MONDAY)
    assert own(CLOSED, market_hours="round_the_clock").is_trading_time(MONDAY)


def test_file_that_cannot_be_used_leaves_the_built_in_calendar(own):
    rules = own("nonsense")

    assert rules.calendar == market_calendar()


NEXT_YEAR = """
[[holidays]]
exchanges = ["NSE", "NFO", "BSE", "BFO"]
year = 2027
days = [{ day = 2027-01-26, name = "Republic Day" }]
"""


@pytest.mark.parametrize(
    ("day", "text", "ends"),
    [
        pytest.param(date(2026, 12, 17), "", False, id="long-before"),
        pytest.param(date(2026, 12, 18), "", True, id="two-weeks-before"),
        pytest.param(date(2027, 3, 1), "", True, id="after"),
        pytest.param(date(2027, 3, 1), NEXT_YEAR, False, id="in-the-users-own-file"),
        pytest.param(date(2027, 12, 20), NEXT_YEAR, True, id="and-that-ends-too"),
    ],
)
def test_holidays_that_run_out_are_a_warning_from_two_weeks_before(
    own, day, text, ends
):
    now = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)

    found = list(holidays(now, own(text)))

    assert [each.severity for each in found] == ["warning"] * ends
    if ends:
        year = 2027 if text else 2026
        assert found[0].text.startswith(
            f"the holidays of NSE, NFO, BSE, BFO are known until {year}-12-31"
        )


def test_warning_is_in_the_list(own, store):
    now = datetime(2027, 1, 4, 6, tzinfo=UTC)
    rules = replace(own(""), entries_wait=False)

    kinds = [each.kind for each in assess(store, now, rules=rules)]

    assert kinds == [ConditionKind.CALENDAR_ENDS]
    assert ConditionKind.CALENDAR_ENDS not in [
        each.kind for each in assess(store, now, rules=replace(rules, calendar=None))
    ]


def test_holiday_of_the_users_own_year_is_closed(own):
    calendar = own(NEXT_YEAR).calendar
    assert calendar is not None

    at = datetime(2027, 1, 26, 6, tzinfo=UTC)

    assert calendar.why_closed(Exchange.NSE, at) == "holiday: Republic Day"
    assert calendar.known_until(Exchange.NSE) == date(2027, 12, 31)
    assert calendar.known_until(Exchange.MCX) is None
