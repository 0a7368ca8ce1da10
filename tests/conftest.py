"""What holds for every test: no setting of the developer's shell reaches it."""

import os
import signal
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.clock import FakeClock

for name in list(os.environ):
    if name.startswith("SHOONYA_") or name in (
        "COLUMNS",
        "CREDENTIALS_DIRECTORY",
        "JOURNAL_STREAM",
        "LINES",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ):
        del os.environ[name]

# A background job of a script has these ignored, and so would all that it starts.
# Tests of that case set it themselves.
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Python 3.13 warns of a database that is not closed; so do older ones here.
if sys.version_info < (3, 13):

    class _Connection(sqlite3.Connection):
        is_open = False

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.is_open = True

        def close(self) -> None:
            super().close()
            self.is_open = False

        def __del__(self) -> None:
            if self.is_open:
                warnings.warn(f"unclosed database in {self}", ResourceWarning, 1, self)

    # Overloaded, which no partial is.
    sqlite3.connect = partial(  # type: ignore[assignment]
        sqlite3.connect, factory=_Connection
    )

# Programs that scripts/test fetches for this clone alone.
os.environ["PATH"] += f":{Path(__file__).parents[1] / '.venv' / 'tools'}"

# How long an example took, or took to make, says something of the machine only.
settings.register_profile(
    "shoonya", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shoonya")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="a skipped test is a failed one (scripts/test: a group must have run)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", {}).get("workerid")
    if worker is not None:
        # A socket's path holds at most 107 characters: no room for "popen-gw0".
        config.option.basetemp = Path(config.option.basetemp).with_name(worker)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One sentence, not a failure each, where a chosen test's program is missing."""
    marks = [mark for item in items for mark in item.iter_markers("needs")]
    missing = sorted({name for m in marks for name in m.args if which(name) is None})
    if missing:
        raise pytest.UsageError(
            f"these tests call programs that are missing here, {', '.join(missing)}: "
            "run 'scripts/test unit', which installs them"
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    # An expected failure (xfail) is reported as a skip too, and is none.
    if (
        report.skipped
        and item.config.getoption("--no-skips")
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        reason = report.longrepr[2] if report.longrepr else ""
        report.longrepr = f"{item.nodeid} could not run: {reason}"
    return report


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path, clock) -> Iterator[SqliteOrderStore]:
    """A store of its own file, as a service named `tests` sees it."""
    opened = SqliteOrderStore(
        tmp_path / "orders.db", service="tests", run_id="run-1", clock=clock
    )
    yield opened
    opened.close()
