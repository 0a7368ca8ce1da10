import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shoonya_platform.logging import parse_line
from shoonya_platform.logging.formats import (
    CONTINUATION,
    Stamp,
    detail_text,
    escaped,
    fields_text,
    head_text,
)

text = st.text(st.characters(codec=None), max_size=60) | st.text(
    'ab=|"\\ \n\r\x85\u2028n', max_size=40
)
names = st.from_regex(r"[a-z0-9_]{1,10}", fullmatch=True)
fields = st.dictionaries(names, text, max_size=4)


def line_of(message, context, seq=7):
    return (
        f"2026-02-08 14:25:31.123{head_text('INFO', 'RISK_MANAGER')}"
        f"{escaped(message)} |{fields_text(context)} run=a1b2 seq={seq}\n"
    )


def test_line_looks_as_promised():
    assert line_of("Order 12345 risk passed: exposure 45 < 60", {"order_id": "1"}) == (
        "2026-02-08 14:25:31.123 | INFO     | RISK_MANAGER         | "
        "Order 12345 risk passed: exposure 45 < 60 | order_id=1 run=a1b2 seq=7\n"
    )


@given(text, fields)
def test_record_is_one_line_for_every_reader(message, context):
    line = line_of(message, context)

    assert line.count("\n") == 1
    assert len(line.splitlines()) == 1
    assert line.encode("utf-8").decode("utf-8") == line


@given(text, fields)
def test_line_is_read_back_as_it_was_written(message, context):
    parsed = parse_line(line_of(message, context))

    assert parsed is not None
    assert parsed.message == escaped(message)
    assert parsed.fields == context
    assert (parsed.run, parsed.seq) == ("a1b2", 7)
    assert (parsed.level, parsed.name) == ("INFO", "RISK_MANAGER")


@given(fields, fields)
def test_message_cannot_forge_fields(forged, context):
    line = line_of("x", forged, seq=1)

    parsed = parse_line(line_of(line, context))

    assert parsed is not None
    assert parsed.fields == context
    assert parsed.seq == 7


@given(st.lists(text, min_size=1))
def test_traceback_cannot_forge_a_record(parts):
    detail = "\n".join(parts)

    written = detail_text(detail)

    assert written.count("\n") == detail.count("\n") + 1
    for line in written.splitlines():
        assert line.startswith(CONTINUATION)
        assert parse_line(line) is None


def test_record_in_a_traceback_is_no_record():
    assert parse_line(detail_text(line_of("x", {})).partition("\n")[0]) is None


@given(text)
def test_what_is_no_record_is_not_read_as_one(line):
    assume(" | " not in line)

    assert parse_line(line) is None


def test_escape_sequences_do_not_reach_a_terminal():
    assert escaped("a\x1b[31mb\u202ec\ud800") == "a\\x1b[31mb\\u202ec\\ud800"


@pytest.mark.parametrize("name", ["a|b", "a\nb", ""])
def test_logger_of_any_name_leaves_the_columns_whole(name):
    line = f"2026-02-08 14:25:31.123{head_text('X|Y', name)}m | run=r seq=1"

    parsed = parse_line(line)

    assert parsed is not None
    assert parsed.message == "m"


@pytest.mark.parametrize("created", [0.0, 0.9996, 1770561931.1239, 1770561931.999999])
def test_stamp_is_local_time_cut_to_milliseconds(created):
    stamp = Stamp()
    expected = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(created)))

    # Twice and with another second between: the kept part must not stick.
    first = stamp.text(created)
    assert stamp.text(created + 5) != first

    assert stamp.text(created) == first
    assert first == f"{expected}.{int(created % 1 * 1000):03d}"
