"""
Runs histories of the platform in simulated time, and judges how each ends.

The real services run over a simulated broker, network and machine; a seed decides
everything that happens, so a history that fails can be read with --replay.  Exit code 1
if a promise is broken.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.simulation.faults import Fault  # noqa: E402 the path comes first
from tests.simulation.mutations import MUTATIONS  # noqa: E402
from tests.simulation.run import Options, run  # noqa: E402

#: Seeds printed for each reason.
SHOWN = 8
#: Without a terminal, a line of progress after so many seeds.
PROGRESS_SEEDS = 500

Outcome = tuple[int, list[tuple[str, str]], dict[str, int], float, int]


def one(seed: int, allowed: tuple[Fault, ...]) -> Outcome:
    """Run a history in a process of the pool."""
    result = run(seed, Options(allowed=allowed))
    return (
        seed,
        [(failure.reason, failure.text) for failure in result.failures],
        {str(kind): count for kind, count in result.faults.items()},
        result.seconds,
        result.orders,
    )


def replay(seed: int, allowed: tuple[Fault, ...]) -> bool:
    """Print a history; return whether all holds at its end."""
    result = run(seed, Options(allowed=allowed))
    for line in result.trace.text():
        print(line)
    for failure in result.failures:
        print(f"BROKEN {failure}")
    print(f"history {result.trace.digest()}, {result.orders} orders at the broker")
    return not result.failures


def many(seeds: range, allowed: tuple[Fault, ...], jobs: int) -> bool:
    """Run histories and print what they found; return whether all is well."""
    began = time.monotonic()
    faults: Counter[str] = Counter()
    reasons: dict[str, list[tuple[int, str]]] = defaultdict(list)
    failed: set[int] = set()
    simulated, orders = 0.0, 0
    with ProcessPoolExecutor(jobs) as pool:
        tasks = (pool.submit(one, seed, allowed) for seed in seeds)
        for number, task in enumerate(list(tasks), start=1):
            seed, found, counts, seconds, placed = task.result()
            faults.update(counts)
            simulated += seconds
            orders += placed
            for reason, text in found:
                failed.add(seed)
                reasons[reason].append((seed, text))
                print(f"\nseed {seed}: {reason}", file=sys.stderr)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{number} of {len(seeds)} seeds")
            elif number % PROGRESS_SEEDS == 0:
                print(f"{number} of {len(seeds)} seeds", file=sys.stderr)
    took = time.monotonic() - began
    print(f"{'seeds':44} {len(seeds)}")
    print(f"{'seeds a second':44} {len(seeds) / took:.1f} ({jobs} processes)")
    print(f"{'hours simulated':44} {simulated / 3600:.1f}")
    print(f"{'orders at the broker':44} {orders}")
    print(f"{'faults injected':44} {sum(faults.values())}")
    for kind, count in sorted(faults.items()):
        print(f"  {kind:42} {count}")
    print(f"{'seeds that failed':44} {len(failed)}")
    for reason, found in sorted(reasons.items(), key=lambda item: -len(item[1])):
        with_it = sorted({seed for seed, _ in found})
        print(f"BROKEN {reason}: {len(with_it)} seeds, {with_it[:SHOWN]}")
        print(f"       for example {found[0][0]}: {found[0][1]}")
    return not failed


def find(index: int) -> tuple[int | None, str, float]:
    """Look for a mutation; return after how many seeds it was found, and by what."""
    mutation = MUTATIONS[index]
    options = mutation.options
    began = time.monotonic()
    with mutation.apply():
        for seed in range(mutation.seeds):
            failures = run(seed, options).failures
            if failures:
                return seed + 1, failures[0].reason, time.monotonic() - began
    return None, "", time.monotonic() - began


def table(jobs: int, text: str) -> bool:
    """Print what finds each mutation; return whether all were found."""
    is_good = True
    wanted = [i for i, each in enumerate(MUTATIONS) if text in each.name]
    print(f"{'mutation':66} {'seeds':>8}  found by")
    with ProcessPoolExecutor(jobs) as pool:
        tasks = [pool.submit(find, index) for index in wanted]
        for index, task in zip(wanted, tasks, strict=True):
            mutation = MUTATIONS[index]
            seeds, reason, _ = task.result()
            is_good = is_good and seeds is not None
            found = f"{seeds or 'NOT'}/{mutation.seeds}"
            print(f"{mutation.name:66} {found:>8}  {reason}", flush=True)
    return is_good


def kinds(text: str) -> tuple[Fault, ...]:
    """Read a list of faults; one may be the beginning of several names."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if not any(kind.startswith(name) for kind in Fault):
            raise argparse.ArgumentTypeError(f"no fault begins with '{name}'")
    return tuple(kind for kind in Fault if any(kind.startswith(n) for n in names))


def span(text: str) -> range:
    """Read `A:B`, without B itself."""
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last)):
        raise argparse.ArgumentTypeError(
            f"expected two seeds, the first the smaller, such as 0:200; was '{text}'"
        )
    return range(int(first), int(last))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=span, default=range(200), metavar="A:B")
    parser.add_argument("--faults", type=kinds, help="only these, by commas")
    parser.add_argument("--without", type=kinds, default=(), help="not these")
    parser.add_argument("--replay", type=int, metavar="SEED", help="print a history")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="print the kinds of faults")
    parser.add_argument(
        "--mutations",
        nargs="?",
        const="",
        metavar="TEXT",
        help="look for deliberate defects, those whose names have TEXT",
    )
    asked = parser.parse_args()
    if asked.mutations is not None:
        sys.exit(not table(asked.jobs, asked.mutations))
    if asked.list:
        print("\n".join(Fault))
        return
    chosen = tuple(Fault) if asked.faults is None else asked.faults
    allowed = tuple(kind for kind in chosen if kind not in asked.without)
    if asked.replay is not None:
        is_good = replay(asked.replay, allowed)
    else:
        is_good = many(asked.seeds, allowed, asked.jobs)
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
