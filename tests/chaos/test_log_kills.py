"""Short storms over the log files; `scripts/bench/log-kills` has the long ones."""

import os
import random
import sys

import pytest

from tests.chaos.log_trials import killed_in_rotation, pool, run, torn

SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(
    1, 10**6
)

pytestmark = pytest.mark.chaos


def judged(trial):
    # The seed replays the same kills, as nearly as two processors allow.
    sys.stderr.write(f"\nreplay with CHAOS_SEED={SEED}\n")
    figures = run(trial)
    sys.stderr.write(f"{figures.text()}\n")
    assert not figures.bad, figures.text()
    return figures


def test_eight_writers_lose_double_and_tear_nothing(tmp_path):
    figures = judged(pool(tmp_path / "logs", SEED, 2500, kills=0))

    assert figures.verdict.files > 30
    assert figures.verdict.records == figures.verdict.acknowledged == 20_000
    assert not figures.verdict.torn


def test_writers_killed_and_started_again_lose_no_acknowledged_record(tmp_path):
    figures = judged(pool(tmp_path / "logs", SEED, 2500, kills=40))

    assert figures.verdict.files > 30
    assert figures.verdict.acknowledged == 20_000
    assert figures.outcome.killed.total() > 10


def test_record_behind_a_torn_one_stays_readable(tmp_path):
    figures = judged(torn(tmp_path / "logs", SEED, 150))

    assert figures.outcome.killed.total() >= 150


def test_kills_inside_rotation_and_compression_keep_all_within_the_budget(tmp_path):
    figures = judged(killed_in_rotation(tmp_path / "logs", SEED, 150))

    assert figures.outcome.killed["rotating"] > 10
    assert figures.outcome.killed["compressing"] > 0
