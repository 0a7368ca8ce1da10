"""Records as they arrive elsewhere: whatever is around them, the holes are found."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging.reading.judging import Cause
from shoonya_platform.logging.reading.received import arrival, check
from tests.unit.logging.reading.writing import COMPONENT, text_line

OURS = {
    "timestamp": "2026-02-08T14:25:31.123456+05:30",
    "level": "INFO",
    "component": COMPONENT,
    "logger": COMPONENT.upper(),
    "message": "Order 5 {worked} on",
    "run": "r1",
    "pid": 1,
    "seq": 7,
}
JOURNAL = {
    "MESSAGE": "Order 5 worked on",
    "SHOONYA_COMPONENT": COMPONENT,
    "SHOONYA_RUN": "r1",
    "SHOONYA_SEQ": "7",
}
LINE = text_line(7, "Order 5 {worked} on", fields="order_id=5").rstrip()
HEADER = '<134>1 2026-11-25T09:00:00Z vm shoonya - - [shoonya@32473 run="r1"] '
lowered = {key.lower(): value for key, value in JOURNAL.items()}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(LINE, id="text"),
        pytest.param(HEADER + LINE, id="text-behind-a-syslog-header"),
        pytest.param(LINE + "\n    | Traceback", id="text-with-its-traceback"),
        pytest.param(json.dumps(OURS), id="json"),
        pytest.param(HEADER + json.dumps(OURS), id="json-behind-a-syslog-header"),
        pytest.param(
            json.dumps({"message": LINE, "file": "x"}), id="text-in-an-object"
        ),
        pytest.param(json.dumps({"events": [{"message": LINE}]}), id="deep-inside"),
        pytest.param(json.dumps({"message": json.dumps(OURS)}), id="json-in-json"),
        pytest.param(json.dumps(JOURNAL), id="journalctl"),
        pytest.param(json.dumps({"journald": JOURNAL}), id="datadog"),
        pytest.param(json.dumps({"journald": {"custom": lowered}}), id="filebeat"),
        pytest.param(
            json.dumps({"shoonya": {"component": COMPONENT, "run": "r1", "seq": 7}}),
            id="filebeat-fields",
        ),
    ],
)
def test_record_is_found_in_what_agents_make_of_it(line):
    found = arrival(line)

    assert found is not None
    assert (found.component, found.run, found.seq) == (COMPONENT, "r1", 7)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "    | Traceback (most recent call last):",
        "{",
        '{"run": "r1"}',
        '{"component": "x", "run": "r1", "seq": 0}',
        "2026-02-08 14:25:31.123 | INFO     | no more",
    ],
)
def test_line_without_a_record_is_none(line):
    assert arrival(line) is None


def test_sentence_cannot_stand_for_its_record():
    forged = json.dumps({"component": "dashboard", "run": "x", "seq": 1})

    found = arrival(text_line(7, f"told {forged}"))

    assert found is not None
    assert (found.component, found.seq) == (COMPONENT, 7)


@given(
    st.integers(2, 200).flatmap(
        lambda last: st.tuples(
            st.just(last), st.sets(st.integers(2, last), max_size=last - 1)
        )
    ),
    st.randoms(use_true_random=False),
)
def test_each_lost_number_is_named_in_whatever_order_they_came(case, random):
    last, lost = case
    there = sorted({*range(1, last + 1)} - lost)
    # The order matters to nobody.
    shuffled = random.sample(there, len(there))

    received = check(text_line(seq) for seq in shuffled)

    named = {
        number
        for finding in received.findings
        for first, end in finding.ranges
        for number in range(first, end + 1)
    }
    # What comes behind the last that came is not known here.
    assert named == {number for number in lost if number < there[-1]}


def test_doubled_record_is_named():
    (finding,) = check(text_line(seq) for seq in (1, 2, 2, 3)).findings

    assert (finding.what, finding.ranges) == ("doubled", ((2, 2),))


def test_agent_may_begin_in_the_middle_of_the_first_run_only():
    lines = [text_line(5), text_line(6), text_line(3, run="r2", second=7)]

    first, later = check(lines).findings

    assert (first.run, first.ranges, first.cause) == ("r1", ((1, 4),), Cause.RETENTION)
    assert (later.run, later.ranges, later.cause) == ("r2", ((1, 2),), Cause.UNKNOWN)


def test_components_are_counted_apart():
    lines = [text_line(1), text_line(1, component="dashboard"), text_line(2)]

    assert check(lines).findings == ()


def test_hole_that_the_sender_counted_is_explained():
    told = text_line(5, "lost", fields="event=file_gap lost=2", level="WARNING")

    (finding,) = check([text_line(1), text_line(2), told]).findings

    assert (finding.ranges, finding.is_explained) == (((3, 4),), True)


def test_hole_of_the_journal_is_explained_by_the_journals_counter_alone():
    def entry(seq, **fields):
        return json.dumps({**JOURNAL, "SHOONYA_SEQ": str(seq), **fields})

    gap = {"SHOONYA_EVENT": "journal_gap", "SHOONYA_LOST": "2"}
    (told,) = check([entry(1), entry(4, **gap)]).findings
    (untold,) = check(
        [entry(1), entry(4, **{**gap, "SHOONYA_EVENT": "file_gap"})]
    ).findings

    assert told.is_explained
    assert not untold.is_explained
