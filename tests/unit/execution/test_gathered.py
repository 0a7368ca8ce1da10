"""Many callers, one deed: nobody waits alone, nobody gets another's result."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shoonya_platform.execution.gathered import Gathered


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def doubled(items: Sequence[int]) -> list[int]:
    return [2 * item for item in items]


def test_each_caller_gets_the_result_of_its_own_item(executor):
    async def run():
        double = Gathered(executor, doubled, most=3)
        return await asyncio.gather(*(double(n) for n in range(20)))

    assert asyncio.run(run()) == [2 * n for n in range(20)]


def test_what_arrives_during_a_deed_goes_into_the_next_one_together(executor):
    rounds = []
    begin = threading.Event()

    def deed(items):
        begin.wait(10)
        rounds.append(len(items))
        return items

    async def run():
        gathered = Gathered(executor, deed, most=64)
        first = asyncio.create_task(gathered(0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others = [asyncio.create_task(gathered(n)) for n in range(1, 11)]
        await asyncio.sleep(0)
        begin.set()
        await asyncio.gather(first, *others)

    asyncio.run(run())

    assert rounds == [1, 10]


def test_no_deed_is_larger_than_allowed(executor):
    rounds = []

    def deed(items):
        rounds.append(len(items))
        return items

    async def run():
        gathered = Gathered(executor, deed, most=4)
        await asyncio.gather(*(gathered(n) for n in range(10)))

    asyncio.run(run())

    assert max(rounds) == 4
    assert sum(rounds) == 10


def test_a_failure_reaches_those_of_its_round_and_no_others(executor):
    def deed(items):
        if "bad" in items:
            raise ValueError("bad")
        return items

    async def run():
        gathered = Gathered(executor, deed, most=1)
        return await asyncio.gather(
            gathered("a"), gathered("bad"), gathered("b"), return_exceptions=True
        )

    first, failed, last = asyncio.run(run())

    assert (first, last) == ("a", "b")
    assert isinstance(failed, ValueError)


def test_a_caller_who_hangs_up_costs_the_others_nothing(executor):
    begin = threading.Event()

    def deed(items):
        begin.wait(10)
        return items

    async def run():
        gathered = Gathered(executor, deed, most=64)
        leaver, stayer = (
            asyncio.create_task(gathered(1)),
            asyncio.create_task(gathered(2)),
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.sleep(0)
        begin.set()
        return await stayer

    assert asyncio.run(run()) == 2
