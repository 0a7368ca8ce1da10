"""Writes what the library writes, in small files that are rotated often."""

from pathlib import Path

from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.reading.records import Record

COMPONENT = "risk_manager"
MAX_BYTES = 600
BACKUPS = 50


def text_line(
    seq: int,
    message: str = "text",
    *,
    run: str = "r1",
    level: str = "INFO",
    second: int | None = None,
    fields: str = "",
    component: str = COMPONENT,
) -> str:
    """Return a record's line; a record's time grows with its number."""
    moment = seq if second is None else second
    hours, minutes, seconds = moment // 3600, moment // 60 % 60, moment % 60
    at = f"2026-11-25 {9 + hours:02d}:{minutes:02d}:{seconds:02d}.000"
    fields = f" {fields}" if fields else ""
    return (
        f"{at} | {level:<8} | {component.upper():<20} | {message} |{fields} "
        f"run={run} seq={seq}\n"
    )


class Writer:
    """A component's file as a service has it open."""

    def __init__(self, directory: Path, component: str = COMPONENT) -> None:
        self.directory = directory
        self.path = directory / f"{component}.log"
        self._file = LogFile(str(self.path), max_bytes=MAX_BYTES, backup_count=BACKUPS)

    def write(self, *lines: str) -> None:
        for line in lines:
            assert self._file.write(line.encode())

    def rotate(self) -> None:
        self._file.rotate()

    def archive(self) -> None:
        assert archive_all(str(self.directory), MAX_BYTES, BACKUPS, COMPONENTS) >= 0

    def close(self) -> None:
        self._file.close()


def numbers(items: object) -> list[int]:
    """Return the numbers of the records among *items*."""
    assert hasattr(items, "__iter__")
    return [item.seq for item in items if isinstance(item, Record)]
