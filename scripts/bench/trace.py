"""
One order out of a full set of log files, beside grep over the same files.

Fills a directory as eight busy components would, lets the library rotate and
compress it, and then looks for single orders in all of it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.files import LogFile
from shoonya_platform.logging.frames import read_table
from shoonya_platform.tracing.lines import find_lines

BEGIN = datetime(2026, 2, 2, 9, 0).astimezone()
#: Lines written at once, each about an order of its own.
BATCH = 2000
_LINE = (
    "{at} | INFO     | {name:<20} | Order {n} went through: exposure {x} < 5000000, "
    "positions {y} < 10 | order_id={n} client_order_id=O260202-{n:08d}-1 "
    "alert_id=A260202-{n:08d} strategy=Momentum event=order_passed run=ab12cd34 "
    "seq={n}\n"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50, help="a file's size")
    parser.add_argument("--backups", type=int, default=10, help="of each component")
    parser.add_argument("--orders", type=int, default=5, help="to look for")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, help="where the files are left, and taken from again"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trace-bench-") as folder:
        log_dir = options.keep or Path(folder)
        log_dir.mkdir(parents=True, exist_ok=True)
        last = fill(log_dir, options.megabytes << 20, options.backups)
        report(log_dir)
        dice = random.Random(options.seed)  # noqa: S311 - repeats its choice
        compare(log_dir, last, dice, options.orders)
    return 0


def fill(log_dir: Path, max_bytes: int, backups: int) -> int:
    """Write until every component has all its backups; return the last number."""
    count_path = log_dir / "orders"
    if count_path.exists():
        return int(count_path.read_text())
    files = {
        name: LogFile(
            str(log_dir / f"{name}.log"), max_bytes=max_bytes, backup_count=backups
        )
        for name in COMPONENTS
    }
    began = time.monotonic()
    number = 0
    while not (log_dir / f"{COMPONENTS[0]}.log.{backups}.zst").exists():
        for name, file in files.items():
            file.write("".join(lines(name, number)).encode())
        number += BATCH
        if number % (50 * BATCH) == 0:
            archive_all(str(log_dir), max_bytes, backups, COMPONENTS)
            tell(f"{number} orders, {time.monotonic() - began:.0f} s")
    for file in files.values():
        file.close()
    archive_all(str(log_dir), max_bytes, backups, COMPONENTS)
    count_path.write_text(str(number))
    tell("")
    return number


def moment(number: int) -> datetime:
    return BEGIN + timedelta(milliseconds=250 * number)


def lines(name: str, first: int) -> Iterator[str]:
    for n in range(first, first + BATCH):
        at = f"{moment(n):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        yield _LINE.format(at=at, name=name.upper(), n=n, x=n % 5_000_000, y=n % 10)


def report(log_dir: Path) -> None:
    text = table = disk = 0
    for path in log_dir.glob("*.log*"):
        size = path.stat().st_size
        disk += size
        if path.suffix != ".zst":
            text += size
            continue
        with path.open("rb") as file:
            frames = read_table(file.fileno())
        if frames is None:
            sys.exit(f"'{path}' has no table")
        text += sum(frame.size for frame in frames)
        table += size - sum(frame.packed_bytes for frame in frames)
    print(
        f"{text / 1e6:.0f} MB of text in {disk / 1e6:.0f} MB on disk; "
        f"the tables are {100 * table / text:.2f} % of the text"
    )


def compare(log_dir: Path, last: int, dice: random.Random, orders: int) -> None:
    # Those of the first lines have fallen off the end.
    numbers = [dice.randrange(last // 5, last) for _ in range(orders)]
    print(f"\n{'order':>10} {'lines':>6} {'trace':>9} {'of no time':>11} {'grep':>9}")
    times: dict[str, list[float]] = {"trace": [], "wide": [], "grep": []}
    for n in numbers:
        ids = {str(n), f"O260202-{n:08d}-1", f"A260202-{n:08d}"}
        at = moment(n)
        seconds, found = timed(find, log_dir, ids, at, timedelta(minutes=1))
        wide, same = timed(find, log_dir, ids, at, timedelta(days=365))
        grep, hits = timed(grepped, log_dir, f"A260202-{n:08d}")
        if not found == same == hits:
            sys.exit(f"order {n}: trace found {found} and {same} lines, grep {hits}")
        for name, value in (("trace", seconds), ("wide", wide), ("grep", grep)):
            times[name].append(value)
        print(f"{n:>10} {found:>6} {seconds:>8.3f}s {wide:>10.3f}s {grep:>8.3f}s")
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"{'median':>10} {'':>6} {medians['trace']:>8.3f}s {medians['wide']:>10.3f}s "
        f"{medians['grep']:>8.3f}s"
    )


def find(log_dir: Path, ids: set[str], at: datetime, width: timedelta) -> int:
    found = find_lines(
        log_dir, ids, since=at - width, until=at + width, journal=False, tell=tell
    )
    return len(found)


def grepped(log_dir: Path, needle: str) -> int:
    """Count as one does by hand: zstdgrep for archives, grep for the rest."""
    archives = sorted(map(str, log_dir.glob("*.zst")))
    plain = sorted(set(map(str, log_dir.glob("*.log*"))) - set(archives))
    counts = 0
    for program, paths in (("zstdgrep", archives), ("grep", plain)):
        shown = subprocess.run(
            [program, "-F", "-h", needle, *paths],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        counts += len(shown.stdout.splitlines())
    return counts


def timed(work: Callable[..., int], *arguments: object) -> tuple[float, int]:
    began = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - began, result


def tell(text: str) -> None:
    if sys.stderr.isatty() or not text:
        sys.stderr.write(f"\r{text:<40}")


if __name__ == "__main__":
    if shutil.which("zstdgrep") is None:
        sys.exit("needs zstdgrep: apt-get install zstd")
    sys.exit(main())
