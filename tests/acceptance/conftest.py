from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.platform import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Eight running services, shared by the module's tests."""
    with Platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """Services of the test's own, not started yet."""
    platform = Platform(tmp_path)
    yield platform
    platform.stop()
