"""The archive: a gzipped tar, which everybody can open; private from the start."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shoonya_platform.ctl.bundling.seeking import Hit, Seeker
from shoonya_platform.ctl.bundling.shelf import Shelf

MANIFEST = "manifest.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in the archive."""

    name: str
    bytes: int
    sha256: str


def write(
    path: Path,
    folder: str,
    parts: Mapping[str, str],
    shelf: Shelf,
    manifest: Mapping[str, object],
) -> list[Member]:
    """
    Write the archive; the manifest comes last, as it has the sums of all others.

    Args:
        path: Must not exist.

        folder: In the archive, that all is in.

        manifest: To which the members are added.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        # Without the name of the file, which is not looked at later.
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        members = []
        for name, text in sorted(parts.items()):
            content = text.encode("utf-8", "replace")
            members.append(_add(archive, folder, name, len(content), [content]))
        for name, size in shelf.files().items():
            members.append(_add(archive, folder, name, size, shelf.read(name)))
        files = [
            {"name": m.name, "bytes": m.bytes, "sha256": m.sha256} for m in members
        ]
        said = json.dumps({**manifest, "files": files}, indent=2).encode()
        _add(archive, folder, MANIFEST, len(said), [said])
    return members


def scan(path: Path, seeker: Seeker) -> Iterator[tuple[str, Hit]]:
    """
    Yield each secret that the finished archive shows, with the member it is in.

    Looks at names too.
    """
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            found = set(seeker.find(member.name.encode()))
            content = archive.extractfile(member)
            tail = b""
            while content is not None and (chunk := content.read(_CHUNK)):
                found |= set(seeker.find(tail + chunk))
                tail = (tail + chunk)[-seeker.overlap :]
            for hit in sorted(found, key=lambda hit: (hit.name, hit.form)):
                yield name, hit


class _Content(io.RawIOBase):
    """Reads pieces one after the other, and takes their sum."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest += piece
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        self.sha256.update(taken)
        return taken


def _add(
    archive: tarfile.TarFile, folder: str, name: str, size: int, pieces: Iterable[bytes]
) -> Member:
    entry = tarfile.TarInfo(f"{folder}/{name}")
    entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
    content = _Content(pieces)
    archive.addfile(entry, content)
    return Member(name=name, bytes=size, sha256=content.sha256.hexdigest())
