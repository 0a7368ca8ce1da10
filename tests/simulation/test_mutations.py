"""Defects that few histories find; `simulate --mutations` looks for all of them."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import run

#: The others take too long for a test.
FEW = 20


@pytest.mark.parametrize(
    "mutation",
    [each for each in MUTATIONS if each.seeds <= FEW],
    ids=lambda mutation: mutation.name.replace(" ", "-"),
)
def test_defect_is_found(mutation):
    options = mutation.options
    with mutation.apply():
        found = next(
            (seed for seed in range(mutation.seeds) if run(seed, options).failures),
            None,
        )

    assert found is not None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_defect_takes_out_something_that_is_there(mutation):
    with mutation.apply():
        pass


def test_names_are_unique():
    names = [mutation.name for mutation in MUTATIONS]

    assert len(set(names)) == len(names)
