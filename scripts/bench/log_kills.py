"""
Prints what SIGKILL at random moments does to the log files.

Four storms: many processes that write one file, the same with all of them killed
and started again, kills in the middle of long records, and kills inside rotation and
compression under a small budget.  A figure other than 0 under lost, doubled, glued
or wrong is a defect; so is a directory larger than its budget.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.chaos.log_trials import (  # noqa: E402 the path comes first
    Trial,
    killed_in_rotation,
    pool,
    run,
    torn,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3)))
    parser.add_argument("--records", type=int, default=20_000, help="each of 8 writes")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--directory", type=Path, help="on the disk to be tried")
    arguments = parser.parse_args()
    print(f"--seed {arguments.seed}", flush=True)
    bad = False
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        trials: list[Trial] = [
            pool(Path(name, "pool"), arguments.seed, arguments.records, kills=0),
            pool(Path(name, "kills"), arguments.seed, arguments.records, kills=200),
            torn(Path(name, "torn"), arguments.seed, arguments.kills),
            killed_in_rotation(Path(name, "budget"), arguments.seed, arguments.kills),
        ]
        for trial in trials:
            figures = run(trial)
            print(figures.text(), flush=True)
            bad |= figures.bad
    return int(bad)


sys.exit(main())
