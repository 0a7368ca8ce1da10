"""
Changes one random place of the order path at a time, and runs the tests that run it.

A comparison, an `and`, `or` or `not`, or a deleted call in domain, execution, risk,
store and brokers.  First the unchanged sources have to pass; that run records which
test runs which line.  Works on copies.  The same seed and the same sources give the
same changes, and an edit elsewhere replaces only the changes of what it edits.
Exit code 1 if fewer than --at-least percent are detected.

mutants_known.toml lists changes that no test can detect, each with its reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutants_places import PACKAGES, Mutant, mutants_of
from mutants_tests import IMPORTS, SOURCES, Bench, Outcome, Ran, tests_of

KNOWN = Path(__file__).with_name("mutants_known.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A reviewed change; `is_equivalent` if the behaviour is the same with it."""

    module: str
    before: str
    after: str
    reason: str
    is_equivalent: bool

    def matches(self, mutant: Mutant) -> bool:
        return (self.module, self.before, self.after) == (
            mutant.module,
            mutant.before,
            mutant.after,
        )


def read_known() -> list[Known]:
    tables = tomllib.loads(KNOWN.read_text())
    return [
        Known(**entry, is_equivalent=kind == "equivalent")
        for kind in ("equivalent", "accepted")
        for entry in tables.get(kind, [])
    ]


def reason_for(mutant: Mutant, known: Iterable[Known]) -> Known | None:
    return next((entry for entry in known if entry.matches(mutant)), None)


def sampled(mutants: Iterable[Mutant], seed: int, count: int) -> list[Mutant]:
    """Return the same mutants again, also when others come and go."""

    def rank(mutant: Mutant) -> str:
        return hashlib.sha256(f"{seed} {mutant.key}".encode()).hexdigest()

    chosen = sorted(mutants, key=rank)[:count]
    return sorted(chosen, key=lambda m: (PACKAGES.index(m.package), m.module, m.line))


def traced(bench: Bench, packages: Sequence[str]) -> dict[str, dict[str, Ran]]:
    """Return for each package which lines its tests run."""
    paths = sorted({path for package in packages for path in tests_of(package)})
    with ThreadPoolExecutor(bench.jobs) as pool:
        runs = dict(zip(paths, pool.map(bench.trace, paths), strict=True))
    return {
        package: merged(runs[path] for path in tests_of(package))
        for package in packages
    }


def merged(runs: Iterable[dict[str, Ran]]) -> dict[str, Ran]:
    tests: dict[str, Ran] = {}
    imported: dict[str, set[int]] = {}
    for run in runs:
        tests |= run
        for name, lines in run[IMPORTS].lines.items():
            imported[name] = imported.get(name, set()) | lines
    return tests | {IMPORTS: Ran(seconds=0.0, lines=imported)}


def judged(
    bench: Bench,
    mutants: Sequence[Mutant],
    tests: dict[str, dict[str, Ran]],
    seconds: float,
) -> list[tuple[Mutant, Outcome]]:
    outcomes = []
    with ThreadPoolExecutor(bench.jobs) as pool:
        running = pool.map(
            lambda m: (m, bench.judge(m, tests[m.package], seconds)), mutants
        )
        for mutant, outcome in running:
            outcomes.append((mutant, outcome))
            word = "detected" if outcome.is_detected else "SURVIVED"
            sys.stderr.write(
                f"{len(outcomes):4}/{len(mutants)} {word} {mutant.key} {mutant.place}"
                f" {outcome.seconds:.1f} s: {outcome.by}\n"
            )
    return outcomes


def show(outcomes: Sequence[tuple[Mutant, Outcome]], known: Sequence[Known]) -> None:
    print(f"{'package':12}{'changes':>9}{'detected':>10}{'share':>8}")
    rows: dict[str, list[Outcome]] = {}
    for mutant, outcome in outcomes:
        rows.setdefault(mutant.package, []).append(outcome)
    for name, found in (*rows.items(), ("all", [o for _, o in outcomes])):
        detected = sum(outcome.is_detected for outcome in found)
        share = f"{100 * detected / len(found):.1f} %" if found else "-"
        print(f"{name:12}{len(found):>9}{detected:>10}{share:>8}")
    for mutant, outcome in outcomes:
        if not outcome.is_detected:
            entry = reason_for(mutant, known)
            why = outcome.by if entry is None else f"accepted: {entry.reason}"
            print(
                f"\n{mutant.key}  {mutant.place}  {mutant.kind}, {outcome.tests} tests"
            )
            print(f"  - {mutant.before}\n  + {mutant.after}\n  {why}")


def document(
    asked: argparse.Namespace,
    outcomes: Sequence[tuple[Mutant, Outcome]],
    known: Sequence[Known],
) -> dict[str, Any]:
    changes = []
    for mutant, outcome in outcomes:
        entry = reason_for(mutant, known)
        changes.append(
            {
                "id": mutant.key,
                "place": mutant.place,
                "kind": mutant.kind,
                "before": mutant.before,
                "after": mutant.after,
                "detected": outcome.is_detected,
                "by": outcome.by,
                "tests": outcome.tests,
                "seconds": round(outcome.seconds, 1),
                "accepted": None if entry is None else entry.reason,
            }
        )
    return {"seed": asked.seed, "packages": asked.package, "changes": changes}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--package", action="append", choices=PACKAGES, help="again for another"
    )
    parser.add_argument("--module", help="only this one, as `domain/terms.py`")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="of tests a change, the fastest first (60)",
    )
    parser.add_argument(
        "--histories",
        type=int,
        default=24,
        help="simulated where no test notices (24; 0 without scripts/bench/simulate)",
    )
    parser.add_argument("--at-least", type=float, default=85.0, metavar="PERCENT")
    parser.add_argument("--list", action="store_true", help="show the changes only")
    parser.add_argument("--replay", metavar="ID", help="one change, with all its tests")
    parser.add_argument("--json", action="store_true", help="the outcomes as JSON")
    asked = parser.parse_args()
    if asked.package is None:
        asked.package = list(PACKAGES)
    return asked


def main() -> int:
    asked = parsed()
    known = read_known()
    everything = [m for name in PACKAGES for m in mutants_of(SOURCES, name)]
    for entry in known:
        if not any(entry.matches(mutant) for mutant in everything):
            sys.exit(
                f"mutants: {KNOWN.name} lists a place that does not exist:"
                f" {entry.module}: {entry.before}"
            )
    wanted = [
        mutant
        for mutant in everything
        if mutant.package in asked.package and asked.module in (None, mutant.module)
    ]
    equivalent = [entry for entry in known if entry.is_equivalent]
    mutants = sampled(
        (m for m in wanted if reason_for(m, equivalent) is None),
        asked.seed,
        asked.count,
    )
    if asked.replay:
        mutants = [mutant for mutant in everything if mutant.key == asked.replay]
        if not mutants:
            sys.exit(f"mutants: no place has the id '{asked.replay}'; see --list")
    if asked.list or asked.replay:
        for mutant in mutants:
            print(f"{mutant.key}  {mutant.place}  {mutant.kind}")
            print(f"  - {mutant.before}\n  + {mutant.after}")
        if asked.list:
            return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-", dir="/var/tmp") as folder:
        jobs = 1 if asked.replay else asked.jobs
        bench = Bench(Path(folder), jobs, asked.histories)
        if asked.replay:
            return 0 if bench.replay(mutants[0]) else 1
        packages = [
            name for name in PACKAGES if any(m.package == name for m in mutants)
        ]
        bench.simulate()
        outcomes = judged(bench, mutants, traced(bench, packages), asked.seconds)
    detected = sum(outcome.is_detected for _, outcome in outcomes)
    if asked.json:
        print(json.dumps(document(asked, outcomes, known), indent=2))
    else:
        show(outcomes, known)
        print(
            f"\nseed {asked.seed}, {len(mutants)} of {len(wanted)} changes,"
            f" {len(equivalent)} known to change nothing left out,"
            f" {time.monotonic() - began:.0f} s"
        )
    return 0 if 100 * detected >= asked.at_least * len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
