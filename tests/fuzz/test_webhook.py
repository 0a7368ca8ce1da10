"""Whatever is posted: no 5xx, no crash, no row without a cause."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.bodies import bodies, content_types
from tests.fuzz.door import Door

#: Seven bodies each; the long form is scripts/bench/fuzz.
EXAMPLES = 400


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    opened = Door(Path(tmp_path_factory.mktemp("door")))
    yield opened
    opened.close()


@settings(
    max_examples=EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(bodies, content_types)
def test_whatever_is_posted_is_stored_or_refused_with_its_reason(
    door: Door, together: list[bytes], content_type: str
):
    for body in together:
        door.post(body, content_type)


def test_what_was_accepted_stops_no_service_behind(door: Door):
    door.work()
