"""What the tests of the logging library read with: files, and a journald."""

import array
import fcntl
import os
import socket
from pathlib import Path
from typing import TypeVar

from shoonya_platform.logging import ParsedLine, open_log, parse_line
from shoonya_platform.logging.formats import CONTINUATION
from shoonya_platform.testing.waiting import eventually

T = TypeVar("T")


def lines(path: Path) -> list[ParsedLine]:
    """Return the records of a file; whatever is neither record nor rest fails."""
    found = []
    text = content(path)
    for line in text.decode("utf-8").split("\n")[:-1]:
        parsed = parse_line(line)
        if parsed is not None:
            found.append(parsed)
        else:
            assert line.startswith(CONTINUATION), f"torn: {line!r}"
    assert text[-1:] in (b"", b"\n")
    return found


def content(path: Path) -> bytes:
    """Return the bytes of a log file, unpacked."""
    while True:
        try:
            with open_log(path) as file:
                return file.read()
        except FileNotFoundError:
            # Compressed in the meantime.
            archive = path.with_name(f"{path.name}.zst")
            if path.suffix == ".zst" or not archive.exists():
                raise
            path = archive


def backups(path: Path) -> list[Path]:
    """Return live file and backups, oldest first."""
    numbered = [
        (int(candidate.name.removesuffix(".zst").rpartition(".")[2]), candidate)
        for candidate in path.parent.glob(f"{path.name}.*")
    ]
    return [backup for _, backup in sorted(numbered, reverse=True)] + [path]


def open_descriptors() -> int:
    """Return how many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


class FakeJournald:
    """A real datagram socket that takes entries apart as journald does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sealed: list[bool] = []
        self.start()

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def stop(self) -> None:
        self._socket.close()

    def datagrams(self) -> list[bytes]:
        """Return what has come, entries sent as a file included."""
        found: list[bytes] = []
        rights_size = socket.CMSG_SPACE(array.array("i").itemsize)
        while True:
            try:
                data, rights, _, _ = self._socket.recvmsg(1 << 20, rights_size)
            except BlockingIOError:
                return found
            for _, _, fds in rights:
                assert data == b""
                data = self._file(array.array("i", fds)[0])
            found.append(data)

    def _file(self, fd: int) -> bytes:
        wanted = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        self.sealed.append(seals & wanted == wanted)
        with os.fdopen(fd, "rb") as file:
            return os.pread(file.fileno(), os.fstat(fd).st_size, 0)

    def entries(self, expected: int = 0) -> list[dict[str, str]]:
        """
        Return the entries that have come; a field twice in one is an error.

        Args:
            expected: Wait until there are so many: a burst comes a little later.
        """
        found = self.datagrams()
        while len(found) < expected:
            # As long as more comes a busy machine may take its time.
            more = eventually(self.datagrams, interval_seconds=0.002)
            found.extend(more)
        return [entry_of(datagram) for datagram in found]


def entry_of(datagram: bytes) -> dict[str, str]:
    """Decode the native format, strictly."""
    entry: dict[str, str] = {}
    while datagram:
        line, newline, rest = datagram.partition(b"\n")
        assert newline
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert len(value) == size
            assert rest[:1] == b"\n"
            rest = rest[1:]
        key = name.decode("ascii")
        assert key.replace("_", "A").isalnum(), key
        assert key == key.upper()
        assert not key.startswith("_")
        assert len(key) <= 64
        assert key not in entry, f"{key} twice"
        entry[key] = value.decode("utf-8")
        datagram = rest
    return entry
