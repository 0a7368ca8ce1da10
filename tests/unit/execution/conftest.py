"""What the workers of the order path are built from."""

import pytest

from shoonya_platform.testing.brokers import RecordingBroker


class Rings(list[str]):
    """Stands for the doorbells: remembers who was rung."""

    def __call__(self, *services: str) -> None:
        self.extend(services)


@pytest.fixture
def rings() -> Rings:
    return Rings()


@pytest.fixture
def broker(clock) -> RecordingBroker:
    return RecordingBroker(clock)
