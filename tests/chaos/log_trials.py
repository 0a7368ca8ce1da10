"""The storms: small ones are tests, large ones `scripts/bench/log-kills`."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from shoonya_platform.logging import setup_application_logging, shutdown_logging
from shoonya_platform.logging.sizes import parse_size, size_text
from tests.chaos.log_storm import Outcome, Plan, Storm
from tests.chaos.log_verdict import Verdict, judge, judge_directory
from tests.chaos.log_witness import Sight, Witness

K = 1 << 10


@dataclass(frozen=True)
class Trial:
    """One storm, and what it is called."""

    name: str
    plan: Plan


@dataclass(frozen=True)
class Figures:
    """What came of one."""

    trial: Trial
    outcome: Outcome
    sight: Sight
    verdict: Verdict

    @property
    def over_budget(self) -> bool:
        """Whether the directory was ever larger than it may be."""
        budget = self.trial.plan.budget
        return budget is not None and self.sight.largest_bytes > parse_size(budget)

    @property
    def bad(self) -> bool:
        """Whether there is a defect."""
        found = self.verdict
        return bool(
            found.lost
            or found.doubled
            or found.glued
            or found.torn > self.outcome.killed.total()
            or found.strange
            or self.over_budget
        )

    def text(self) -> str:
        """Return all figures for people."""
        found, plan = self.verdict, self.trial.plan
        killed = ", ".join(f"{n} {what}" for what, n in self.outcome.killed.items())
        lines = [
            f"{self.trial.name}: {found.acknowledged} acknowledged in "
            f"{self.outcome.seconds:.1f} s, {found.files} files, "
            f"killed: {killed or 'none'}",
            f"  lost {found.lost}, doubled {found.doubled}, glued {found.glued}, "
            f"torn and not acknowledged {found.torn}, wrong {len(found.strange)}",
            f"  largest {size_text(self.sight.largest_bytes)} "
            f"of {plan.budget or 'no budget'} in {self.sight.samples} looks",
        ]
        return "\n".join([*lines, *(f"  {what}" for what in found.strange[:20])])


def pool(place: Path, seed: int, records: int, *, kills: int) -> Trial:
    """Eight processes that write one file, rotated at least thirty times."""
    return Trial(
        f"eight writers of {records} records, {kills} kills",
        Plan(
            directory=place,
            seed=seed,
            components=("order_watcher",) * 8,
            records=records,
            kills=kills,
            # Each writer is killed several times before it is done.
            lifetime_records=(records // 100, records // 6),
            max_bytes=records * 25,
            backup_count=1000,
            long_records=200,
        ),
    )


def killed_in_rotation(place: Path, seed: int, kills: int) -> Trial:
    """Kills while most of the time is spent in rotation, and under a tight budget."""
    return Trial(
        f"{kills} kills within a budget",
        Plan(
            directory=place,
            seed=seed,
            components=("order_watcher", "order_watcher", "dashboard"),
            records=None,
            kills=kills,
            rotation_share=0.2,
            max_bytes=20 * K,
            backup_count=1000,
            budget="9M",
            long_records=50,
        ),
    )


def torn(place: Path, seed: int, kills: int) -> Trial:
    """Records so long that a kill now and then cuts one off, and others follow it."""
    return Trial(
        f"{kills} kills in records of up to 900 kB",
        Plan(
            directory=place,
            seed=seed,
            components=("order_watcher",) * 4,
            records=None,
            kills=kills,
            lifetime_seconds=(0.02, 0.1),
            max_bytes=50 * K * K,
            backup_count=100,
            long_records=3,
            long_bytes=(100_000, 900_000),
        ),
    )


def disturbed(
    place: Path, seed: int, records: int, what: str, disturb: Callable[[], None]
) -> Trial:
    """Two processes whose file somebody else takes away, moves or cuts off."""
    return Trial(
        f"two writers of {records} records, {what}",
        Plan(
            directory=place,
            seed=seed,
            components=("order_watcher",) * 2,
            records=records,
            kills=0,
            lifetime_seconds=(0.0, 0.0),
            max_bytes=0,
            backup_count=0,
            long_records=100,
            disturb=disturb,
            disturbances=15,
        ),
    )


def run(trial: Trial) -> Figures:
    """Carry it out, start once more in good order, and judge."""
    directory = trial.plan.directory
    witness = Witness(directory, directory.with_name(f"{directory.name}.seen"))
    plan = trial.plan
    if (disturb := plan.disturb) is not None:

        def look_first(disturb: Callable[[], None] = disturb) -> None:
            witness.look()
            disturb()

        plan = replace(plan, disturb=look_first)
    try:
        outcome = Storm(plan).run()
    finally:
        sight = witness.stop()
    for component in sorted(set(trial.plan.components)):
        live = directory / f"{component}.log"
        if live.exists() and live.stat().st_uid == os.geteuid():
            # That such a file keeps a service from starting is tested elsewhere.
            live.chmod(0o640)
        setup_application_logging(
            directory,
            component=component,
            max_bytes=trial.plan.max_bytes,
            backup_count=trial.plan.backup_count,
            budget=trial.plan.budget,
            compress=False,
            journal=False,
            console=False,
        )
        shutdown_logging()
    verdict = judge(outcome, sight)
    judge_directory(directory, sight, verdict)
    return Figures(trial, outcome, sight, verdict)
