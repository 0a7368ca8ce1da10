"""What the workers of the order path are built from."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.brokers import RecordingBroker


class Rings(list[str]):
    """Stands for the doorbells: remembers who was rung."""

    def __call__(self, *services: str) -> None:
        self.extend(services)


class WatchedStore(SqliteOrderStore):
    """Remembers which of its transactions waited for the disk."""

    waited_for_disk: list[bool]

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        with super().transaction(durable=durable):
            yield
        self.waited_for_disk.append(durable)


@pytest.fixture
def watched_store(tmp_path, clock):
    """The store once more, for what has to be durable."""
    opened = WatchedStore(
        tmp_path / "orders.db",
        service="tests",
        run_id="watched",
        clock=clock,
        busy_timeout_seconds=0.01,
    )
    opened.waited_for_disk = []
    yield opened
    opened.close()


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture
def broker(clock) -> RecordingBroker:
    return RecordingBroker(clock)
