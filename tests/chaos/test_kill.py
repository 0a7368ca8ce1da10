"""Any of the eight is killed at random moments while alerts flow in."""

import os
import sys
from pathlib import Path

import pytest

from tests.chaos.chaos import cause, new_seed
from tests.chaos.worlds import noren_world, paper_world

#: The long form is scripts/bench/chaos.
PAIRS = 180
SEED = int(os.environ.get("CHAOS_SEED", "0")) or new_seed()


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("world", [paper_world, noren_world])
def test_no_order_is_lost_and_none_reaches_the_broker_twice(world, tmp_path: Path):
    sys.stderr.write(f"\nthe same alerts and chances: CHAOS_SEED={SEED}\n")
    with world(tmp_path, SEED) as there:
        run = cause(there, SEED, PAIRS)
    sys.stderr.write(f"{run}\n")
    assert run.verdict.is_good, str(run.verdict)
    assert run.verdict.orders >= 3.5 * PAIRS
    assert sum(run.kills.values()) > 3
