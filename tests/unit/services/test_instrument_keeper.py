"""The thread that loads the lists: what it reports, and how often it tries."""

import logging
from datetime import UTC, datetime

import pytest

from shoonya_platform.config.loader import Config
from shoonya_platform.config.secrets import Secrets
from shoonya_platform.config.settings import Settings
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.instruments.file import InstrumentsUnavailable
from shoonya_platform.instruments.rows import MasterState
from shoonya_platform.logging import get_component_logger
from shoonya_platform.services.instrument_keeper import OLD_SECONDS, InstrumentKeeper

NFO, MCX = Exchange.NFO, Exchange.MCX
LOADED = datetime(2026, 11, 24, 2, 31, tzinfo=UTC)


class Masters:
    """Two lists; each answer serves until it is changed."""

    def __init__(self, clock):
        self.clock = clock
        self.loaded: list[Exchange] = []
        self.problems: dict[Exchange, str] = {}
        self.done: set[Exchange] = set()
        self.has_old = True

    def due(self):
        return [each for each in (NFO, MCX) if each not in self.done]

    def load(self, exchange):
        self.loaded.append(exchange)
        problem = self.problems.get(exchange, "")
        if problem == "locked":
            raise InstrumentsUnavailable("the file is locked")
        if not problem:
            self.done.add(exchange)
        now = self.clock.now()
        loaded_at = (LOADED if self.has_old else None) if problem else now
        if problem.startswith("the list is old"):
            loaded_at = now
        return MasterState(
            exchange=exchange,
            loaded_at=loaded_at,
            rows=5,
            tried_at=now,
            problem=problem,
        )


@pytest.fixture
def masters(clock):
    return Masters(clock)


@pytest.fixture
def keeper(clock, tmp_path):
    config = Config(Settings(), Secrets(tmp_path, {}), {}, None)
    return InstrumentKeeper(config, clock, get_component_logger("recovery_service"))


@pytest.fixture
def events(caplog):
    caplog.set_level(logging.INFO, "RECOVERY_SERVICE")

    def call():
        found = [(record.event, record.levelname) for record in caplog.records]
        caplog.clear()
        return found

    return call


def test_what_is_due_is_loaded_and_logged(keeper, masters, events):
    keeper.look(masters)
    keeper.look(masters)

    assert masters.loaded == [NFO, MCX]
    assert events() == [("instruments_loaded", "INFO")] * 2


def test_failure_is_an_error_once_and_tried_again_ever_later(
    keeper, masters, events, clock
):
    masters.problems[NFO] = "HTTP 502"
    tries = []
    for second in range(1800):
        before = len(masters.loaded)
        keeper.look(masters)
        if NFO in masters.loaded[before:]:
            tries.append(second)
        clock.advance(1)

    assert tries == [0, 60, 180, 480, 1080, 1680]
    assert events() == [("instruments_old", "ERROR"), ("instruments_loaded", "INFO")]


def test_without_any_list_it_says_that_entries_are_denied(keeper, masters, events):
    masters.has_old = False
    masters.problems = {NFO: "HTTP 502", MCX: "locked"}

    keeper.look(masters)

    assert events() == [("instruments_unavailable", "ERROR")] * 2


def test_list_that_comes_after_all_is_logged_and_the_next_failure_again(
    keeper, masters, events, clock
):
    masters.problems[NFO] = "HTTP 502"
    keeper.look(masters)
    masters.problems.clear()
    clock.advance(60)
    keeper.look(masters)
    assert [level for _, level in events()] == ["ERROR", "INFO", "INFO"]

    masters.done.clear()
    masters.problems[NFO] = "HTTP 502"
    keeper.look(masters)

    assert ("instruments_old", "ERROR") in events()


def test_old_list_that_is_used_is_not_loaded_every_minute(keeper, masters, clock):
    masters.problems[NFO] = "the list is old: it was made on 2026-11-01"
    keeper.look(masters)
    clock.advance(OLD_SECONDS - 1)
    keeper.look(masters)
    assert masters.loaded.count(NFO) == 1

    clock.advance(1)
    keeper.look(masters)

    assert masters.loaded.count(NFO) == 2


def test_paper_broker_has_nothing_to_load(keeper):
    keeper.start()
    keeper.stop()

    assert keeper._thread is None
