"""Each test begins and ends with no logging set up."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoonya_platform.logging import shutdown_logging
from tests.unit.logging.support import FakeJournald


@pytest.fixture(autouse=True)
def _no_set_up() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    shutdown_logging()
    root.setLevel(level)


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[FakeJournald]:
    fake = FakeJournald(tmp_path / "journal.socket")
    yield fake
    fake.stop()
