"""shoonyactl in process, over a store and log files of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shoonya_platform.ctl import context
from shoonya_platform.ctl.main import main
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import FakeClock


@dataclass(frozen=True)
class Result:
    """What a call of shoonyactl did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


Ctl = Callable[..., Result]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The directory that the configuration of the calls points into."""
    for name in ("state", "run", "logs", "credentials"):
        (tmp_path / name).mkdir()
    config = tmp_path / "shoonya.toml"
    config.write_text(
        f"""
[paths]
state_dir = "{tmp_path}/state"
runtime_dir = "{tmp_path}/run"
log_dir = "{tmp_path}/logs"
credentials_dir = "{tmp_path}/credentials"
"""
    )
    monkeypatch.setenv("SHOONYA_CONFIG", str(config))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ctl(home: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Call shoonyactl as a shell does, at the store's time; return how it ended."""
    monkeypatch.setattr(context, "SystemClock", lambda: clock)

    def call(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["shoonyactl", *arguments])
        code: object = 0
        with CliRunner().isolation(input=stdin) as (out, err, _):
            try:
                main()
            except SystemExit as e:
                code = e.code
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            result = Result(
                code=code if isinstance(code, int) else 0 if code is None else 1,
                out=out.getvalue().decode(),
                err=err.getvalue().decode(),
            )
        assert "Traceback" not in result.err
        return result

    return call


@pytest.fixture
def bound_ctl(home: Path) -> Ctl:
    """Call shoonyactl in a process of its own, in which modes hold even for root."""

    def call(*arguments: str) -> Result:
        program = "from shoonya_platform.ctl.main import main; main()"
        without = "-dac_override,-dac_read_search"
        bound = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]
        done = subprocess.run(
            [
                *(bound if os.geteuid() == 0 else []),
                *(sys.executable, "-c", program, *arguments),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def store(home, clock) -> Iterator[SqliteOrderStore]:
    """The store that the calls find."""
    opened = SqliteOrderStore(
        home / "state" / "orders.db", service="tests", run_id="run-1", clock=clock
    )
    yield opened
    opened.close()
