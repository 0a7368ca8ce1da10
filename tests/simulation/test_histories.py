"""One seed is one history: repeatable to the byte, in any process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.simulation.run import run

ROOT = Path(__file__).resolve().parents[2]
#: Of histories with deaths, a power cut, a copy put back and spoiled answers.
SEEDS = (3, 17, 36)

_PRINT_DIGESTS = (
    "from tests.simulation.run import run;"
    f"print([run(seed).trace.digest() for seed in {SEEDS}])"
)


def test_a_seed_is_the_same_history_in_every_process():
    here = [run(seed).trace.digest() for seed in SEEDS]

    for hash_seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-c", _PRINT_DIGESTS],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert printed.strip() == str(here)


def test_another_seed_is_another_history():
    assert len({run(seed).trace.digest() for seed in SEEDS}) == len(SEEDS)
