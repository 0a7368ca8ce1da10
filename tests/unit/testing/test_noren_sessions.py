"""How the simulator's sessions end, and in which words they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import time

import httpx
import pytest

from shoonya_platform.errors import NotAllowed
from shoonya_platform.testing.clock import FakeClock
from shoonya_platform.testing.noren.refusals import TOO_MANY, UNAUTHORIZED
from shoonya_platform.testing.noren.server import NorenSimulator
from tests.contract.noren_world import log_in

Ask = Callable[[str], httpx.Response]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def simulator(clock) -> Iterator[NorenSimulator]:
    with NorenSimulator("oauth", clock=clock) as running:
        yield running


@pytest.fixture
def ask(simulator) -> Ask:
    token = log_in(simulator)
    body = f"jData={json.dumps({'uid': simulator.credentials.user_id})}"

    def call(route: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{simulator.api_url}{route}"
        return httpx.post(url, content=body, headers=headers, timeout=10)

    return call


@pytest.mark.parametrize("words", UNAUTHORIZED)
def test_session_is_refused_in_one_wording_each_time(simulator, ask, words):
    expected = UNAUTHORIZED[words]
    simulator.add_fault("unauthorized", on="any", words=words)

    for _ in range(2):
        answer = ask("Limits")
        assert answer.status_code == expected.status
        if expected.emsg is None:
            assert answer.text == expected.text
        else:
            assert answer.json()["emsg"] == expected.emsg


@pytest.mark.parametrize("words", TOO_MANY)
def test_too_many_requests_are_refused_and_the_session_lives(simulator, ask, words):
    simulator.add_fault("too_many_requests", on="any", words=words)

    answer = ask("Limits")

    assert answer.status_code == TOO_MANY[words].status
    assert answer.status_code in (429, 503, 504)
    assert ask("Limits").json()["stat"] == "Ok"


def test_wordings_without_a_choice_have_their_turns(simulator, ask):
    simulator.add_fault("too_many_requests", count=len(TOO_MANY), on="any")

    statuses = [ask("Limits").status_code for _ in TOO_MANY]

    assert statuses == [wording.status for wording in TOO_MANY.values()]


@pytest.mark.parametrize(
    ("kind", "words"), [("unauthorized", "nonsense"), ("slow", "html")]
)
def test_words_that_a_fault_does_not_have_are_refused(simulator, kind, words):
    with pytest.raises(NotAllowed, match="expected"):
        simulator.add_fault(kind, words=words)


def test_session_ends_at_its_moment_and_not_before(simulator, ask, clock):
    # It is 10:00 in India.
    simulator.expire_session_at(time(10, 1))
    clock.advance(59)
    assert ask("Limits").json()["stat"] == "Ok"

    clock.advance(1)

    assert ask("Limits").status_code == 401


def test_moment_that_has_passed_today_is_tomorrows(simulator, ask, clock):
    url = f"{simulator.url}/_simulator/expire"
    assert httpx.post(url, json={"at": "09:16"}).status_code == 200
    assert ask("Limits").json()["stat"] == "Ok"

    clock.advance(23 * 3600 + 16 * 60)

    assert ask("Limits").status_code == 401
