"""Looking for ids: found wherever they are, and nothing else with them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shoonya_platform.logging import frames, jsonlines
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.formats import fields_text
from shoonya_platform.logging.reading.search import READ_WHOLE, search
from tests.unit.logging.reading.writing import COMPONENT, Writer, text_line

#: What the table's frame begins with, up to its length.
HEADER = frames.SKIPPABLE.to_bytes(4, "little")


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


def test_field_that_is_no_id_is_none_whatever_its_value(writer, tmp_path):
    writer.write(
        text_line(1, fields="count=4 status=4 order_id=5"),
        text_line(2, fields="order_id=4 alert_id=A1"),
    )

    assert found(tmp_path, "4") == [2]


@pytest.mark.parametrize("name", ["4", "a b", 'x"y', "12345678"])
def test_id_of_any_length_is_found_in_both_forms(writer, tmp_path, name):
    line = jsonlines.fields_json({"order_id": name})
    writer.write(
        text_line(1, fields=fields_text({"order_id": name}).lstrip()),
        '{"timestamp":"2026-11-25T09:00:02.000000+00:00","level":"INFO",'
        '"component":"risk_manager","logger":"shoonya.risk_manager",'
        f'"message":"text"{line},"run":"r1","seq":2}}\n',
    )

    assert found(tmp_path, name) == [1, 2]


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


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive of 79 records, of which each seventh names A3."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(frames, "FRAME_BYTES", 600)
        lines = [text_line(n, fields=f"alert_id=A{n % 7}") for n in range(1, 80)]
        (folder / f"{COMPONENT}.log.2").write_text("".join(lines))
        assert archive_all(str(folder), 1 << 20, 5, COMPONENTS) == 1
    return (folder / f"{COMPONENT}.log.2.zst").read_bytes()


def looked_for(content: bytes) -> tuple[list[int], list[str]]:
    """Look for A3 in an archive of that content; and in nothing else."""
    told: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{COMPONENT}.log.2.zst"
        path.write_bytes(content)
        numbers = [
            record.seq
            for record in search(Path(folder), [COMPONENT], ["A3"], tell=told.append)
        ]
        # Whoever only reads leaves all as it is.
        assert path.read_bytes() == content
        assert list(Path(folder).iterdir()) == [path]
    return numbers, told


EXPECTED = [n for n in range(1, 80) if n % 7 == 3]


@given(st.data())
def test_damage_in_the_table_makes_the_answer_slower_and_not_wrong(archive, data):
    begin = archive.rindex(HEADER)
    at = data.draw(st.integers(begin, len(archive) - 1))
    content = bytearray(archive)
    content[at] ^= data.draw(st.integers(1, 255))

    numbers, told = looked_for(bytes(content))

    assert numbers == EXPECTED
    if at >= begin + len(HEADER):
        assert len(told) == 1
        assert READ_WHOLE in told[0]


@given(st.data())
def test_table_that_is_cut_off_makes_the_answer_slower_and_not_wrong(archive, data):
    end = data.draw(st.integers(archive.rindex(HEADER), len(archive) - 1))

    numbers, told = looked_for(archive[:end])

    assert numbers == EXPECTED
    assert len(told) == 1
    assert READ_WHOLE in told[0]


@given(st.data())
def test_what_damage_anywhere_takes_away_is_told(archive, data):
    content = bytearray(archive)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        # The table gone too: no way but through the damage.
        del content[archive.rindex(HEADER) :]

    numbers, told = looked_for(bytes(content))

    assert set(numbers) <= set(EXPECTED)
    assert numbers == EXPECTED or told


@given(st.data())
def test_text_that_is_cut_off_is_told(archive, data):
    end = data.draw(st.integers(0, archive.rindex(HEADER) - 1))

    numbers, told = looked_for(archive[:end])

    assert numbers == EXPECTED[: len(numbers)]
    assert len(told) == 1


@pytest.mark.parametrize("level", [1, 19])
def test_archive_of_plain_zstd_is_read_through(archive, level):
    text = zstandard.ZstdDecompressor().stream_reader(archive, read_across_frames=True)
    content = zstandard.ZstdCompressor(level=level).compress(text.read())

    numbers, told = looked_for(content)

    assert numbers == EXPECTED
    assert len(told) == 1
    assert READ_WHOLE in told[0]


def test_archives_that_were_joined_are_read_through(archive):
    numbers, told = looked_for(archive + archive)

    assert numbers == EXPECTED * 2
    assert len(told) == 1


def test_nothing_there_is_nothing_found(tmp_path):
    assert found(tmp_path, "A1") == []
