"""The file of a day: what is written comes back, what is wrong is named by its line."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.domain.days import INDIA
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.replay.recording import (
    AlertEvent,
    PriceEvent,
    Recording,
    RecordingError,
    read,
    write,
)

BEGIN = datetime(2026, 11, 25, 9, 15, tzinfo=INDIA)
DAY = '{"kind": "day", "version": 1}'
AT = '"at": "2026-11-25T09:15:00+05:30"'


@st.composite
def recordings(draw):
    at = BEGIN
    events: list[PriceEvent | AlertEvent] = []
    for number in range(draw(st.integers(1, 6))):
        at += timedelta(microseconds=draw(st.integers(0, 10**9)))
        line = number + 2
        if draw(st.booleans()):
            price = draw(st.decimals("0.05", "99999", places=2))
            events.append(
                PriceEvent(
                    line=line,
                    at=at,
                    exchange=draw(st.sampled_from(Exchange)),
                    tradingsymbol="M&M-EQ",
                    price=price,
                )
            )
        else:
            body = draw(st.dictionaries(st.text(), st.text() | st.integers()))
            events.append(AlertEvent(line=line, at=at, body=body))
    return Recording(settings={"risk": {"loss_days": 3}}, events=tuple(events))


@given(recordings())
def test_what_is_written_is_read(recording):
    assert read(write(recording)) == recording


def test_sample_day_is_whole():
    place = resources.files("shoonya_platform.ctl") / "samples" / "day.jsonl"
    recording = read(place.read_text().splitlines())

    assert recording.begin.date() == recording.end.date() == BEGIN.date()
    assert len(recording.events) > 200


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "nothing happens"),
        ((DAY,), "nothing happens"),
        (("{}",), "line 1: expected"),
        (('{"kind": "day", "version": 2}',), "line 1: expected"),
        (('{"kind": "day", "version": 1, "settings": {"paths": {}}}',), "was paths"),
        ((DAY, "no json"), "line 2: "),
        ((DAY, "[]"), "line 2: expected an object"),
        ((DAY, '{"kind": "alert"}'), "line 2: 'at' is missing"),
        ((DAY, '{"kind": "alert", "at": "2026-11-25T09:15:00"}'), "with its zone"),
        ((DAY, f'{{"kind": "tick", {AT}}}'), "price or alert, was tick"),
        ((DAY, f'{{"kind": "alert", {AT}, "body": 7}}'), "body: expected"),
        (
            (DAY, f'{{"kind": "price", {AT}, "instrument": "NFO:X", "price": "-1"}}'),
            "a price above 0",
        ),
        (
            (DAY, f'{{"kind": "price", {AT}, "instrument": "X:Y", "price": "1"}}'),
            "'X'",
        ),
        (
            (
                DAY,
                f'{{"kind": "alert", {AT}, "body": {{}}}}',
                '{"kind": "alert", "at": "2026-11-25T09:14:59+05:30", "body": {}}',
            ),
            "line 3: expected a time not before",
        ),
    ],
)
def test_what_is_wrong_is_named(lines, words):
    with pytest.raises(RecordingError) as caught:
        read(lines)

    assert words in str(caught.value)


def test_prices_are_exact():
    line = json.dumps({"kind": "price", "at": BEGIN.isoformat(), "instrument": "NFO:X"})
    recording = read([DAY, f'{line[:-1]}, "price": 0.05}}'])

    (event,) = recording.events
    assert isinstance(event, PriceEvent)
    assert event.price == Decimal("0.05")
