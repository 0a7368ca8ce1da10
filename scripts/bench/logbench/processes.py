"""Many processes, one file: how fast, and what of it is on the disk afterwards."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from logbench.running import folder, found, let_go, start, wait_until_ready
from logbench.table import show

PROCESSES = 8
RECORDS = 160_000
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


def one_file(rounds: int, seed: random.Random) -> dict[str, Outcome]:
    """Print and return what became of 160,000 records, a part of them each round."""
    each = RECORDS // PROCESSES // rounds
    runs: dict[str, list[Outcome]] = {name: [] for name in NAMES}
    for _ in range(rounds):
        for name in seed.sample(NAMES, len(NAMES)):
            runs[name].append(_run(name, each))
    outcomes = {name: _together(found) for name, found in runs.items()}
    show(
        f"{PROCESSES} processes × {each} records into one file of at most 500 kB, "
        f"{rounds} rounds: medians of records/s, sums of the rest",
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


def _together(runs: list[Outcome]) -> Outcome:
    return Outcome(
        rate=statistics.median(run.rate for run in runs),
        lost=sum(run.lost for run in runs),
        doubled=sum(run.doubled for run in runs),
        torn=sum(run.torn for run in runs),
        rotations=sum(run.rotations for run in runs),
    )


def _run(name: str, records: int) -> Outcome:
    with folder() as place:
        writers = [
            start("worker", name, place, records, who) for who in range(PROCESSES)
        ]
        for writer in writers:
            wait_until_ready(writer)
        began = time.perf_counter()
        for writer in writers:
            let_go(writer)
        for writer in writers:
            found(writer)
        rate = PROCESSES * records / (time.perf_counter() - began)
        return _counted(place, records, rate)


def _counted(place: Path, records: int, rate: float) -> Outcome:
    expected = {
        who * 1_000_000 + number
        for who in range(PROCESSES)
        for number in range(records)
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
