from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.calendar import (
    SpecialSession,
    parse_additions,
    parse_calendar,
)
from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import ConfigError

CALENDAR = market_calendar()
MUHURAT = date(2026, 11, 8)


def india(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=INDIA)


@pytest.mark.parametrize(
    ("exchange", "at", "why"),
    [
        pytest.param("NSE", "2026-11-25 09:14:59", "outside 09:15-15:30", id="before"),
        pytest.param("NSE", "2026-11-25 09:15", "", id="first-moment"),
        pytest.param("NSE", "2026-11-25 15:29:59", "", id="last-moment"),
        pytest.param("NSE", "2026-11-25 15:30", "outside 09:15-15:30", id="after"),
        pytest.param("NSE", "2026-11-28 10:00", "weekend", id="saturday"),
        pytest.param("NFO", "2026-12-25 10:00", "holiday: Christmas", id="holiday"),
        pytest.param(
            "NFO", "2026-07-31 15:35", "outside 09:15-15:30", id="nfo-old-hours"
        ),
        pytest.param("NFO", "2026-08-03 15:35", "", id="nfo-new-hours"),
        pytest.param(
            "NFO", "2026-08-03 15:40", "outside 09:15-15:40", id="nfo-new-end"
        ),
        pytest.param("NSE", "2026-08-03 15:35", "outside 09:15-15:30", id="nse-as-was"),
        pytest.param("CDS", "2026-11-25 16:59", "", id="cds"),
        pytest.param("MCX", "2026-01-20 23:54", "", id="mcx-winter"),
        pytest.param("MCX", "2026-06-23 23:30", "outside 09:00-23:30", id="mcx-summer"),
        pytest.param("MCX", "2026-11-02 23:54", "", id="mcx-winter-again"),
        pytest.param(
            "NSE",
            "2026-11-08 18:30",
            "Muhurat trading: hours not in the calendar",
            id="muhurat",
        ),
    ],
)
def test_market_is_open_or_says_why_not(exchange, at, why):
    assert CALENDAR.why_closed(Exchange(exchange), india(at)) == why
    assert CALENDAR.is_open(Exchange(exchange), india(at)) is (why == "")


def test_hours_are_of_india_whatever_zone_the_moment_comes_in():
    moment = datetime(2026, 11, 25, 3, 45, tzinfo=UTC)

    assert CALENDAR.is_open(Exchange.NSE, moment)
    assert not CALENDAR.is_open(Exchange.NSE, moment - timedelta(seconds=1))


def test_next_open_skips_weekend_and_holidays():
    # Friday the 25th is Christmas, then comes the weekend.
    after = CALENDAR.next_open(Exchange.NSE, india("2026-12-24 16:00"))

    assert after == india("2026-12-28 09:15")
    assert after.tzinfo is UTC


def test_next_open_of_an_open_market_is_now():
    now = india("2026-11-25 10:00")

    assert CALENDAR.next_open(Exchange.NSE, now) == now


def test_special_session_opens_a_sunday_once_its_hours_are_given():
    session = SpecialSession(
        day=MUHURAT,
        name="Muhurat trading",
        exchanges=(Exchange.NSE,),
        opens=time(18),
        closes=time(19),
    )
    calendar = CALENDAR.with_special(session)

    assert calendar.is_open(Exchange.NSE, india("2026-11-08 18:30"))
    assert calendar.why_closed(Exchange.NSE, india("2026-11-08 12:00")) == (
        "outside 18:00-19:00 (Muhurat trading)"
    )
    assert calendar.next_open(Exchange.NSE, india("2026-11-07 12:00")) == india(
        "2026-11-08 18:00"
    )
    assert not calendar.is_open(Exchange.NFO, india("2026-11-08 18:30"))


@pytest.mark.parametrize(
    ("exchange", "at", "covered"),
    [
        pytest.param("NSE", "2026-12-31 23:59", True, id="the-year-in-india"),
        pytest.param("NSE", "2027-01-01 00:00", False, id="the-next-year"),
        pytest.param("MCX", "2026-11-25 10:00", False, id="no-table-at-all"),
    ],
)
def test_calendar_admits_where_it_does_not_know_the_holidays(exchange, at, covered):
    assert CALENDAR.covers(Exchange(exchange), india(at)) is covered


def test_day_beyond_the_table_is_judged_by_weekday_and_hours():
    assert CALENDAR.is_open(Exchange.NFO, india("2027-03-01 15:35"))
    assert CALENDAR.why_closed(Exchange.NFO, india("2027-03-06 10:00")) == "weekend"


def test_naive_moment_is_refused():
    with pytest.raises(ValueError, match="naive"):
        CALENDAR.is_open(Exchange.NSE, datetime(2026, 11, 25, 10))  # noqa: DTZ001


MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001
    max_value=datetime(2027, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(
    exchange=st.sampled_from(Exchange),
    at=MOMENTS,
    permille=st.integers(min_value=0, max_value=999),
)
def test_next_open_is_open_and_nothing_before_it_is(exchange, at, permille):
    opens = CALENDAR.next_open(exchange, at)

    assert opens >= at
    assert CALENDAR.is_open(exchange, opens)
    if opens > at:
        assert not CALENDAR.is_open(exchange, opens - timedelta(microseconds=1))
        between = at + (opens - at) * permille / 1000
        assert not CALENDAR.is_open(exchange, between)


@given(exchange=st.sampled_from(Exchange), at=MOMENTS)
def test_open_market_gives_no_reason_and_a_closed_one_always_does(exchange, at):
    assert CALENDAR.is_open(exchange, at) is (CALENDAR.why_closed(exchange, at) == "")


def data(**changes: object) -> dict[str, object]:
    hours = {"exchanges": ["NSE"], "opens": time(9, 15), "closes": time(15, 30)}
    return {
        "as_of": date(2026, 1, 1),
        "hours": [hours],
        "holidays": [],
    } | changes


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"hours": []} | {"colour": "red"}, id="unknown-key"),
        pytest.param(
            {"hours": [{"exchanges": ["NYSE"], "opens": time(9), "closes": time(15)}]},
            id="unknown-exchange",
        ),
        pytest.param(
            {"hours": [{"exchanges": ["NSE"], "opens": time(16), "closes": time(9)}]},
            id="closes-before-it-opens",
        ),
        pytest.param(
            {"hours": [{"exchanges": ["NSE"], "opens": time(9), "closes": time(9)}]},
            id="never-open",
        ),
        *(
            pytest.param(
                {
                    "hours": [
                        {"exchanges": ["NSE"], "opens": time(9), "closes": time(15)}
                        | {end: time(12, tzinfo=UTC)}
                    ]
                },
                id=f"{end}-in-another-zone",
            )
            for end in ("opens", "closes")
        ),
        *[
            pytest.param(
                {
                    "specials": [
                        {
                            "day": MUHURAT,
                            "name": "x",
                            "exchanges": ["NSE"],
                            end: time(18),
                        }
                    ]
                },
                id=f"{end}-alone",
            )
            for end in ("opens", "closes")
        ],
        pytest.param(
            {
                "holidays": [
                    {
                        "exchanges": ["NSE"],
                        "year": 2027,
                        "days": [{"day": date(2026, 1, 1), "name": "x"}],
                    }
                ]
            },
            id="holiday-of-another-year",
        ),
    ],
)
def test_impossible_calendar_is_a_config_error(broken):
    parse_calendar(data())

    with pytest.raises(ConfigError, match="market calendar"):
        parse_calendar(data(**broken))


def test_exchange_without_hours_is_closed_and_never_opens():
    calendar = parse_calendar(data())

    assert "no hours" in calendar.why_closed(Exchange.MCX, india("2026-01-05 10:00"))
    with pytest.raises(ConfigError):
        calendar.next_open(Exchange.MCX, india("2026-01-05 10:00"))


# -- other sessions, and a user's own file -----------------------------------------


@pytest.mark.parametrize(
    ("exchange", "day", "names"),
    [
        ("NSE", "2026-07-31", ["pre-open", "post-close"]),
        ("NSE", "2026-08-03", ["pre-open", "closing auction", "post-close"]),
        ("NFO", "2026-08-03", ["pre-open"]),
        ("NSE", "2026-12-25", []),
        ("MCX", "2026-11-25", []),
    ],
)
def test_other_sessions_of_a_day_are_shown_by_time(exchange, day, names):
    found = CALENDAR.sessions_of(Exchange(exchange), date.fromisoformat(day))

    assert [each.name for each in found] == names


def test_closing_auction_opens_nothing():
    (auction,) = (
        each
        for each in CALENDAR.sessions_of(Exchange.NSE, date(2026, 11, 25))
        if each.name == "closing auction"
    )

    assert (auction.opens, auction.closes) == (time(15, 15), time(15, 35))
    assert not CALENDAR.is_open(Exchange.NSE, india("2026-11-25 15:33"))


@pytest.mark.parametrize(
    ("exchange", "day", "words"),
    [
        ("NSE", "2026-08-03", []),
        ("NSE", "2026-11-25", ["pre-open 09:00-09:08"]),
        ("NSE", "2026-11-08", ["Muhurat trading: its hours"]),
        (
            "CDS",
            "2026-11-25",
            ["hours 09:00-17:00", "the holidays of 2026 are not in the calendar"],
        ),
    ],
)
def test_what_nobody_has_verified_is_named(exchange, day, words):
    found = CALENDAR.unverified(Exchange(exchange), date.fromisoformat(day))

    assert found == words


OWN = {
    "closed": [{"day": date(2026, 11, 25), "name": "Flood", "exchanges": ["NSE"]}],
    "specials": [
        {
            "day": MUHURAT,
            "name": "Muhurat trading",
            "exchanges": ["NSE"],
            "opens": time(18),
            "closes": time(19),
        }
    ],
    "hours": [
        {
            "exchanges": ["NFO"],
            "since": date(2026, 8, 3),
            "opens": time(9, 15),
            "closes": time(15, 45),
        }
    ],
    "sessions": [
        {
            "name": "block deals",
            "exchanges": ["NSE"],
            "opens": time(8, 45),
            "closes": time(9),
        }
    ],
}


def test_own_entries_count_before_the_built_in_ones():
    calendar = CALENDAR.with_additions(parse_additions(OWN, "mine.toml"))

    assert calendar.why_closed(Exchange.NSE, india("2026-11-25 10:00")) == (
        "closed: Flood"
    )
    assert calendar.is_open(Exchange.BSE, india("2026-11-25 10:00"))
    assert calendar.is_open(Exchange.NSE, india("2026-11-08 18:30"))
    # Of hours that begin on the same day the user's own.
    assert calendar.is_open(Exchange.NFO, india("2026-11-26 15:42"))
    names = [e.name for e in calendar.sessions_of(Exchange.NSE, date(2026, 11, 26))]
    assert names[0] == "block deals"
    days = calendar.days_off(Exchange.NSE, 2026)
    assert [each.name for each in days if each.day.month == 11] == [
        "Diwali Balipratipada",
        "Guru Nanak Jayanti",
        "Flood",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"holiday": []}, id="unknown-key"),
        pytest.param({"closed": [{"day": date(2026, 1, 1)}]}, id="half"),
    ],
)
def test_own_file_that_cannot_be_used_is_named(broken):
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        parse_additions(broken, "mine.toml")


def test_own_hours_must_be_hours():
    own = {"specials": [{**OWN["specials"][0], "opens": time(20)}]}

    with pytest.raises(ConfigError, match="hours within one day"):
        CALENDAR.with_additions(parse_additions(own, "mine.toml"))


def test_special_session_must_have_hours_within_one_day():
    backwards = SpecialSession(
        day=MUHURAT,
        name="Muhurat trading",
        exchanges=(Exchange.NSE,),
        opens=time(19),
        closes=time(18),
    )

    with pytest.raises(ConfigError, match="hours within one day"):
        CALENDAR.with_special(backwards)


def test_closed_day_is_a_day_off_of_its_own_year_and_exchanges_alone():
    calendar = CALENDAR.with_additions(parse_additions(OWN, "mine.toml"))

    def floods(exchange, year):
        days = calendar.days_off(exchange, year)
        return [each.day for each in days if each.name == "Flood"]

    assert floods(Exchange.NSE, 2026) == [date(2026, 11, 25)]
    assert floods(Exchange.NSE, 2027) == floods(Exchange.BSE, 2026) == []
