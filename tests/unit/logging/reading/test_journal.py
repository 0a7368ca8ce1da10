"""The journal's copy read as the files are."""

import pytest

from shoonya_platform.logging.reading import journal as module
from shoonya_platform.logging.reading.filters import ALL, Filter
from shoonya_platform.logging.reading.gaps import Gap
from shoonya_platform.logging.reading.journal import JournalUnavailable, is_readable
from shoonya_platform.logging.reading.streams import read_journal
from tests.unit.logging.reading.journals import entry, usec
from tests.unit.logging.reading.writing import COMPONENT, numbers


def read(**options):
    chosen = {"since": "", "wanted": ALL, "last": None, **options}
    return list(read_journal([COMPONENT], **chosen))


def test_record_is_as_in_the_file(journal):
    journal(
        entry(
            7,
            MESSAGE="order 7 broke\nTraceback (most recent call last):\nValueError: a",
            PRIORITY="3",
            SHOONYA_ORDER_ID="7",
            SHOONYA_NOTE="b c",
            SHOONYA_LOGGED_AT_USEC=str(usec(99)),
        )
    )

    (record,) = read()

    assert (record.level, record.component) == ("ERROR", COMPONENT)
    assert record.sentence == "order 7 broke"
    assert record.detail == ["Traceback (most recent call last):", "ValueError: a"]
    assert record.fields == {"order_id": "7", "note": "b c"}
    assert (record.run, record.seq) == ("r1", 7)
    # When it was logged, not when journald got it.
    assert record.at == "2026-11-25 09:01:39.000"


def test_gap_has_the_reason_of_this_copy(journal):
    failed = {"SHOONYA_EVENT": "file_failed", "MESSAGE": "'x' cannot be written: full"}
    told = {"SHOONYA_EVENT": "journal_gap", "SHOONYA_LOST": "37"}
    journal(entry(1, **failed), entry(39), entry(40, **told))

    (gap,) = [item for item in read() if isinstance(item, Gap)]

    assert (gap.missing, gap.why) == (37, "journal queue full")


def test_what_is_wanted_of_it(journal):
    journal(*(entry(n, PRIORITY="6", MESSAGE=f"n{n}") for n in range(1, 10)))

    assert numbers(read(wanted=Filter(pattern="n[2468]"), last=2)) == [6, 8]
    assert numbers(read(since="2026-11-25 09:00:08.000")) == [8, 9]
    assert read(last=0) == []


def test_journal_that_may_not_be_read_is_told(journal, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(JournalUnavailable, match="journalctl"):
        read()


def test_journal_is_readable_where_its_file_is(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FOLDERS", (tmp_path / "run", tmp_path / "var"))
    assert not is_readable()

    (tmp_path / "var" / "machine").mkdir(parents=True)
    (tmp_path / "var" / "machine" / "system.journal").touch()

    assert is_readable()
