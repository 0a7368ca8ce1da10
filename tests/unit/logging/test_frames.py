"""Archives in frames: every reader reads them, and the table tells the truth."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from shoonya_platform.logging import frames
from shoonya_platform.logging.archives import open_log
from shoonya_platform.logging.frames import compress, read_frame, read_table


def packed(text: bytes) -> bytes:
    parts: list[bytes] = []
    compress([text[:700], text[700:]], parts.append)
    return b"".join(parts)


def line(number: int, fields: str) -> bytes:
    at = f"2026-02-08 14:{number // 60 % 60:02d}:{number % 60:02d}.000"
    columns = f"{at} | INFO     | RISK_MANAGER         | text |"
    return f"{columns} {fields} run=r seq=1\n".encode()


@pytest.fixture(autouse=True)
def _small_frames(monkeypatch):
    monkeypatch.setattr(frames, "FRAME_BYTES", 1000)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[int]:
    text = b"".join(line(n, f"order_id={n} alert_id=A{n}") for n in range(100))
    (tmp_path / "x.log.2.zst").write_bytes(packed(text))
    descriptor = os.open(tmp_path / "x.log.2.zst", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@given(
    st.binary(max_size=5000) | st.text(alphabet="ab\n ", max_size=5000).map(str.encode)
)
@settings(max_examples=200)
def test_text_comes_back_whole_by_every_way(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("frames") / "x.log.2.zst"
    path.write_bytes(packed(text))

    with open_log(path) as file:
        assert file.read() == text
    with path.open("rb") as archive:
        table = read_table(archive.fileno())
        assert table is not None
        assert b"".join(read_frame(archive.fileno(), each) for each in table) == text
        # No record of one line is cut in two.
        for each in table[:-1]:
            assert read_frame(archive.fileno(), each).endswith(b"\n")
    path.unlink()


def test_table_has_the_times_and_whom_records_may_name(opened):
    table = read_table(opened)

    assert table is not None
    assert len(table) > 5
    assert table[0].first_at == "2026-02-08 14:00:00.000"
    assert table[-1].last_at == "2026-02-08 14:01:39.000"
    for number in range(100):
        [holding] = [
            each
            for each in table
            if f"alert_id=A{number} " in read_frame(opened, each).decode()
        ]
        assert holding.may_name(f"A{number}")
    wrong = sum(each.may_name(f"nobody{n}") for each in table for n in range(100))
    assert wrong < 0.1 * 100 * len(table)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_no_record_is_cut_from_its_traceback(tmp_path_factory, depths):
    text = b"".join(
        line(n, f"alert_id=A{n}") + b"    | a line of a traceback\n" * depth
        for n, depth in enumerate(depths)
    )
    path = tmp_path_factory.mktemp("frames") / "x.log.2.zst"
    path.write_bytes(packed(text))

    with path.open("rb") as archive:
        table = read_table(archive.fileno())
        assert table is not None
        texts = [read_frame(archive.fileno(), frame) for frame in table]
    assert all(text.startswith(b"2026-") for text in texts)
    assert b"".join(texts) == text


def test_traceback_without_an_end_is_cut_after_all():
    text = line(1, "alert_id=A1") + b"    | a line of a traceback\n" * 1000

    table = frames_of(text)

    assert sum(frame.size for frame in table) == len(text)
    assert max(frame.size for frame in table) < len(text)


def test_table_of_the_last_of_several_archives_is_not_taken_for_all(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(packed(line(1, "alert_id=A1")) + packed(line(2, "alert_id=A2")))

    with path.open("rb") as file:
        assert read_table(file.fileno()) is None


def test_record_without_an_alert_is_found_by_its_other_ids():
    [*_, frame] = frames_of(
        line(1, 'client_order_id="O1" trade_id=T1') + b'{"order_id": "7", "at": 1}\n'
    )

    assert all(frame.may_name(name) for name in ("O1", "T1", "7"))


def test_record_in_json_is_found_too():
    text = b'{"timestamp":"2026-02-08T14:25:31.123+05:30","alert_id":"A1"}\n'
    [frame] = frames_of(text)

    assert frame.may_name("A1")
    assert frame.first_at == "2026-02-08 14:25:31.123"


def frames_of(text: bytes) -> list[frames.Frame]:
    with tempfile.TemporaryFile() as file:
        file.write(packed(text))
        file.flush()
        table = read_table(file.fileno())
    assert table is not None
    return table


@given(st.data())
def test_damaged_table_is_no_table(data):
    text = line(1, "alert_id=A1") * 20
    content = bytearray(packed(text))
    end = len(content)
    table_begin = content.rindex(b"[[0,")
    at = data.draw(st.integers(table_begin, end - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        assert read_table(file.fileno()) is None


@pytest.mark.parametrize(
    "content", [b"", b"x", b"shoonya1", b"\x00" * 19 + b"shoonya1"]
)
def test_file_of_anybody_else_has_no_table(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with (tmp_path / "x").open("rb") as file:
        assert read_table(file.fileno()) is None


def test_archive_of_one_frame_of_zstd_alone_is_read_as_before(tmp_path):
    (tmp_path / "x.zst").write_bytes(zstandard.compress(b"as before\n"))

    with open_log(tmp_path / "x.zst") as file:
        assert file.read() == b"as before\n"
    with (tmp_path / "x.zst").open("rb") as file:
        assert read_table(file.fileno()) is None


def test_damaged_frame_is_said(opened, tmp_path):
    table = read_table(opened)
    assert table is not None
    content = bytearray((tmp_path / "x.log.2.zst").read_bytes())
    content[table[1].offset + 20] ^= 0xFF
    (tmp_path / "damaged").write_bytes(content)

    with (
        (tmp_path / "damaged").open("rb") as file,
        pytest.raises(ValueError, match=r"[Cc]hecksum|decompress"),
    ):
        read_frame(file.fileno(), table[1])


def test_damaged_length_of_a_frame_takes_no_memory(opened, tmp_path):
    table = read_table(opened)
    assert table is not None
    content = bytearray((tmp_path / "x.log.2.zst").read_bytes())
    # Eight bytes of length instead of two: some 10^17.
    content[table[1].offset + 4] ^= 0xC0
    (tmp_path / "damaged").write_bytes(content)

    with (
        (tmp_path / "damaged").open("rb") as file,
        pytest.raises(ValueError, match="not as its table says"),
    ):
        read_frame(file.fileno(), table[1])


def test_table_costs_little(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "FRAME_BYTES", 1 << 20)
    text = b"".join(
        line(n, f"order_id={n} client_order_id=O{n}-1 alert_id=A{n} strategy=Momentum")
        for n in range(20_000)
    )

    table = frames_of(text)

    assert sum(len(each.keys) + 100 for each in table) < 0.02 * len(text)
