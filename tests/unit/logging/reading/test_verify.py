"""What is missing or doubled is named exactly, and explained by what explains it."""

from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoonya_platform.ctl.logs_verify import EXIT_UNEXPLAINED, exit_code
from shoonya_platform.logging import get_component_logger, setup_application_logging
from shoonya_platform.logging.reading.journal import SUPPRESSED_ID
from shoonya_platform.logging.reading.judging import RING_RECORDS, Cause
from shoonya_platform.logging.reading.verify import verify
from tests.unit.logging.reading.journals import UNIT, entry, usec
from tests.unit.logging.reading.writing import COMPONENT, Writer, text_line
from tests.unit.logging.support import backups


def suppressed(lost, unit=UNIT):
    return {
        "__REALTIME_TIMESTAMP": str(usec(1)),
        "MESSAGE_ID": SUPPRESSED_ID,
        "MESSAGE": f"Suppressed {lost} messages from {unit}",
        "N_DROPPED": str(lost),
    }


def later_entry(seq, **fields):
    """Of another run, and behind all that the files begin with."""
    return entry(seq, run="r2", __REALTIME_TIMESTAMP=str(usec(seq + 9)), **fields)


def put(directory, *lines):
    writer = Writer(directory)
    writer.write(*lines)
    writer.close()


def found(directory, *, with_journal=False):
    """Return copy, what, numbers and cause of each finding."""
    report = verify(directory, [COMPONENT], with_journal=with_journal)
    return [
        (
            finding.copy,
            finding.what,
            [n for a, b in finding.ranges for n in range(a, b + 1)],
            finding.cause,
        )
        for finding in report.findings
    ]


# -- the files -----------------------------------------------------------------


def test_what_the_library_writes_is_complete(tmp_path):
    setup_application_logging(
        tmp_path,
        max_bytes=20_000,
        backup_count=50,
        budget=None,
        journal=False,
        component=COMPONENT,
    )
    logger = get_component_logger(COMPONENT)
    for number in range(200):
        logger.info("Order %d\n", number, note="run=x seq=9", event="file_gap ")
        try:
            raise ValueError(" run=x seq=9\n2026-11-25 09:00:00.000 | x run=x seq=9")
        except ValueError:
            logger.exception("run=a seq=77 | order_id=1 run=a seq=77")

    report = verify(tmp_path, [COMPONENT], with_journal=False)

    assert report.findings == ()
    assert (report.file_records, report.runs) == (400, 1)
    assert (report.strange_lines, report.unreadable) == (0, ())


@settings(
    max_examples=30,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.booleans())
def test_missing_and_doubled_numbers_are_exactly_those(
    tmp_path_factory, numbers, archived
):
    directory = tmp_path_factory.mktemp("logs")
    writer = Writer(directory)
    # The first run keeps holes at the beginning from being older than all there is.
    writer.write(text_line(1, run="r0", second=0), *(text_line(n) for n in numbers))
    if archived:
        writer.archive()
    writer.close()

    expected: list[object] = []
    missing = sorted(set(range(1, max(numbers))) - set(numbers))
    if missing:
        expected.append(("file", "missing", missing, Cause.UNKNOWN))
    doubled = sorted({n for n in numbers if numbers.count(n) > 1})
    if doubled:
        expected.append(("file", "doubled", doubled, Cause.UNKNOWN))

    assert found(directory) == expected


def test_what_stood_in_older_files_is_no_longer_kept(tmp_path):
    put(tmp_path, *(text_line(n) for n in (41, 42, 45)))

    assert found(tmp_path) == [
        ("file", "missing", list(range(1, 41)), Cause.RETENTION),
        ("file", "missing", [43, 44], Cause.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        pytest.param(1, Cause.UNKNOWN, id="began-behind-it"),
        pytest.param(99, Cause.RETENTION, id="ran-beside-it"),
    ],
)
def test_later_run_may_be_older_only_if_the_first_ran_beside_it(
    tmp_path, second, cause
):
    put(
        tmp_path,
        text_line(1, run="r0", second=0),
        text_line(3, second=50),
        text_line(2, run="r0", second=second),
    )

    assert found(tmp_path) == [("file", "missing", [1, 2], cause)]


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [
        pytest.param(7, 1, Cause.RETENTION, id="ran-beside-it"),
        pytest.param(7, 50, Cause.UNKNOWN, id="began-behind-it"),
        pytest.param(1, 1, Cause.UNKNOWN, id="nothing-was-evicted"),
    ],
)
def test_run_that_is_not_in_the_oldest_file_may_have_begun_before_it(
    tmp_path, first, second, cause
):
    writer = Writer(tmp_path)
    writer.write(text_line(first, run="r0", second=0))
    writer.rotate()
    writer.write(text_line(first + 1, run="r0", second=1))
    writer.write(*(text_line(seq, second=second) for seq in (4, 5)))
    writer.close()

    missing = [*([("r0", first - 1)] if first > 1 else []), ("r1", 3)]
    findings = verify(tmp_path, [COMPONENT], with_journal=False).findings
    assert [(each.run, each.count) for each in findings] == missing
    assert findings[-1].cause == cause


def test_beginnings_evicted_from_a_file_of_several_writers_are_explained(tmp_path):
    writer = Writer(tmp_path)
    for seq in range(1, 9):
        writer.write(*(text_line(seq, run=run) for run in ("r0", "r1", "r2")))
    # The last one was silent while the oldest file that is kept was filled.
    writer.write(*(text_line(seq, run="r0") for seq in range(9, 40)))
    writer.write(*(text_line(seq, run="r1") for seq in range(9, 40)))
    writer.write(*(text_line(seq, run="r2", second=39) for seq in range(9, 12)))
    writer.close()
    # What a budget does.
    for path in backups(writer.path)[:-5]:
        path.unlink()

    report = verify(tmp_path, [COMPONENT], with_journal=False)

    assert {finding.run for finding in report.findings} >= {"r1", "r2"}
    assert {finding.cause for finding in report.findings} == {Cause.RETENTION}


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param(3, [([2, 3, 4], Cause.DISK)], id="all"),
        pytest.param(2, [([3, 4], Cause.DISK), ([2], Cause.UNKNOWN)], id="not-all"),
    ],
)
def test_counter_explains_as_many_as_it_counts(tmp_path, lost, expected):
    told = text_line(6, "lost", fields=f"event=file_gap lost={lost}", level="WARNING")
    put(tmp_path, text_line(1), text_line(5), told)

    assert found(tmp_path) == [("file", "missing", *each) for each in expected]


def test_counter_explains_nothing_behind_it_and_nothing_of_another_run(tmp_path):
    told = text_line(2, "lost", fields="event=file_gap lost=9", level="WARNING")
    put(
        tmp_path,
        *(text_line(1), told, text_line(5)),
        *(text_line(1, run="r2"), text_line(3, run="r2")),
    )

    assert found(tmp_path) == [
        ("file", "missing", [3, 4], Cause.UNKNOWN),
        ("file", "missing", [2], Cause.UNKNOWN),
    ]


def test_damaged_archive_is_told_and_explains_nothing(tmp_path):
    writer = Writer(tmp_path)
    writer.write(*(text_line(n) for n in range(1, 60)))
    writer.archive()
    writer.close()
    newest = max(tmp_path.glob("*.zst"), key=lambda path: path.stat().st_mtime)
    newest.chmod(0o600)
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])

    report = verify(tmp_path, [COMPONENT], with_journal=False)

    assert [str(newest) in sentence for sentence in report.unreadable] == [True]
    assert {finding.cause for finding in report.findings} == {Cause.DAMAGED}
    assert not any(finding.is_explained for finding in report.findings)


def test_evictions_and_strange_lines_are_told(tmp_path):
    told = "'/logs/x.log.9.zst' was deleted to keep the log directory within its budget"
    put(
        tmp_path,
        text_line(1, told, fields="event=log_evicted"),
        "torn off in the mid\n",
    )
    with (tmp_path / f"{COMPONENT}.log").open("a") as file:
        file.write("2026-11-25 09:00:00.000 | being written | run=r1 seq=12")

    report = verify(tmp_path, [COMPONENT], with_journal=False)

    assert [sentence.endswith(told) for sentence in report.evicted] == [True]
    assert (report.strange_lines, report.file_records) == (1, 1)
    assert report.findings == ()


# -- both copies ---------------------------------------------------------------


def test_both_copies_are_set_against_each_other(tmp_path, journal):
    put(tmp_path, *(text_line(n) for n in (1, 2, 5, 6)))
    journal(*(entry(n) for n in (1, 3, 3, 4, 5, 6)))

    report = verify(tmp_path, [COMPONENT], with_journal=True)

    assert found(tmp_path, with_journal=True) == [
        ("file", "missing", [3, 4], Cause.UNKNOWN),
        ("journal", "missing", [2], Cause.UNKNOWN),
        ("journal", "doubled", [3], Cause.UNKNOWN),
    ]
    assert [finding.elsewhere for finding in report.findings] == [2, 1, 0]
    assert (report.file_records, report.journal_records) == (4, 6)


@pytest.mark.parametrize(("second", "missing"), [(3, []), (4, [4]), (9, [4, 5])])
def test_what_is_logged_while_the_files_are_read_is_not_missing_there(
    tmp_path, journal, second, missing
):
    put(tmp_path, *(text_line(n) for n in range(1, 4)))
    journal(*(entry(n) for n in range(1, 6)))
    now = datetime.fromisoformat(f"2026-11-25 09:00:0{second}")

    report = verify(tmp_path, [COMPONENT], with_journal=True, now=now)

    assert [(each.copy, each.ranges) for each in report.findings] == [
        ("file", ((missing[0], missing[-1]),)) for _ in missing[:1]
    ]


def test_queue_that_was_full_is_counted_by_the_process_for_all_it_logs(
    tmp_path, journal
):
    told = text_line(9, "lost", fields="event=journal_gap lost=2", level="WARNING")
    put(tmp_path, *(text_line(n) for n in range(1, 9)), told)
    journal(*(entry(n) for n in (1, 2, 3, 6, 7, 8)), entry(9))

    assert found(tmp_path, with_journal=True) == [
        ("journal", "missing", [4, 5], Cause.JOURNAL)
    ]


def test_report_at_the_end_of_a_run_is_lost_with_what_it_counts(tmp_path, journal):
    told = text_line(5, "lost", fields="event=journal_gap lost=2", level="WARNING")
    put(tmp_path, *(text_line(n) for n in range(1, 5)), told)
    journal(entry(1), entry(2))

    assert found(tmp_path, with_journal=True) == [
        ("journal", "missing", [3, 4, 5], Cause.JOURNAL)
    ]


@pytest.mark.parametrize(
    ("lost", "unit", "expected"),
    [
        pytest.param(3, UNIT, [([2, 3, 4], Cause.RATE_LIMIT)], id="ours"),
        pytest.param(
            2, UNIT, [([3, 4], Cause.RATE_LIMIT), ([2], Cause.UNKNOWN)], id="fewer"
        ),
        pytest.param(3, "x.service", [([2, 3, 4], Cause.UNKNOWN)], id="another-unit"),
    ],
)
def test_rate_limit_explains_as_many_as_journald_says(
    tmp_path, journal, lost, unit, expected
):
    put(tmp_path, *(text_line(n) for n in range(1, 6)))
    journal(entry(1), suppressed(lost, unit), entry(5))

    assert found(tmp_path, with_journal=True) == [
        ("journal", "missing", *each) for each in expected
    ]


def test_what_the_journal_has_forgotten_is_explained_and_no_more(tmp_path, journal):
    put(tmp_path, *(text_line(n) for n in range(1, 41)))
    journal(*(entry(n) for n in range(25, 41)), begins=20)

    assert found(tmp_path, with_journal=True) == [
        ("journal", "missing", list(range(1, 22)), Cause.RETENTION),
        ("journal", "missing", [22, 23, 24], Cause.UNKNOWN),
    ]


def test_what_the_files_have_forgotten_is_explained_and_no_more(tmp_path, journal):
    put(tmp_path, text_line(30), text_line(40))
    journal(*(entry(n) for n in range(1, 41)))

    assert found(tmp_path, with_journal=True) == [
        ("file", "missing", list(range(1, 30)), Cause.RETENTION),
        ("file", "missing", list(range(31, 40)), Cause.UNKNOWN),
    ]


def test_end_of_a_killed_run_waited_for_journald(tmp_path, journal):
    put(tmp_path, *(text_line(n) for n in range(1, 9)))
    journal(*(entry(n) for n in range(1, 6)))

    assert found(tmp_path, with_journal=True) == [
        ("journal", "missing", [6, 7, 8], Cause.KILLED)
    ]


def test_more_than_can_wait_is_not_explained_by_a_kill(tmp_path, journal):
    last = RING_RECORDS + 2
    (tmp_path / f"{COMPONENT}.log").write_text(
        "".join(text_line(n) for n in range(1, last + 1))
    )
    journal(entry(1))

    (finding,) = found(tmp_path, with_journal=True)

    assert finding[3] is Cause.UNKNOWN


def test_run_of_which_the_journal_has_nothing(tmp_path, journal):
    put(tmp_path, text_line(1), text_line(2), text_line(1, run="r2"))
    journal(entry(1, run="r2"), begins=-10)

    assert found(tmp_path, with_journal=True) == [
        ("journal", "missing", [1, 2], Cause.NO_COPY)
    ]


@pytest.mark.parametrize(
    ("unit", "cause"),
    [
        pytest.param("shoonya-test@x.service", Cause.ELSEWHERE, id="another-unit"),
        pytest.param(UNIT, Cause.UNKNOWN, id="our-unit"),
        pytest.param("", Cause.UNKNOWN, id="no-unit"),
    ],
)
def test_run_of_a_unit_that_has_nothing_in_these_files_is_of_elsewhere(
    tmp_path, journal, unit, cause
):
    put(tmp_path, text_line(1))
    journal(entry(1), later_entry(1, _SYSTEMD_UNIT=unit))

    report = verify(tmp_path, [COMPONENT], with_journal=True)

    assert [(each.run, each.count, each.cause) for each in report.findings] == [
        ("r2", 1, cause)
    ]
    assert exit_code(report) == (0 if cause is Cause.ELSEWHERE else EXIT_UNEXPLAINED)


def test_run_is_of_elsewhere_only_where_files_tell_whose_they_are(tmp_path, journal):
    put(tmp_path, text_line(1))
    journal(later_entry(1))

    in_file = ("file", "missing", [1], Cause.UNKNOWN)
    assert found(tmp_path, with_journal=True)[-1] == in_file


def test_journal_without_our_records_is_not_checked(tmp_path, journal):
    put(tmp_path, text_line(1))
    journal()

    report = verify(tmp_path, [COMPONENT], with_journal=True)

    assert "may not be read" in report.without_journal
    assert report.findings == ()


def test_without_journalctl_the_files_are_checked(tmp_path, monkeypatch):
    put(tmp_path, text_line(1), text_line(3))
    monkeypatch.setenv("PATH", "")

    assert found(tmp_path, with_journal=True) == [
        ("file", "missing", [2], Cause.UNKNOWN)
    ]
