"""Looking for ids: found wherever they are, and nothing else with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoonya_platform.logging import frames
from shoonya_platform.logging.reading.search import search
from tests.unit.logging.reading.writing import COMPONENT, Writer, text_line


@pytest.fixture
def writer(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "FRAME_BYTES", 600)
    writer = Writer(tmp_path)
    yield writer
    writer.close()


def found(log_dir: Path, *ids: str, **window: str) -> list[int]:
    told: list[str] = []
    numbers = [
        record.seq
        for record in search(log_dir, [COMPONENT], ids, tell=told.append, **window)
    ]
    assert told == []
    return numbers


def test_records_are_found_in_live_file_backups_and_archives(writer, tmp_path):
    writer.write(
        *(text_line(n, fields=f"order_id={n} alert_id=A{n % 7}") for n in range(1, 80))
    )
    writer.archive()
    assert list(tmp_path.glob("*.zst"))

    assert found(tmp_path, "A3") == [n for n in range(1, 80) if n % 7 == 3]
    assert found(tmp_path, "A3", "A5") == [n for n in range(1, 80) if n % 7 in (3, 5)]


def test_id_is_a_whole_value_and_not_a_part_of_one(writer, tmp_path):
    writer.write(
        text_line(1, fields="order_id=4 alert_id=A1"),
        text_line(2, fields="order_id=42 alert_id=A12"),
        text_line(3, "order_id=4 in a sentence", fields="order_id=5"),
    )

    assert found(tmp_path, "4") == [1]
    assert found(tmp_path, "A1") == [1]


def test_traceback_comes_along(writer, tmp_path):
    writer.write(
        text_line(1, fields="alert_id=A1") + "    | Traceback\n    | Boom\n",
        text_line(2, fields="alert_id=A2"),
    )

    [record] = search(tmp_path, [COMPONENT], ["A1"], tell=print)

    assert record.detail == ["Traceback", "Boom"]


@pytest.mark.parametrize("archived", [False, True])
def test_only_what_is_in_the_window_is_found(writer, tmp_path, archived):
    lines = [text_line(n, fields="alert_id=A1") for n in range(1, 80)]
    writer.write(*lines)
    if archived:
        writer.archive()
    at = [line[:23] for line in lines]

    assert found(tmp_path, "A1", since=at[9], until=at[69]) == list(range(10, 71))
    assert found(tmp_path, "A1", since=at[78]) == [79]
    assert found(tmp_path, "A1", until=at[0]) == [1]
    assert found(tmp_path, "A1", since="2030") == []


def test_archive_without_a_table_is_read_through(writer, tmp_path):
    writer.write(*(text_line(n, fields=f"alert_id=A{n % 7}") for n in range(1, 80)))
    writer.archive()
    for path in tmp_path.glob("*.zst"):
        content = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(content[:-1] + b"?")

    numbers = [
        r.seq for r in search(tmp_path, [COMPONENT], ["A3"], tell=lambda _: None)
    ]

    assert numbers == [n for n in range(1, 80) if n % 7 == 3]


def test_nothing_there_is_nothing_found(tmp_path):
    assert found(tmp_path, "A1") == []
