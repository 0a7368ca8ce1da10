"""
Sees every file that a log directory ever has, and what the directory takes.

A process of its own that looks in a tight loop.  It keeps each file open, so what
is deleted later can still be read at the end: the whole story, not what is left.
"""

import contextlib
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sight:
    """
    What was seen.

    Attributes:
        texts: Of each plain file that was ever there, by its inode.

        samples: How often was looked.

        largest_bytes: What the directory took at most, as du counts.
    """

    texts: dict[int, bytes]
    samples: int
    largest_bytes: int


class Witness:
    """
    Watches *directory* from now on.

    Args:
        directory: Of the log files.

        keep: An empty directory for what was seen.
    """

    def __init__(self, directory: Path, keep: Path) -> None:
        self._keep = keep
        keep.mkdir()
        self._directory = directory
        self._seen: dict[int, int] = {}
        ready, told = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                _watch(directory, keep, told)
            finally:
                os._exit(1)
        os.close(told)
        os.read(ready, 1)
        os.close(ready)

    def look(self) -> None:
        """
        Look at once, in the caller's process.

        For the one who is about to delete a file: on a busy machine the loop may not
        have had a turn since that file was made.
        """
        _look(self._directory, self._seen)

    def stop(self) -> Sight:
        """Look a last time, and return what was seen."""
        os.kill(self._pid, signal.SIGTERM)
        _, status = os.waitpid(self._pid, 0)
        assert status == 0
        samples, largest = (self._keep / "figures").read_text().split()
        texts = {
            int(path.stem): path.read_bytes() for path in self._keep.glob("*.text")
        }
        for inode, fd in self._seen.items():
            with os.fdopen(fd, "rb") as file:
                texts.setdefault(inode, file.read())
        return Sight(texts, int(samples), int(largest))


def _watch(directory: Path, keep: Path, told: int) -> None:
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.write(told, b"x")
    seen: dict[int, int] = {}
    samples = largest = 0
    while True:
        # Before the look: the last one comes after everybody is gone.
        last = stopping
        largest = max(largest, _look(directory, seen))
        samples += 1
        if last:
            break
    for inode, fd in seen.items():
        with os.fdopen(fd, "rb") as file:
            (keep / f"{inode}.text").write_bytes(file.read())
    (keep / "figures").write_text(f"{samples} {largest}")
    os._exit(0)


def _look(directory: Path, seen: dict[int, int]) -> int:
    sizes: dict[int, int] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                # One that is renamed meanwhile may be met twice.
                found = entry.stat(follow_symlinks=False)
                sizes[found.st_ino] = found.st_blocks * 512
                name = entry.name
                if (
                    found.st_ino not in seen
                    and not name.startswith(".")
                    and not name.endswith(".zst")
                ):
                    fd = os.open(entry.path, os.O_RDONLY)
                    if seen.setdefault(os.fstat(fd).st_ino, fd) != fd:
                        os.close(fd)
        sizes[-1] = directory.stat().st_blocks * 512
    return sum(sizes.values())
