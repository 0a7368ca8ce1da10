"""
Prints what the margin check adds to an entry's way to the broker.

Two platforms run side by side on Noren's simulator, one with `guard.margin = "check"`
and one with "off", and entries go to them by turns, so that both find the same machine.
Each request to the simulator takes the round trip that is asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
from pathlib import Path
from platform import python_version

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.orders import SETTINGS, one_by_one, show  # noqa: E402

from shoonya_platform.domain.instruments import Exchange  # noqa: E402
from shoonya_platform.testing.noren.server import NorenSimulator  # noqa: E402
from tests.acceptance.noren import noren_platform  # noqa: E402

#: Entries to one platform, before it is the other one's turn.
TURN = 10


def measured(orders: int, seconds: float) -> dict[str, list[float]]:
    """Return milliseconds until the acknowledgement, with the check and without."""
    symbols = [f"NIFTY28DEC27C{number + 1}" for number in range(TURN)]
    found: dict[str, list[float]] = {"check": [], "off": []}
    with contextlib.ExitStack() as stack:
        platforms = {}
        for name in found:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
            )
            simulator = stack.enter_context(
                NorenSimulator("oauth", listed=[f"NFO:{each}" for each in symbols])
            )
            for each in symbols:
                simulator.set_price(Exchange.NFO, each, "100")
            if seconds:
                simulator.add_fault("slow", count=10**9, seconds=seconds, on="any")
            settings = f'{SETTINGS}[guard]\nmargin = "{name}"\n'
            platforms[name] = stack.enter_context(
                noren_platform(simulator, folder, settings)
            )
            # The first order learns about its instrument.
            one_by_one(platforms[name], TURN)
        for turn in range(orders // TURN):
            for name, platform in platforms.items():
                accepted, _ = one_by_one(platform, TURN, strategy=f"turn-{turn}")
                found[name] += accepted
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument(
        "--round-trips",
        type=float,
        nargs="*",
        default=[0.0, 0.05],
        help="seconds that each request takes beside what the simulator needs",
    )
    asked = parser.parse_args()
    print(
        f"{asked.orders} entries each, one by one, {os.cpu_count()} cores, "
        f"Python {python_version()}; milliseconds from webhook to acknowledgement"
    )
    print(f"{'':34} {'p50':>9} {'p99':>9} {'max':>9}")
    for seconds in asked.round_trips:
        found = measured(asked.orders, seconds)
        trip = f"round trip {seconds * 1000:.0f} ms"
        show(f"{trip}, without the check", found["off"])
        show(f"{trip}, with it", found["check"])
        added = statistics.median(found["check"]) - statistics.median(found["off"])
        print(f"the check adds {added:.1f} ms (p50)")


if __name__ == "__main__":
    main()
