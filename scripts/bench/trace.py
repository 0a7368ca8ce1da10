"""
One order out of a full set of log files, beside what one would do by hand.

Fills a directory as eight busy services would, lets the library rotate and compress
it, and looks for single orders in all of it: with `shoonyactl trace`, with zstdgrep
and grep over the same files, and with journalctl in a journal that holds slices of
the same records.  All ways have to find the same ones.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import journaled
from history import fill_with
from looking import forget, ways
from retention import Order, fill, kept, lines, order

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.logging.archives import archive_all
from shoonya_platform.logging.frames import read_table

COLUMNS = (
    "trace",
    "cold",
    "of no time",
    "zstdgrep, grep",
    "journalctl -g",
    "journalctl FIELD=",
)
SLICES = 20
#: The promise.
LIMIT_SECONDS = 1.0
MOST_INDEX = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=50, help="a file's size")
    parser.add_argument("--backups", type=int, default=10, help="of each component")
    parser.add_argument("--orders", type=int, default=5, help="to look for")
    parser.add_argument("--records", type=int, default=1_000_000, help="of the journal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, help="where the files are left, and taken from again"
    )
    parser.add_argument(
        "--only-fill", action="store_true", help="measure nothing; needs --keep"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trace-bench-", dir="/var/tmp") as folder:
        home = (options.keep or Path(folder)).resolve()
        log_dir = home / "log"
        log_dir.mkdir(parents=True, exist_ok=True)
        fill(log_dir, options.megabytes << 20, options.backups)
        slices = journal(home / "some.journal", kept(log_dir), options.records)
        if options.only_fill:
            return 0
        holds = report(home)
        dice = random.Random(options.seed)  # noqa: S311 - repeats its choice
        wanted = [dice.choice(part) for part in dice.sample(slices, options.orders)]
        holds = compare(home, wanted) and holds
        mend(home, order(wanted[0]), options.megabytes << 20, options.backups)
        return 0 if holds else 1


def journal(path: Path, orders: range, records: int) -> Sequence[range]:
    """Have slices of the set in a journal, from its oldest to its newest part."""
    each = sum(1 for _ in lines(orders[-1]))
    length = min(records // each, len(orders)) // SLICES
    step = (len(orders) - length) // (SLICES - 1)
    slices = [orders[k * step :][:length] for k in range(SLICES)]
    count_path = path.with_suffix(".count")
    if not count_path.exists():
        for left in path.parent.glob(f"{path.stem}*.journal"):
            left.unlink()
        count_path.write_text(str(journaled.write(path, slices)))
    return slices


def report(home: Path) -> bool:
    """Say what there is; return whether the index is as small as promised."""
    text = table = disk = plain = 0
    for path in (home / "log").glob("*.log*"):
        size = path.stat().st_size
        disk += size
        if path.suffix != ".zst":
            plain += size
            continue
        with path.open("rb") as file:
            frames = read_table(file.fileno())
        if frames is None:
            sys.exit(f"'{path}' has no table")
        text += sum(frame.size for frame in frames)
        table += size - sum(frame.packed_bytes for frame in frames)
    count = int((home / "some.count").read_text())
    size = sum(path.stat().st_size for path in home.glob("some*.journal"))
    print(
        f"{(text + plain) / 1e6:.0f} MB of text, {plain / 1e6:.0f} MB of it plain, in "
        f"{disk / 1e6:.0f} MB on disk;\nthe index is {table / 1e6:.1f} MB, "
        f"{100 * table / (text + plain):.2f} % of the text;\n"
        f"the journal holds {count} of its records in {size / 1e6:.0f} MB"
    )
    return table <= MOST_INDEX * text


def compare(home: Path, numbers: Sequence[int]) -> bool:
    """Print what each way takes; return whether `trace` is as quick as promised."""
    (home / "shoonya.toml").write_text(
        "[paths]\n"
        f'state_dir = "{home}/state"\nlog_dir = "{home}/log"\nruntime_dir = "{home}"\n'
    )
    shutil.rmtree(home / "state", ignore_errors=True)
    fill_with(home / "state" / "orders.db", map(_values, map(order, numbers)))
    print(f"\n{'order':>9} {'lines':>5} ", *(f"{name:>17}" for name in COLUMNS))
    times: dict[str, list[float]] = {name: [] for name in COLUMNS}
    processor: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for number in numbers:
        each = order(number)
        # Whoever looks first is the one who finds nothing in memory.
        expected = sum(each.alert_id in line for _, line in lines(number))
        forget(home / "log")
        tried = ways(home, each)
        for name, way in {"cold": tried["trace"], **tried}.items():
            began, worked = time.perf_counter(), processor_seconds()
            hits = way()
            times[name].append(time.perf_counter() - began)
            processor[name].append(processor_seconds() - worked)
            if hits != expected:
                sys.exit(f"order {number}: {name} found {hits} lines of {expected}")
        row = (f"{times[name][-1]:>16.3f}s" for name in COLUMNS)
        print(f"{number:>9} {expected:>5} ", *row)
    for title, found in (("median", times), ("processor", processor)):
        medians = (f"{statistics.median(found[name]):>16.3f}s" for name in COLUMNS)
        print(f"{title:>9} {'':>5} ", *medians)
    print()
    slowest = max(*times["trace"], *times["cold"])
    verdict = "as promised" if slowest <= LIMIT_SECONDS else "NOT as promised"
    print(f"the slowest trace took {slowest:.2f} s, {verdict}")
    return slowest <= LIMIT_SECONDS


def _values(each: Order) -> dict[str, object]:
    at = each.at.astimezone(UTC).isoformat(timespec="microseconds")
    return {**{name: getattr(each, name) for name in Order.__slots__}, "at": at}


def processor_seconds() -> float:
    """Return what we and those we waited for have had of the processor."""
    return sum(os.times()[:4])


def mend(home: Path, this: Order, max_bytes: int, backups: int) -> None:
    """Take an archive's table away; print what a trace takes, and a new table."""
    path = home / "log" / f"{COMPONENTS[0]}.log.2.zst"
    with path.open("rb") as file:
        table = read_table(file.fileno())
    if table is None:
        raise SystemExit(f"'{path}' has no table")
    path.chmod(0o640)
    os.truncate(path, sum(frame.packed_bytes for frame in table))
    began = time.perf_counter()
    ways(home, this)["trace"]()
    traced = time.perf_counter()
    done = archive_all(str(home / "log"), max_bytes, backups, COMPONENTS)
    print(
        f"without the table of one archive it takes {traced - began:.2f} s; "
        f"{done} was made anew in {time.perf_counter() - traced:.2f} s"
    )


if __name__ == "__main__":
    for program in ("zstdgrep", "journalctl"):
        if shutil.which(program) is None:
            sys.exit(f"needs {program}: apt-get install zstd systemd")
    if not journaled.REMOTE.exists():
        sys.exit(f"needs {journaled.REMOTE}: apt-get install systemd-journal-remote")
    sys.exit(main())
