"""A store, its news, and people who are told over real sockets."""

import threading
from collections.abc import Iterator
from datetime import time

import pytest

from shoonya_platform.logging import get_component_logger
from shoonya_platform.notify.herald import Herald, HeraldRules
from shoonya_platform.notify.news import Kind, NewsReader
from shoonya_platform.testing.receiver import Receiver


class Mailbox:
    """A target in this process; while `is_open` is not set, it takes nothing."""

    name = "mailbox"

    def __init__(self) -> None:
        self.is_open = True
        self.tries = 0
        self.titles: list[str] = []
        self.bodies: list[str] = []

    def send(self, title: str, body: str) -> bool:
        self.tries += 1
        if self.is_open:
            self.titles.append(title)
            self.bodies.append(body)
        return self.is_open


RULES = HeraldRules(
    kinds=list(Kind), interval_seconds=5.0, most_lines=15, repeat_seconds=300.0
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def reader(store, clock) -> NewsReader:
    return NewsReader(store, clock, title="Shoonya", daily_at=time(15, 45))


@pytest.fixture
def open_herald(reader, clock, tmp_path, mailbox):
    """Make a herald that has not told anything yet, and waits for no retry."""

    def make(*, rules=RULES, targets=None, reader=reader):
        stopping = threading.Event()
        herald = Herald(
            reader,
            [mailbox] if targets is None else targets,
            rules,
            clock,
            title="Shoonya",
            place=tmp_path / "notify" / "cursor.json",
            stopping=stopping,
            logger=get_component_logger("recovery_service"),
        )
        stopping.wait = lambda timeout=None: False  # type: ignore[method-assign]
        return herald

    return make


@pytest.fixture
def herald(open_herald):
    opened = open_herald()
    opened.step()
    return opened
