"""One run: alerts flow, processes die, the broker fails, and everything is counted."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.testing.waiting import eventually
from tests.chaos.count import Count, count
from tests.chaos.killing import Trouble
from tests.chaos.traffic import PATIENCE_SECONDS, Traffic
from tests.chaos.verdict import Verdict, judge
from tests.chaos.worlds import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened."""

    verdict: Verdict
    count: Count
    alerts: int
    kills: Counter[str]
    expiries: int
    journal: str
    journal_restarts: int
    seconds: float  #: until the last alert had ended


def new_seed() -> int:
    return random.SystemRandom().randrange(1, 10**6)


def cause(
    world: World, seed: int, pairs: int, on_answer: Callable[[], None] = lambda: None
) -> Run:
    """
    Make a run and judge it.

    Args:
        pairs: An entry of two orders and its exit of two others, each.

        on_answer: Called for each alert that was accepted.
    """
    began = time.monotonic()
    traffic = Traffic(world.platform, seed, pairs, on_answer)
    with Trouble(world, seed) as trouble:
        traffic.send()
    world.deliver_all()
    _settle(world)
    seconds = time.monotonic() - began
    counted = _count(world, traffic)
    return Run(
        verdict=judge(world, traffic, counted),
        count=counted,
        alerts=len(traffic.all()),
        kills=trouble.kills,
        expiries=trouble.expiries,
        journal=trouble.journal.kind,
        journal_restarts=trouble.journal.restarts,
        seconds=seconds,
    )


def _settle(world: World) -> None:
    """Wait until every alert is at an end, with all services alive again."""
    platform = world.platform
    eventually(platform.is_ready, 60, message=f"eight services: {platform.tail()}")
    store = platform.store()

    def all_ended() -> bool:
        return not any(
            store.alerts.in_status(status, limit=1)
            for status in (AlertStatus.RECEIVED, AlertStatus.PLANNED)
        )

    try:
        eventually(
            all_ended,
            PATIENCE_SECONDS,
            message=f"all alerts at an end\n{platform.tail()}",
        )
    except AssertionError:
        # The verdict says which; it tells more than that time is over.
        pass
    finally:
        store.close()


def _count(world: World, traffic: Traffic) -> Count:
    """Count at the broker, once what was filled too much had time to be closed."""
    store = world.platform.store()
    counted = [count(world, store, traffic)]

    def is_exact() -> bool:
        counted[0] = count(world, store, traffic)
        return not counted[0].wrong

    try:
        eventually(is_exact, PATIENCE_SECONDS, interval_seconds=1.0)
    except AssertionError:
        # The verdict says what is wrong.
        pass
    finally:
        store.close()
    return counted[0]
