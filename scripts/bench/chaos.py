"""
Sends orders through the eight services while they are killed, and judges the end.

Noren's simulator accepts and does not answer, answers 502, loses and doubles
reports, and ends the session; any service is killed about twice a second; journald is
restarted where it runs.  On demand requests also arrive late, long after they were
given up, or twice.  At the end the broker's own records are counted.  Exit code 1 if a
promise is broken; the directory with logs, store and settings is kept then.

A seed repeats the alerts and what chance draws for kills and faults.  It does not
repeat the run: real processes decide which request and which moment they strike.
Histories that repeat to the byte are those of scripts/bench/simulate.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.chaos.chaos import Run, cause, new_seed  # noqa: E402 the path comes first
from tests.chaos.worlds import (  # noqa: E402
    DUPLICATE_PERCENT,
    FAULTS,
    LATE_PERCENT,
    Delivery,
    World,
    noren_world,
    paper_world,
)

WORLDS: dict[str, Callable[[Path, int, Delivery], AbstractContextManager[World]]] = {
    "noren": noren_world,
    "paper": paper_world,
}
#: Of each pair of alerts, as a rule: two legs in, two legs out.
ORDERS_A_PAIR = 4


class Progress:
    """A line that moves on a terminal, and a line now and then elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __call__(self) -> None:
        self._done += 1
        text = f"{self._done} of {self._total} alerts accepted"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text}")
        elif self._done % max(1, self._total // 20) == 0:
            sys.stderr.write(f"{text}\n")

    def end(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\n")


def show(run: Run, seed: int, broker: str, delivery: Delivery) -> None:
    verdict = run.verdict
    kills = sum(run.kills.values())
    late = LATE_PERCENT if delivery.late_seconds else 0
    doubled = DUPLICATE_PERCENT if delivery.duplicates else 0
    rows: list[tuple[str, object]] = [
        ("seed", seed),
        ("seconds until the last alert had ended", f"{run.seconds:.0f}"),
        ("alerts accepted", run.alerts),
        ("orders", verdict.orders),
        *((f"  {status}", count) for status, count in sorted(verdict.statuses.items())),
        ("orders at the broker", verdict.at_broker),
        ("kills", f"{kills}, {kills / run.seconds:.1f} a second"),
        *((f"  {service}", count) for service, count in sorted(run.kills.items())),
        *(
            (f"{kind} of requests on {on}", f"{percent} %")
            for kind, on, percent in FAULTS
            if broker == "noren"
        ),
        (f"up to {delivery.late_seconds:g} s late, of orders", f"{late:g} %"),
        ("doubled, of orders", f"{doubled:g} %"),
        ("legs that the broker filled", run.count.legs),
        ("  beyond what was asked", run.count.overfilled),
        ("  units beyond it", run.count.excess),
        ("  units the platform closed by itself", run.count.closed),
        ("sessions ended", run.expiries),
        (f"journal restarted ({run.journal})", run.journal_restarts),
        *((promise, len(found)) for promise, found in verdict.broken.items()),
    ]
    for name, value in rows:
        print(f"{name:44} {value}")
    for promise, found in verdict.broken.items():
        for sentence in found[:10]:
            print(f"BROKEN {promise}: {sentence}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=5000)
    parser.add_argument(
        "--seed", type=int, help="draw the alerts and the chances of an earlier run"
    )
    parser.add_argument("--broker", choices=WORLDS, default="noren")
    parser.add_argument(
        "--late",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help=f"let {LATE_PERCENT:g} %% of the orders arrive up to so much later",
    )
    parser.add_argument(
        "--duplicates",
        action="store_true",
        help=f"let {DUPLICATE_PERCENT:g} %% of the orders arrive twice",
    )
    parser.add_argument("--keep", action="store_true", help="keep the directory anyway")
    asked = parser.parse_args()
    seed = new_seed() if asked.seed is None else asked.seed
    delivery = Delivery(asked.late, asked.duplicates)
    if delivery.repeats and asked.broker == "paper":
        parser.error(
            "--late and --duplicates need --broker noren: paper has no network"
        )
    again = f"--orders {asked.orders} --seed {seed} --broker {asked.broker}"
    again += f" --late {asked.late:g}" if asked.late else ""
    again += " --duplicates" if asked.duplicates else ""
    print(f"the same alerts and chances: scripts/bench/chaos {again}")
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/var/tmp"))
    # Some pairs make fewer orders: an early exit finds nothing to exit.
    pairs = -(-asked.orders * 107 // (100 * ORDERS_A_PAIR))
    progress = Progress(2 * pairs)
    is_good = False
    try:
        with WORLDS[asked.broker](folder, seed, delivery) as world:
            run = cause(world, seed, pairs, progress)
        progress.end()
        show(run, seed, asked.broker, delivery)
        is_good = run.verdict.is_good
    finally:
        if is_good and not asked.keep:
            shutil.rmtree(folder)
        else:
            print(f"everything is kept in {folder}")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
