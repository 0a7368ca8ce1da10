"""
Sends webhooks at a steady rate while execution_service is restarted and killed.

In a booted machine of its own, with the platform installed as documented.  Ends with
1 if an alert was refused, or one that got its 202 is not in the store.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.booted.conftest import CHECKOUT, WHEELHOUSE, wheelhouse  # noqa: E402
from tests.booted.load import sending, stored  # noqa: E402 the path comes first
from tests.booted.machine import booted, why_not  # noqa: E402
from tests.booted.platform import Platform, unit  # noqa: E402

NAME = "execution_service"
#: After this TradingView no longer waits.
SENDER_WAITS_SECONDS = 3.0


def deeds(restarts: int, kills: int) -> list[str]:
    """Spread the kills over the restarts."""
    every = (restarts + kills) / kills if kills else restarts + 1.0
    at = {round(every * (number + 1)) for number in range(kills)}
    return [
        "kill" if number in at else "restart"
        for number in range(1, restarts + kills + 1)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="webhooks")
    parser.add_argument("--rate", type=float, default=20.0, help="of them a second")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    if (reason := why_not()) is not None:
        sys.exit(f"webhooks: no machine can be booted here: {reason}")
    plan = deeds(options.restarts, options.kills)
    binds = {CHECKOUT: ROOT, WHEELHOUSE: wheelhouse()}
    with booted("webhooks", binds) as machine:
        platform = Platform(machine)
        platform.install()
        began = time.monotonic()
        with sending(platform, count=options.count, rate=options.rate) as result:
            pause = options.count / options.rate / (len(plan) + 1)
            for number, deed in enumerate(plan, start=1):
                time.sleep(max(0.0, began + number * pause - time.monotonic()))
                if deed == "restart":
                    machine.run("systemctl", "restart", unit(NAME))
                else:
                    platform.wait_for_replacement(NAME, platform.kill(NAME))
            ended = result.result()
        took = time.monotonic() - began
        kept = stored(platform)
    accepted = [each for each in ended if each.is_accepted]
    others = Counter(each.how.split("(")[0] for each in ended if not each.is_accepted)
    lost = [each.how for each in accepted if each.how not in kept]
    seconds = sorted(each.seconds for each in accepted)
    print(
        f"{len(ended)} webhooks in {took:.0f} s, {options.rate:.0f} a second; "
        f"{plan.count('restart')} restarts, {plan.count('kill')} kills"
    )
    print(f"{'answered 202':24} {len(accepted):6}")
    print(f"{'of these in the store':24} {len(accepted) - len(lost):6}")
    print(f"{'refused':24} {others.pop('refused', 0):6}")
    for how, count in others.most_common():
        print(f"{how:24} {count:6}")
    for name, share in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
        at = min(len(seconds) - 1, int(share * len(seconds)))
        print(f"{f'answer, {name}':24} {seconds[at] * 1000:6.0f} ms")
    late = sum(each > SENDER_WAITS_SECONDS for each in seconds)
    print(f"{f'later than {SENDER_WAITS_SECONDS:.0f} s':24} {late:6}")
    refused = sum(each.how == "refused" for each in ended)
    return 1 if lost or refused else 0


if __name__ == "__main__":
    sys.exit(main())
