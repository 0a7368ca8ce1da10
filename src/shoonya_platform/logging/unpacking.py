"""
The text of an archive from its beginning, whoever made it.

Unlike a stream of zstandard's it says where an archive is cut off: half a frame at
the end is an error, half a table is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from shoonya_platform.logging.frames import HEADER, SKIPPABLE

# Small, as a piece may become a thousand times as large.
_PIECE_BYTES = 1 << 16
_FRAME_BEGINS = b"\x28\xb5\x2f\xfd"


def unpacked(descriptor: int) -> Iterator[bytes]:
    """
    Yield the text in pieces.

    Args:
        descriptor: Of the archive, open for reading; its position stays.

    Raises:
        ValueError: It is damaged, or no archive; what came before is right.
        ImportError: zstandard is not installed.
    """
    import zstandard

    size = os.fstat(descriptor).st_size
    if not size:
        raise ValueError("it is empty")
    offset = 0
    while offset < size:
        if _is_table(descriptor, offset):
            offset = _behind_table(descriptor, offset, size)
            continue
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            packed = os.pread(descriptor, _PIECE_BYTES, offset)
            if not packed:
                raise ValueError("it is cut off")
            try:
                text = frame.decompress(packed)
            except zstandard.ZstdError as e:
                raise ValueError(f"it is damaged: {e}") from e
            offset += len(packed)
            if text:
                yield text
        offset -= len(frame.unused_data)


def _is_table(descriptor: int, offset: int) -> bool:
    # Or what is left of one that is cut off.
    return SKIPPABLE.to_bytes(4, "little").startswith(os.pread(descriptor, 4, offset))


def _behind_table(descriptor: int, offset: int, size: int) -> int:
    header = os.pread(descriptor, HEADER.size, offset)
    if len(header) == HEADER.size:
        end = offset + HEADER.size + int(HEADER.unpack(header)[1])
        if end == size or os.pread(descriptor, 4, end) == _FRAME_BEGINS:
            return end
    # Its length is damaged, or it is cut off; no text is lost if none comes behind.
    if _FRAME_BEGINS in os.pread(descriptor, size - offset, offset):
        raise ValueError("it is damaged: its table ends nowhere")
    return size
