"""shoonyactl calendar."""

import pytest

from shoonya_platform.domain.instruments import Exchange


@pytest.fixture
def own(home):
    """A calendar of the user's own, in the configuration."""
    path = home / "mine.toml"
    config = home / "shoonya.toml"
    config.write_text(config.read_text() + f"\n[guard]\ncalendar_file = '{path}'\n")
    return path


def one(result):
    (found,) = result.document["exchanges"]
    return found


def test_day_has_its_hours_sessions_and_the_holidays_to_come(ctl):
    found = one(ctl("calendar", "--exchange", "NSE", "--date", "2026-11-25", "--json"))

    assert (found["opens"], found["closes"], found["why"]) == ("09:15", "15:30", "")
    assert [each["name"] for each in found["sessions"]] == [
        "pre-open",
        "closing auction",
        "post-close",
    ]
    assert found["holidays"] == [{"day": "2026-12-25", "name": "Christmas"}]
    assert found["unverified"] == ["pre-open 09:00-09:08"]


def test_day_without_trading_says_why(ctl):
    found = one(ctl("calendar", "--exchange", "NFO", "--date", "2026-12-25", "--json"))

    assert (found["opens"], found["why"]) == (None, "holiday: Christmas")


def test_what_holds_now_does_not_depend_on_the_day_that_is_asked_for(ctl):
    first, second = (
        one(ctl("calendar", "--exchange", "MCX", "--date", day, "--json"))
        for day in ("2026-11-25", "2027-01-02")
    )

    # But for a minute in which the market opens between the two.
    assert first["next_open"][:10] == second["next_open"][:10]


def test_all_exchanges_are_shown_for_people(ctl):
    out = ctl("calendar", "--date", "2026-11-25").out

    assert "Wednesday 2026-11-25" in out
    assert all(exchange in out for exchange in Exchange)
    assert "15:15-15:35 closing auction" in out
    assert "round_the_clock" in out
    assert "CDS        hours 09:00-17:00" in out


def test_own_file_adds_and_corrects(ctl, own):
    own.write_text(
        """
[[closed]]
day = 2026-11-25
name = "Flood"
exchanges = ["NSE"]
"""
    )

    found = one(ctl("calendar", "--exchange", "NSE", "--date", "2026-11-25", "--json"))

    assert found["why"] == "closed: Flood"
    assert {"day": "2026-11-25", "name": "Flood"} in found["holidays"]


@pytest.mark.parametrize("text", [None, "nonsense", "[[closed]]\nday = 2026-11-25"])
def test_own_file_that_cannot_be_used_is_a_configuration_error(ctl, own, text):
    if text is not None:
        own.write_text(text)

    result = ctl("calendar")

    assert (result.code, result.out) == (10, "")
    assert str(own) in result.err


def test_end_of_the_known_holidays_is_said(ctl):
    out = ctl("calendar").out

    assert "holidays of NSE NFO BSE BFO are known until 2026-12-31" in out
    assert "holidays of CDS MCX are not known" in out or (
        "holidays of MCX CDS are not known" in out
    )
    found = one(ctl("calendar", "--exchange", "NSE", "--json"))
    assert found["holidays_known_until"] == "2026-12-31"
