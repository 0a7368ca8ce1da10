"""Many processes, one file: how fast, and what of it is on the disk afterwards."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from logbench.running import folder, found, let_go, start, wait_until_ready
from logbench.table import show

PROCESSES = 8
RECORDS = 20_000
NAMES = ("ours, file only", "concurrent-log-handler", "RotatingFileHandler")

_WHOLE = re.compile(
    rb"\d{4}-\d\d-\d\d [\d:.,]+ \| INFO     \| RISK_MANAGER         \| Order (\d+) "
    rb"risk passed: exposure 45 < 60 \| order_id=(\d+) event=risk_passed"
    rb"(?: run=\w+ seq=\d+)?\n"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    rate: float
    lost: int
    doubled: int
    torn: int
    rotations: int


def one_file() -> dict[str, Outcome]:
    """Print and return what became of 160,000 records of eight processes."""
    outcomes = {name: _run(name) for name in NAMES}
    show(
        f"{PROCESSES} processes × {RECORDS} records into one file of at most 500 kB",
        ("", "records/s", "lost", "doubled", "torn", "rotations"),
        [
            (
                name,
                f"{each.rate:.0f}",
                *map(str, (each.lost, each.doubled, each.torn, each.rotations)),
            )
            for name, each in outcomes.items()
        ],
    )
    return outcomes


def _run(name: str) -> Outcome:
    with folder() as place:
        writers = [
            start("worker", name, place, RECORDS, who) for who in range(PROCESSES)
        ]
        for writer in writers:
            wait_until_ready(writer)
        began = time.perf_counter()
        for writer in writers:
            let_go(writer)
        for writer in writers:
            found(writer)
        rate = PROCESSES * RECORDS / (time.perf_counter() - began)
        return _counted(place, rate)


def _counted(place: Path, rate: float) -> Outcome:
    expected = {
        who * 1_000_000 + number
        for who in range(PROCESSES)
        for number in range(RECORDS)
    }
    seen: Counter[int] = Counter()
    torn = 0
    files = list(place.glob("risk_manager.log*"))
    for path in files:
        for line in path.read_bytes().splitlines(keepends=True):
            match = _WHOLE.fullmatch(line)
            if match is None or match[1] != match[2]:
                torn += 1
            else:
                seen[int(match[1])] += 1
    return Outcome(
        rate=rate,
        lost=len(expected - seen.keys()),
        doubled=sum(count - 1 for count in seen.values()),
        torn=torn,
        rotations=len(files) - 1,
    )
