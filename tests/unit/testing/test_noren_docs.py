"""docs/noren.md says what the simulator and the adapter have."""

from pathlib import Path

import pytest

from shoonya_platform.testing.noren.account import AccountRules
from shoonya_platform.testing.noren.faults import FaultKind

DOCS = (Path(__file__).parents[3] / "docs" / "noren.md").read_text()


@pytest.mark.parametrize("fault", FaultKind)
def test_each_fault_is_described(fault):
    assert f"| `{fault}` |" in DOCS


@pytest.mark.parametrize("rule", AccountRules.__slots__)
def test_each_rule_is_named(rule):
    assert f"`{rule}`" in DOCS
