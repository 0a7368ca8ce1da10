"""Every kind of fault happens, and can be switched off."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.faults import RATES, Fault
from tests.simulation.run import Options, run

#: So many histories of one kind are enough to see it.
SEEDS = 12


@pytest.mark.parametrize("kind", list(Fault))
def test_fault_happens(kind):
    counts: Counter[Fault] = Counter()
    for seed in range(SEEDS):
        counts += run(seed, Options(allowed=(kind,), seconds=120)).faults
        if counts[kind]:
            break

    assert set(counts) == {kind}


def test_nothing_happens_where_nothing_is_allowed():
    result = run(1, Options(allowed=()))

    assert not result.faults
    assert not result.failures
    assert result.orders


def test_every_kind_has_a_rate():
    assert set(RATES) == set(Fault)
