"""
Lets each of the eight services die in each way, and prints what followed.

In a booted machine of its own, with the platform installed as documented.  A row is
there only if all held: the cause is named, the service came to the state promised, the
other seven kept their processes and restart counters.  Ends with 1 if one did not.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from shoonya_platform.config.settings import COMPONENTS  # noqa: E402
from tests.booted.conftest import CHECKOUT, WHEELHOUSE, wheelhouse  # noqa: E402
from tests.booted.machine import booted, why_not  # noqa: E402 the path comes first
from tests.booted.matrix import (  # noqa: E402
    FAULTS,
    arena,
    broker_down,
    store_locked,
)
from tests.booted.platform import Platform  # noqa: E402

DOWN_SECONDS = 8.0


def main() -> int:
    if (reason := why_not()) is not None:
        sys.exit(f"deaths: no machine can be booted here: {reason}")
    failed = 0
    with booted("deaths", {CHECKOUT: ROOT, WHEELHOUSE: wheelhouse()}) as machine:
        platform = Platform(machine)
        platform.install()
        print("| service | what befell it | came to | after s | as `why` names it |")
        print("|---|---|---|---|---|")
        with arena(platform):
            for name in COMPONENTS:
                for fault, befall in FAULTS.items():
                    try:
                        seen = befall(platform, name)
                    except AssertionError as e:
                        failed += 1
                        print(f"| {name} | {fault} | **failed** | | {e} |", flush=True)
                    else:
                        print(
                            f"| {name} | {seen.fault} | {seen.state} "
                            f"| {seen.seconds:.1f} | {seen.cause} |",
                            flush=True,
                        )
                    platform.wait_until_ready()
        for fault, befall_all in (
            ("broker is down", broker_down),
            ("store is locked", store_locked),
        ):
            try:
                waiting = befall_all(platform, DOWN_SECONDS)
            except AssertionError as e:
                failed += 1
                print(f"| all | {fault} | **failed** | | {e} |")
            else:
                said = ", ".join(name for name in COMPONENTS if name in waiting)
                print(f"| all | {fault} | running | 0.0 | waiting: {said} |")
        print()
        script = "/srv/shoonya/scripts/bench/restarts"
        print(machine.run(script, timeout_seconds=120).stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
