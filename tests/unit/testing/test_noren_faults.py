"""Faults strike as often as they were ordered to, by count or by chance."""

import pytest

from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.noren.faults import ORDERING, FaultKind, Faults


def strikes(faults: Faults, requests: int) -> list[bool]:
    return [faults.take(ORDERING, "PlaceOrder") is not None for _ in range(requests)]


def test_fault_with_a_share_strikes_about_that_often_and_a_seed_repeats_it():
    first, second, other = Faults(7), Faults(7), Faults(8)
    for faults in (first, second, other):
        faults.add("bad_gateway", 10**6, share=0.05)

    struck = strikes(first, 10_000)

    assert 400 < sum(struck) < 600
    assert struck == strikes(second, 10_000)
    assert struck != strikes(other, 10_000)


def test_fault_with_a_share_lets_others_have_their_turn():
    faults = Faults()
    faults.add("bad_gateway", 10**6, share=0.01)
    faults.add("lose_request", 1)

    kinds = [fault.kind for _ in range(20) if (fault := faults.take(ORDERING, "x"))]

    assert FaultKind.LOSE_REQUEST in kinds


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_share_that_cannot_be_is_refused(share):
    with pytest.raises(NotAllowed, match="share"):
        Faults().add("bad_gateway", share=share)


def test_forgotten_kind_happens_no_more_and_others_do():
    faults = Faults()
    faults.add("slow", count=9)
    faults.add("bad_gateway", count=9)

    faults.forget([FaultKind.SLOW])

    taken = faults.take(ORDERING, "PlaceOrder")
    assert taken is not None
    assert taken.kind is FaultKind.BAD_GATEWAY
