"""
Archives that need not be read whole: frames of zstd, and behind them a table.

Each frame holds about a megabyte of whole lines.  The table tells of each where it
lies, from when to when its records are, and which orders and alerts they may name
(a Bloom filter, about 0.6 % of the text).  It stands in a skippable frame, which
`zstdcat` and every other reader pass over:

    [frame] [frame] … [skippable frame: JSON, filters, footer]

A table that does not fit its archive to the byte is no table: then all of it is
read, and the process that compresses makes a new one (see `reframing.py`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import json
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shoonya_platform.logging.formats import CONTINUATION

FRAME_BYTES = 1 << 20

_LEVEL = 3
#: What our table begins with: one of the sixteen numbers whose frames zstd passes
#: over, and its length.
SKIPPABLE = 0x184D2A5B
HEADER = struct.Struct("<II")
#: Length of the JSON, length of the filters, checksum of both.
_FOOTER = struct.Struct("<III8s")
_TAG = b"shoonya1"

# One in eighty names is found where it is not.
_BITS_PER_KEY = 10
_HASHES = 4

# What a record is looked for by: its alert, which every order's records name; where
# there is none, any other id.  In the forms of text and of JSON.
_ALERT = re.compile(rb'alert_id"?[=:] ?"?([^\s",}]+)')
_OTHER = re.compile(rb'_id"?[=:] ?"?([^\s",}]+)')
_CONTINUATION = CONTINUATION.encode()
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d{3}")


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One frame, as the table has it.

    Attributes:
        offset: Where it begins in the archive, in bytes.

        packed_bytes: How long it is there.

        size: How long its text is.

        first_at: The smallest time of its records, "" if it has none; as written.

        last_at: The largest.

        keys: The filter of the ids that its records name.
    """

    offset: int
    packed_bytes: int
    size: int
    first_at: str
    last_at: str
    keys: bytes

    def may_name(self, key: str) -> bool:
        """Say whether a record here may name *key*; False is certain."""
        if not self.keys:
            return False
        bits = len(self.keys) * 8
        return all(
            self.keys[bit >> 3] >> (bit & 7) & 1 for bit in _bits(key.encode(), bits)
        )


def compress(pieces: Iterable[bytes], write: Callable[[bytes], None]) -> None:
    """Compress a log's text, frame by frame, and write the table."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    frames: list[Frame] = []
    offset = 0
    for text in blocks(pieces):
        packed = compressor.compress(text)
        write(packed)
        times = [match.decode().replace("T", " ") for match in _times(text)]
        frames.append(
            Frame(
                offset,
                len(packed),
                len(text),
                min(times, default=""),
                max(times, default=""),
                _filter(set(_keys(text))),
            )
        )
        offset += len(packed)
    write(_packed_table(frames))


def read_table(descriptor: int) -> list[Frame] | None:
    """
    Return an archive's table; None if it has none that can be trusted.

    Args:
        descriptor: Of the archive, open for reading; its position stays.
    """
    size = os.fstat(descriptor).st_size
    footer = os.pread(descriptor, _FOOTER.size, max(size - _FOOTER.size, 0))
    if len(footer) < _FOOTER.size:
        return None
    json_bytes, filter_bytes, checksum, tag = _FOOTER.unpack(footer)
    length = json_bytes + filter_bytes
    begin = size - _FOOTER.size - length
    if tag != _TAG or begin < HEADER.size or not json_bytes:
        return None
    payload = os.pread(descriptor, length, begin)
    if len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    header = os.pread(descriptor, HEADER.size, begin - HEADER.size)
    if header[4:] != (length + _FOOTER.size).to_bytes(4, "little"):
        # Other tools would stumble over it.
        return None
    filters = io.BytesIO(payload[json_bytes:])
    table = [
        Frame(
            offset, packed_bytes, length, first_at, last_at, filters.read(filter_bytes)
        )
        for offset, packed_bytes, length, first_at, last_at, filter_bytes in json.loads(
            payload[:json_bytes]
        )
    ]
    # Of several archives behind each other it would be the last one's alone.
    packed = sum(frame.packed_bytes for frame in table)
    return table if packed == begin - HEADER.size else None


def read_frame(descriptor: int, frame: Frame) -> bytes:
    """
    Return a frame's text.

    Raises:
        ValueError: It is damaged.
    """
    import zstandard

    packed = os.pread(descriptor, frame.packed_bytes, frame.offset)
    try:
        if zstandard.frame_content_size(packed) != frame.size:
            # So much would be asked of the memory, be it a damaged number.
            raise ValueError("it is damaged: a frame is not as its table says")
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as e:
        raise ValueError(str(e)) from e


def has_tag(descriptor: int) -> bool:
    """Say whether an archive ends as those with a table do; a look, and no proof."""
    end = os.fstat(descriptor).st_size
    return os.pread(descriptor, len(_TAG), max(end - len(_TAG), 0)) == _TAG


def blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces of text to about a megabyte each, and cut between two records."""
    held = b""
    parts: list[bytes] = []
    size = 0
    for piece in pieces:
        # What was packed very small comes in large pieces.
        for begin in range(0, len(piece), FRAME_BYTES):
            parts.append(piece[begin : begin + FRAME_BYTES])
            size += len(parts[-1])
            if size < FRAME_BYTES:
                continue
            text = b"".join([held, *parts])
            end = _last_record(text)
            if end:
                yield text[:end]
            held, parts, size = text[end:], [], 0
    rest = b"".join([held, *parts])
    if rest:
        yield rest


def _last_record(text: bytes) -> int:
    """Return where the last record begins, or a line where that would be far back."""
    end = last_line = text.rfind(b"\n") + 1
    while end and _CONTINUATION.startswith(text[end : end + len(_CONTINUATION)]):
        end = text.rfind(b"\n", 0, end - 1) + 1
        if last_line - end > FRAME_BYTES // 2:
            return last_line
    return end


def _packed_table(frames: list[Frame]) -> bytes:
    rows = [
        (f.offset, f.packed_bytes, f.size, f.first_at, f.last_at, len(f.keys))
        for f in frames
    ]
    head = json.dumps(rows, separators=(",", ":")).encode()
    filters = b"".join(frame.keys for frame in frames)
    payload = head + filters
    footer = _FOOTER.pack(len(head), len(filters), zlib.crc32(payload), _TAG)
    return HEADER.pack(SKIPPABLE, len(payload) + len(footer)) + payload + footer


def _times(text: bytes) -> Iterator[bytes]:
    for line in text.splitlines():
        found = _TIME.match(line) or (
            _TIME.search(line, 0, 80) if line.startswith(b"{") else None
        )
        if found is not None:
            yield found[0]


def _keys(text: bytes) -> Iterator[bytes]:
    # All at once where it can be: this is what takes the time of an archive.
    yield from _ALERT.findall(text)
    for line in text.splitlines():
        if b"alert_id" not in line and b"_id" in line:
            yield from _OTHER.findall(line)


def _filter(keys: Iterable[bytes]) -> bytes:
    found = list(keys)
    bits = bytearray((len(found) * _BITS_PER_KEY + 7) // 8)
    for bit in itertools.chain.from_iterable(
        _bits(key, len(bits) * 8) for key in found
    ):
        bits[bit >> 3] |= 1 << (bit & 7)
    return bytes(bits)


@functools.lru_cache(maxsize=64)
def _pair(key: bytes) -> tuple[int, int]:
    digest = hashlib.blake2b(key, digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _bits(key: bytes, size: int) -> list[int]:
    one, other = _pair(key)
    return [(one + number * other) % size for number in range(_HASHES)]
