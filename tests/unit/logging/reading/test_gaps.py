from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging.reading.gaps import WINDOW, Gap, GapFinder
from shoonya_platform.logging.reading.records import first_line
from tests.unit.logging.reading.writing import COMPONENT, text_line


def record(seq, **options):
    found = first_line(text_line(seq, **options).rstrip("\n"))
    assert found is not None
    return found


def shown(records, event="file_gap"):
    finder = GapFinder(COMPONENT, event)
    found = [item for each in records for item in finder.see(each)]
    return [
        (item.ranges, item.why) if isinstance(item, Gap) else item.seq
        for item in [*found, *finder.flush()]
    ]


def test_gap_stands_in_front_of_the_record_behind_it():
    assert shown(map(record, (1, 2, 6, 7, 9))) == [
        1,
        2,
        ([(3, 5)], ""),
        6,
        7,
        ([(8, 8)], ""),
        9,
    ]


def test_what_is_in_front_of_the_first_record_is_no_gap():
    assert shown(map(record, (41, 42))) == [41, 42]


def test_runs_are_counted_apart():
    assert shown([record(8), record(1, run="r2"), record(9), record(2, run="r2")]) == [
        8,
        1,
        9,
        2,
    ]


@given(st.permutations(range(1, 12)))
def test_other_order_is_no_gap(order):
    assert shown(map(record, [*order, *range(12, 12 + WINDOW)])) == [
        *order,
        *range(12, 12 + WINDOW),
    ]


@given(st.sets(st.integers(2, 39)))
def test_gaps_are_exactly_what_is_missing(missing):
    there = [n for n in range(1, 41) if n not in missing]

    gaps = [item for item in shown(map(record, there)) if isinstance(item, tuple)]

    assert {
        n for ranges, _ in gaps for a, b in ranges for n in range(a, b + 1)
    } == missing


def test_counter_behind_a_gap_gives_its_reason():
    failed = (
        "'/logs/x.log' cannot be written: No space left on device, records wait in "
        "memory and go to the journal"
    )
    told = record(7, message="3 records are missing", fields="event=file_gap lost=3")
    first = record(1, message=failed, fields="event=file_failed")

    assert shown([record(1), record(5), told])[1] == ([(2, 4)], "the disk took no more")
    assert shown([first, record(5), record(6), told]) == [
        1,
        ([(2, 4)], "no space left on device"),
        5,
        6,
        7,
    ]


def test_reason_of_one_copy_is_none_of_the_other():
    told = record(6, message="lost", fields="event=journal_gap lost=3")

    assert shown([record(1), record(5), told])[1] == ([(2, 4)], "")
    assert shown([record(1), record(5), told], "journal_gap")[1] == (
        [(2, 4)],
        "journal queue full",
    )
