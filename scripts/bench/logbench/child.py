"""
One measurement in a process of its own; prints what it found as JSON.

    python -m logbench.child TASK CONTENDER FOLDER [NUMBER...]
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from logbench.contenders import (
    CONTENDERS,
    Contender,
    concurrent,
    ours,
    rotating,
    with_handlers,
)

BURST = 100
#: Between two bursts: journald, or a queue's thread, shall not be what is measured.
PAUSE_SECONDS = 0.003


def calls(contender: Contender, count: int) -> tuple[list[int], list[int]]:
    """
    Return the nanoseconds of each of *count* calls, made in bursts.

    Returns:
        Of the first of each burst, and of all others.
    """
    clock = time.perf_counter_ns
    log = contender.log
    for number in range(BURST):
        log(number)
    contender.settle()
    gc.collect()
    found: list[int] = []
    for burst in range(count // BURST):
        for number in range(burst * BURST, (burst + 1) * BURST):
            began = clock()
            log(number)
            found.append(clock() - began)
        contender.settle()
        time.sleep(PAUSE_SECONDS)
    first = found[::BURST]
    del found[::BURST]
    return first, found


def latency(contender: Contender, count: int, sustained: int) -> object:
    first, others = map(sorted, calls(contender, count))
    took = sorted(first + others)
    began = time.perf_counter()
    for number in range(sustained):
        contender.log(number)
        if not number % BURST:
            contender.keep_pace()
    contender.settle()
    return {
        "mean": sum(took) / len(took) / 1000,
        "first": first[len(first) // 2] / 1000,
        "p50": others[len(others) // 2] / 1000,
        "p99": others[int(len(others) * 0.99)] / 1000,
        "longest": took[-1] / 1000,
        "rate": sustained / (time.perf_counter() - began),
    }


def cpu(contender: Contender, count: int) -> object:
    """Return the CPU seconds of *count* records, all of them delivered."""
    contender.log(0)
    contender.settle()
    began = time.process_time()
    for number in range(count):
        contender.log(number)
        if not number % BURST:
            contender.keep_pace()
    contender.settle()
    return {"seconds": time.process_time() - began}


def worker(contender: Contender, count: int, who: int) -> object:
    """Log *count* records, each with a number of its own, when told to."""
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        contender.log(who * 1_000_000 + number)
    return {}


def longest(contender: Contender, seconds: float) -> object:
    """Log for some time; return the longest call and what of it was waiting for us."""
    contender.log(0)
    contender.settle()
    gc.collect()
    print("ready", flush=True)
    sys.stdin.readline()
    found = {"longest": 0.0, "ours": 0.0, "calls": 0, "idle_gap": 0.0}
    deadline = time.perf_counter() + seconds
    number = 0
    while (now := time.perf_counter()) < deadline:
        # As long as a call, and nothing but looks at the clock: the machine's share.
        while (gap := time.perf_counter() - now) < _CALL_SECONDS:
            pass
        found["idle_gap"] = max(found["idle_gap"], gap)
        queued, began = _queued_ns(), time.perf_counter_ns()
        contender.log(number)
        took = time.perf_counter_ns() - began
        queued = _queued_ns() - queued
        found["longest"] = max(found["longest"], took / 1e6)
        found["ours"] = max(found["ours"], (took - queued) / 1e6)
        number += 1
        if not number % 10:
            time.sleep(0.001)
    found["calls"] = number
    found["idle_gap"] *= 1000
    return found


def obedient(contender: Contender) -> object:
    """Log in a thread until SIGTERM, which the main thread waits for."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())

    def work() -> None:
        while not stopping.wait(0.001):
            for number in range(10):
                contender.log(number)

    contender.log(0)
    contender.settle()
    print("ready", flush=True)
    sys.stdin.readline()
    thread = threading.Thread(target=work)
    thread.start()
    stopping.wait()
    thread.join()
    logging.shutdown()
    return {}


def _queued_ns() -> int:
    """Return how long this thread has been ready to run and had no processor."""
    try:
        return int(_SCHEDULE.read_text().split()[1])
    except OSError:
        return 0


_CALL_SECONDS = 0.00003
_SCHEDULE = Path("/proc/thread-self/schedstat")


def several(name: str, folder: Path) -> Contender:
    """Return a contender for one small file of many processes."""
    limits = {"max_bytes": 500_000, "backup_count": 900}
    if name.startswith("ours"):
        return ours(folder, journal=False, **limits)
    handler = concurrent if name.startswith("concurrent") else rotating
    return with_handlers(handler(folder, **limits))


def compressing(name: str, folder: Path) -> Contender:
    """Return a contender that also compresses, if it is ours."""
    if name.startswith("ours"):
        return ours(folder, journal=False, compress=True)
    return CONTENDERS[name](folder)


def main() -> None:
    task, name, place, *numbers = sys.argv[1:]
    folder = Path(place)
    makers: dict[str, Callable[[str, Path], Contender]] = {
        "worker": several,
        "rotation": compressing,
    }
    make = makers.get(task, lambda name, folder: CONTENDERS[name](folder))
    contender = make(name, folder)
    tasks: dict[str, Callable[..., object]] = {
        "latency": latency,
        "cpu": cpu,
        "worker": worker,
        "longest": longest,
        "obedient": obedient,
        "rotation": longest,
    }
    print(json.dumps(tasks[task](contender, *map(int, numbers))), flush=True)
    # The rest is told already; an exit handler must not wait for a stopped journald.
    os._exit(0)


if __name__ == "__main__":
    main()
