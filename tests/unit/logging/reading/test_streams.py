"""Live file, backups and archives as one stream, whole or only its end."""

import itertools
import os
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.logging import get_component_logger, setup_application_logging
from shoonya_platform.logging.reading.filters import ALL, Filter
from shoonya_platform.logging.reading.gaps import Gap, GapFinder
from shoonya_platform.logging.reading.groups import template_of
from shoonya_platform.logging.reading.records import Record
from shoonya_platform.logging.reading.streams import read
from shoonya_platform.logging.reading.verify import verify
from tests.unit.logging.reading.writing import COMPONENT, Writer, numbers, text_line

TRACEBACK = "    | Traceback (most recent call last):\n    | ValueError: run=x seq=9\n"


@pytest.fixture
def writer(tmp_path):
    opened = Writer(tmp_path)
    yield opened
    opened.close()


def items(directory, *, since="", last=None, wanted=ALL, tell=None):
    troubles: list[str] = []
    found = read(
        directory,
        {COMPONENT: GapFinder(COMPONENT)},
        since=since,
        wanted=wanted,
        last=last,
        tell=tell or troubles.append,
    )
    result = list(found)
    assert not troubles
    return result


def test_backups_and_archives_are_read_oldest_first_each_record_once(writer, tmp_path):
    writer.write(*(text_line(seq) for seq in range(1, 60)))
    writer.archive()
    assert list(tmp_path.glob("*.zst"))
    assert (tmp_path / f"{COMPONENT}.log.1").exists()

    assert numbers(items(tmp_path)) == list(range(1, 60))


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["plain", "traceback", "error"]), max_size=60),
    st.integers(0, 70),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, "text", "seq=1", "seq=.2", "^text", "ValueError", "no"]),
)
def test_last_are_those_that_a_whole_reading_ends_with(
    tmp_path_factory, kinds, last, archived, only_errors, pattern
):
    directory = tmp_path_factory.mktemp("logs")
    writer = Writer(directory)
    for seq, kind in enumerate(kinds, 1):
        level = "INFO" if kind == "plain" else "ERROR"
        line = text_line(seq, level=level)
        writer.write(line + TRACEBACK if kind == "traceback" else line)
    if archived:
        writer.archive()
    writer.close()

    wanted = Filter("ERROR", pattern) if only_errors else Filter(pattern=pattern)

    whole = items(directory, wanted=wanted)
    end = items(directory, wanted=wanted, last=last)

    assert end == (whole[-last:] if last else [])
    assert all(isinstance(item, Record) and wanted(item) for item in whole)
    no_gaps = read(
        directory,
        {COMPONENT: None},
        since="",
        wanted=wanted,
        last=None,
        tell=pytest.fail,
    )
    assert list(no_gaps) == whole
    if not pattern:
        assert [len(r.more) for r in whole if r.level == "ERROR"] == [
            2 if kind == "traceback" else 0 for kind in kinds if kind != "plain"
        ]


def test_since_reaches_into_archives_and_leaves_out_older_files(writer, tmp_path):
    writer.write(*(text_line(seq) for seq in range(1, 60)))
    for path in tmp_path.glob("*.log*"):
        written = datetime.fromisoformat("2026-11-25 09:10:00").astimezone()
        os.utime(path, (written.timestamp(), written.timestamp()))
    writer.archive()

    assert numbers(items(tmp_path, since="2026-11-25 09:00:30.000")) == list(
        range(30, 60)
    )
    damaged = min(tmp_path.glob("*.zst"), key=lambda path: path.stat().st_mtime)
    damaged.chmod(0o600)
    damaged.write_bytes(b"not read at all")
    old = datetime.fromisoformat("2026-11-25 09:00:10").astimezone().timestamp()
    os.utime(damaged, (old, old))
    assert items(tmp_path, since="2026-11-25 09:00:30.000")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_archive_is_told_and_the_rest_is_read(writer, tmp_path, damage):
    writer.write(*(text_line(seq) for seq in range(1, 60)))
    writer.archive()
    newest = max(tmp_path.glob("*.zst"), key=lambda path: path.stat().st_mtime)
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    else:
        content.clear()
    newest.chmod(0o600)
    newest.write_bytes(content)
    told: list[str] = []

    shown = items(tmp_path, tell=told.append)

    assert len(told) == 1
    assert str(newest) in told[0]
    assert numbers(shown)[-1] == 59
    assert len(numbers(shown)) < 59
    assert sum(gap.missing for gap in shown if isinstance(gap, Gap)) == 59 - len(
        numbers(shown)
    )


def test_components_are_merged_by_time_but_never_against_the_order_of_a_file(tmp_path):
    other = "dashboard"
    writers = [Writer(tmp_path), Writer(tmp_path, other)]
    # The clock of the first is set back in the middle.
    writers[0].write(*(text_line(n, second=s) for n, s in ((1, 10), (2, 4), (3, 20))))
    writers[1].write(
        *(text_line(n, second=s, component=other) for n, s in ((1, 5), (2, 15)))
    )
    for writer in writers:
        writer.close()

    found = read(
        tmp_path,
        {name: GapFinder(name) for name in (COMPONENT, other)},
        since="",
        wanted=ALL,
        last=None,
        tell=pytest.fail,
    )

    assert [
        (item.component, item.seq) for item in found if not isinstance(item, Gap)
    ] == [
        (other, 1),
        (COMPONENT, 1),
        (COMPONENT, 2),
        (other, 2),
        (COMPONENT, 3),
    ]


def test_both_forms_may_stand_in_one_directory_and_one_file(tmp_path):
    for form in ("text", "json"):
        setup_application_logging(
            tmp_path,
            max_bytes=2000,
            component=COMPONENT,
            form=form,
            journal=False,
            console=False,
            run_id=form,
            budget=None,
        )
        logger = get_component_logger(COMPONENT)
        for number in range(20):
            try:
                raise ValueError("two\nlines")
            except ValueError:
                logger.exception("%d\n| x", number, order_id=number, event="b")

    found = [item for item in items(tmp_path) if isinstance(item, Record)]
    last = items(tmp_path, last=3)

    assert [(r.run, r.seq) for r in found[:20]] == [("text", n) for n in range(1, 21)]
    assert [(r.run, r.seq) for r in found[20:]] == [("json", n) for n in range(1, 21)]
    assert last == found[-3:]
    one, other = found[0], found[20]
    assert one.text.replace("run=text", "run=json") == other.text
    assert one.fields == other.fields == {"order_id": "0", "event": "b"}
    assert one.detail == other.detail
    assert template_of(one) == template_of(other)
    report = verify(tmp_path, [COMPONENT], with_journal=False)
    assert (report.findings, report.file_records, report.strange_lines) == ((), 40, 0)


def test_nothing_is_kept_of_a_large_reading(writer, tmp_path):
    """The stream gives its first record before it has read the second file."""
    writer.write(*(text_line(seq) for seq in range(1, 200)))
    stream = read(
        tmp_path,
        {COMPONENT: GapFinder(COMPONENT)},
        since="",
        wanted=ALL,
        last=None,
        tell=pytest.fail,
    )

    first = list(itertools.islice(stream, 3))

    assert numbers(first) == [1, 2, 3]
