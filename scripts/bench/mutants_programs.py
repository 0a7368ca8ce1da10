"""The programs that judge a copy of the sources: pytest, and the simulation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIMULATION = ROOT / "scripts" / "bench" / "simulate.py"

#: Only these: Playwright's and others take most of a second to load.
PLUGINS = ("pytest_timeout", "_hypothesis_pytestplugin", "mutants_plugin")
#: One test that takes this long with a change in it hangs.
TEST_SECONDS = 60
#: Enough for every test; a change that gathers without end reaches it.
MEMORY_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    code: int
    output: str
    seconds: float

    @property
    def noticed_by(self) -> str:
        for line in self.output.splitlines():
            if line.startswith(("FAILED ", "ERROR ")):
                return line.split(" ", 1)[1].split(" - ", 1)[0]
        return "it hangs" if self.code < 0 else f"it ends with {self.code}"


def pytest_on(
    copy: Path,
    tests: Sequence[str],
    extra: dict[str, str],
    *,
    limit: float,
    test_seconds: int = TEST_SECONDS,
) -> Done:
    """Run tests until the first fails, for `limit` seconds at most."""
    arguments = [
        *("-m", "pytest", "-x", "-q", "--no-header", "--tb=short"),
        *(f"-p{name}" for name in PLUGINS),
        *("-p", "no:cacheprovider", f"--timeout={test_seconds}"),
        *("--hypothesis-seed=0", f"--basetemp={copy / 'tmp'}", *tests),
    ]
    return _run(copy, arguments, extra, limit)


def simulation_on(copy: Path, histories: int, *, limit: float) -> Done:
    """Simulate the histories of the first seeds, for `limit` seconds at most."""
    seeds = ("--seeds", f"0:{histories}", "--jobs", "1")
    return _run(copy, [str(SIMULATION), *seeds], {}, limit)


def _run(
    copy: Path, arguments: Sequence[str], extra: dict[str, str], limit: float
) -> Done:
    env = {
        **os.environ,
        **extra,
        "PYTHONPATH": f"{copy}:{Path(__file__).parent}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    began = time.monotonic()
    process = subprocess.Popen(
        [
            *("nice", "-n", "5", "prlimit", f"--as={MEMORY_BYTES}"),
            *(sys.executable, *arguments),
        ],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except BaseException as e:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        if not isinstance(e, subprocess.TimeoutExpired):
            raise
    seconds = time.monotonic() - began
    return Done(code=process.returncode, output=output, seconds=seconds)
