"""Days are India's, whatever zone a moment is given in."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.days import INDIA, day_begin, trading_day

# India's midnight is 18:30 in UTC.
LAST = datetime(2026, 11, 24, 18, 29, 59, 999_999, tzinfo=UTC)
FIRST = LAST + timedelta(microseconds=1)


def test_day_changes_at_indias_midnight():
    assert trading_day(LAST) == date(2026, 11, 24)
    assert trading_day(FIRST) == date(2026, 11, 25)


@pytest.mark.parametrize("hours", [-12, -5, 0, 5.5, 14])
def test_zone_of_the_moment_does_not_matter(hours):
    zone = timezone(timedelta(hours=hours))

    assert trading_day(LAST.astimezone(zone)) == date(2026, 11, 24)
    assert day_begin(FIRST.astimezone(zone)) == FIRST


@given(st.integers(1_500_000_000, 3_000_000_000))
def test_day_begins_at_midnight_at_most_a_day_ago(second):
    moment = datetime.fromtimestamp(second, UTC)
    begin = day_begin(moment)

    assert timedelta(0) <= moment - begin < timedelta(days=1)
    assert begin.astimezone(INDIA).time().isoformat() == "00:00:00"
    assert trading_day(begin) == trading_day(moment)
    assert begin.tzinfo is UTC
