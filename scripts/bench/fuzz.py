"""
Posts anything to the webhook and holds each answer against the store.

No 5xx, no crash, no row without a cause; what is accepted then goes through
trading_bot, risk_manager and execution_guard.  The first broken promise ends it, with
the body that broke it.  Then schemathesis asks running services what their OpenAPI
document allows, and more.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Verbosity, given, seed, settings

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.described import described  # noqa: E402 the path comes first

from tests.fuzz.bodies import TOGETHER, bodies, content_types  # noqa: E402
from tests.fuzz.door import Door  # noqa: E402 the path comes first

#: Bodies for one store: then it is worked off, and a new one begins.
A_STORE = 1000 * TOGETHER


def fuzz(number: int, count: int) -> dict[int, int]:
    """Post bodies to a new store; return how often each status was the answer."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        door = Door(Path(folder))

        @seed(number)
        @settings(
            max_examples=-(-count // TOGETHER),
            deadline=None,
            database=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(bodies, content_types)
        def post(together: list[bytes], content_type: str) -> None:
            for body in together:
                door.post(body, content_type)

        try:
            post()
            door.work()
        finally:
            door.close()
        return door.answers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, help="repeats the bodies of a run")
    parser.add_argument(
        "--examples",
        type=int,
        default=1000,
        help="of schemathesis, for each operation; 0 leaves it out",
    )
    asked = parser.parse_args()
    begin = asked.seed or random.SystemRandom().randrange(1, 10**6)
    print(f"repeat with: scripts/bench/fuzz --bodies {asked.bodies} --seed {begin}")
    logging.disable()
    began = time.monotonic()
    answers: dict[int, int] = {}
    number = begin
    while (left := asked.bodies - sum(answers.values())) > 0:
        for status, count in fuzz(number, min(left, A_STORE)).items():
            answers[status] = answers.get(status, 0) + count
        number += 1
        sys.stderr.write(f"{sum(answers.values())} of {asked.bodies} bodies\n")
    print(f"{sum(answers.values())} bodies in {time.monotonic() - began:.0f} s")
    for status, count in sorted(answers.items()):
        print(f"{status:6} {count:8}")
    if asked.examples and not described(asked.examples, begin):
        sys.exit("schemathesis has found something")


if __name__ == "__main__":
    main()
