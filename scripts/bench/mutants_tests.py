"""Runs the tests of a package on a copy of the sources, changed or not."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

import pytest
from mutants_places import Mutant
from mutants_programs import ROOT, SIMULATION, pytest_on, simulation_on

NAME = "shoonya_platform"
SOURCES = ROOT / "src" / NAME

#: A package's own tests first, then what it promises to the others.
TESTS = {
    "domain": ("tests/unit/domain", "tests/contract/test_order_store.py"),
    "risk": ("tests/unit/risk",),
    "store": (
        "tests/unit/store",
        "tests/contract/test_order_store.py",
        "tests/integration/test_sqlite_store.py",
        "tests/integration/test_query_plans.py",
        "tests/migration",
    ),
    "execution": ("tests/unit/execution", "tests/simulation/test_known_failures.py"),
    "brokers": (
        "tests/unit/brokers",
        "tests/contract/test_broker.py",
        "tests/integration/brokers",
    ),
}

#: pytest itself, loading and collecting, on a busy machine.
START_SECONDS = 60.0
#: What is run before the first test; no test, but all that use the module depend on it.
IMPORTS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    seconds: float
    lines: dict[str, set[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the tests made of a change; `by` names the one that noticed it."""

    is_detected: bool
    by: str
    tests: int
    seconds: float


@dataclass(slots=True)
class Bench:
    """Copies of the sources, one for each job."""

    folder: Path
    jobs: int
    histories: int = 0  #: simulated where no test has noticed a change
    _simulation_seconds: float = 0.0
    _copies: SimpleQueue[Path] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for number in range(self.jobs):
            copy = self.folder / f"copy-{number}"
            shutil.copytree(SOURCES, copy / NAME)
            self._copies.put(copy)

    def trace(self, path: str) -> dict[str, Ran]:
        """Run tests on an unchanged copy; return what each of them ran."""
        with self._copy() as copy:
            target = copy / "trace.json"
            env = {"MUTANTS_TRACE": str(target), "MUTANTS_COPY": str(copy / NAME)}
            # Tracing makes a test several times slower.
            done = pytest_on(copy, [path], env, limit=3600, test_seconds=600)
            if done.code != 0:
                sys.exit(
                    f"mutants: '{path}' fails on the unchanged sources:\n{done.output}"
                )
            return {
                test: Ran(
                    seconds=ran["seconds"],
                    lines={name: set(lines) for name, lines in ran["lines"].items()},
                )
                for test, ran in json.loads(target.read_text()).items()
            }

    def simulate(self) -> None:
        """Simulate on an unchanged copy; the time it takes limits the later ones."""
        if not SIMULATION.exists():
            self.histories = 0
        if self.histories:
            with self._copy() as copy:
                done = simulation_on(copy, self.histories, limit=3600)
            if done.code != 0:
                sys.exit(f"mutants: the simulation fails unchanged:\n{done.output}")
            self._simulation_seconds = START_SECONDS + 5 * done.seconds

    def judge(self, mutant: Mutant, tests: dict[str, Ran], seconds: float) -> Outcome:
        """
        Run those tests that run the place, the fastest first, on a changed copy.

        Then the simulation, if none of them has noticed.
        """
        chosen = _chosen(mutant, tests, seconds)
        with self._changed(mutant) as copy:
            outcome = self._tested(copy, chosen, sum(tests[t].seconds for t in chosen))
            if outcome.is_detected or not self.histories:
                return outcome
            done = simulation_on(copy, self.histories, limit=self._simulation_seconds)
        if done.code == 0:
            return outcome
        return replace(outcome, is_detected=True, by="the simulation")

    def _tested(self, copy: Path, chosen: list[str], seconds: float) -> Outcome:
        if not chosen:
            return Outcome(
                is_detected=False, by="no test runs it", tests=0, seconds=0.0
            )
        only = copy / "only.json"
        only.write_text(json.dumps(chosen))
        files = sorted({test.split("::", 1)[0] for test in chosen})
        limit = START_SECONDS + 5 * seconds
        done = pytest_on(copy, files, {"MUTANTS_ONLY": str(only)}, limit=limit)
        if done.code == pytest.ExitCode.NO_TESTS_COLLECTED:
            # The change renamed them: parameters are named after values.
            done = pytest_on(copy, files, {}, limit=limit)
        return Outcome(
            is_detected=done.code != 0,
            by=done.noticed_by if done.code != 0 else "none of its tests fails",
            tests=len(chosen),
            seconds=done.seconds,
        )

    def replay(self, mutant: Mutant) -> int:
        """Run all tests of the package on a changed copy, and show what they print."""
        with self._changed(mutant) as copy:
            done = pytest_on(copy, tests_of(mutant.package), {}, limit=3600)
        print(done.output)
        return done.code

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[Path]:
        with self._copy() as copy:
            path = copy / NAME / mutant.module
            original = path.read_text()
            path.write_text(mutant.source)
            # A file of the same length in the same second looks unchanged.
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                compiled.unlink()
            try:
                yield copy
            finally:
                path.write_text(original)

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        copy = self._copies.get()
        try:
            yield copy
        finally:
            self._copies.put(copy)


def tests_of(package: str) -> list[str]:
    return [p for p in TESTS[package] if (ROOT / p).exists()]


def _chosen(mutant: Mutant, tests: dict[str, Ran], seconds: float) -> list[str]:
    lines = set(range(mutant.line, mutant.last_line + 1))

    def runs(test: str) -> bool:
        return bool(lines & tests[test].lines.get(mutant.module, set()))

    is_at_import = mutant.is_at_import or runs(IMPORTS)
    running = [
        test
        for test in tests
        if test != IMPORTS
        and (runs(test) or (is_at_import and mutant.module in tests[test].lines))
    ]
    chosen, total = [], 0.0
    for test in sorted(running, key=lambda test: tests[test].seconds):
        total += tests[test].seconds
        if total > seconds:
            break
        chosen.append(test)
    return chosen
