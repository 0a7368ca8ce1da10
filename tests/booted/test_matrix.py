"""
Each of the eight dies in one of four ways; the other seven do not notice.

All ways for all eight are in scripts/bench/deaths.
"""

import pytest

from shoonya_platform.config.settings import COMPONENTS
from tests.booted.matrix import FAULTS, arena, broker_down

#: Each way for two of the eight.
PAIRS = [
    pytest.param(fault, name, id=f"{fault}-{name}")
    for fault, name in zip(2 * list(FAULTS), COMPONENTS, strict=True)
]


@pytest.fixture(scope="class")
def fighting(platform):
    platform.begin_anew()
    with arena(platform):
        yield platform
    platform.machine.run("rm", "-rf", "/var/lib/shoonya/crashes")


class TestInTheArena:
    @pytest.mark.parametrize(("fault", "name"), PAIRS)
    def test_one_dies_and_seven_go_on(self, fighting, fault, name):
        FAULTS[fault](fighting, name)

        fighting.wait_until_ready()


@pytest.mark.usefixtures("running")
def test_broker_that_is_down_is_waited_for_and_costs_no_restart(platform):

    waiting = broker_down(platform, 4.0)

    assert waiting
    assert not waiting & {"risk_manager", "execution_guard", "dashboard"}
