"""What one call costs its caller, and what a record costs the machine."""

from __future__ import annotations

import random
import statistics
from typing import Any

from logbench import journald
from logbench.child import BURST
from logbench.contenders import CONTENDERS
from logbench.running import measured
from logbench.table import show

CALLS = 5000
#: In a round.  On a shared host a process may run half as fast again as the next one.
TURNS = 5
SUSTAINED = 20_000
CPU_RECORDS = 100_000


def latency(rounds: int, seed: random.Random) -> dict[str, dict[str, float]]:
    """Print one line a contender, medians of its turns, and return them."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    missing = {}
    turns = rounds * TURNS
    for _ in range(turns):
        for name in seed.sample(list(CONTENDERS), len(CONTENDERS)):
            if name in missing:
                continue
            try:
                found[name].append(measured("latency", name, CALLS, SUSTAINED))
            except RuntimeError as e:
                missing[name] = str(e)
    medians = {
        name: {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        for name, runs in found.items()
        if name not in missing
    }
    for name, each in medians.items():
        each["longest"] = max(run["longest"] for run in found[name])
    show(
        f"µs in the caller, {CALLS} calls in bursts of {BURST}, medians of {turns} "
        "turns (p50, p99: of all but a burst's first; longest: of all turns)",
        ("", "mean", "first", "p50", "p99", "longest", "records/s"),
        [
            (
                name,
                *(f"{each[key]:.1f}" for key in ("mean", "first", "p50", "p99")),
                f"{each['longest']:.0f}",
                f"{each['rate']:.0f}",
            )
            for name, each in medians.items()
        ],
    )
    for name, why in missing.items():
        print(f"Not measured: {name}: {why}")
    return medians


def cpu(rounds: int) -> dict[str, float]:
    """Print and return processor seconds of producer and journald."""
    names = ("ours, fan-out", "naive fan-out")
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            before = journald.cpu_seconds()
            producer = measured("cpu", name, CPU_RECORDS)["seconds"]
            seconds[name].append((producer, journald.cpu_seconds() - before))
    totals = {
        name: statistics.median(sum(each) for each in runs)
        for name, runs in seconds.items()
    }
    show(
        f"processor seconds for {CPU_RECORDS} records in both copies, "
        f"medians of {rounds} rounds",
        ("", "producer", "journald", "together"),
        [
            (
                name,
                *(
                    f"{statistics.median(each[part] for each in seconds[name]):.2f}"
                    for part in (0, 1)
                ),
                f"{totals[name]:.2f}",
            )
            for name in names
        ],
    )
    return totals
