"""Some hundred histories with all faults; the benchmark runs thousands."""

from __future__ import annotations

import sys
import time

import pytest

from tests.simulation.run import run

#: In so many tests, so that they spread over the machine's processors.
TESTS = 10
SEEDS = 20


@pytest.mark.parametrize("number", range(TESTS))
def test_histories_end_well(number, record_property, capsys):
    began = time.monotonic()
    seeds = range(number * SEEDS, (number + 1) * SEEDS)
    results = [run(seed) for seed in seeds]

    faults = sum(result.faults.total() for result in results)
    hours = sum(result.seconds for result in results) / 3600
    record_property("seeds", len(results))
    with capsys.disabled():
        sys.stdout.write(
            f"\nseeds {seeds.start} to {seeds.stop - 1}: {len(results)} histories, "
            f"{hours:.1f} simulated hours, {faults} faults, "
            f"{time.monotonic() - began:.0f} s\n"
        )
    failed = {
        result.seed: [str(failure) for failure in result.failures]
        for result in results
        if result.failures
    }
    assert not failed
