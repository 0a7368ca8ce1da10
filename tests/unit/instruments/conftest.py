"""A server of lists, the file, and what loads it."""

from collections.abc import Iterator

import pytest

from shoonya_platform.domain.data import market_calendar
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.errors import BrokerUnavailable
from shoonya_platform.instruments.file import FILE_NAME, InstrumentFile
from shoonya_platform.instruments.refresh import MasterRefresh
from shoonya_platform.instruments.writer import InstrumentWriter
from tests.masters import LISTS, zipped

URL = "https://api.example/"


class Server:
    """Publishes the lists; an answer of None is a failure."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[Exchange, bytes | None] = {
            exchange: zipped(text) for exchange, text in LISTS.items()
        }

    def download(self, url: str) -> bytes:
        self.asked.append(url)
        name = url.removeprefix(URL).removesuffix("_symbols.txt.zip")
        answer = self.answers[Exchange(name)]
        if answer is None:
            raise BrokerUnavailable("the broker answered HTTP 502")
        return answer


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def writer(tmp_path) -> Iterator[InstrumentWriter]:
    opened = InstrumentWriter(tmp_path / "shoonya" / FILE_NAME)
    yield opened
    opened.close()


@pytest.fixture
def reader(writer) -> Iterator[InstrumentFile]:
    opened = InstrumentFile(writer.path)
    yield opened
    opened.close()


@pytest.fixture
def masters(writer, server, clock):
    return MasterRefresh(
        writer, URL, market_calendar(), clock, download=server.download
    )


@pytest.fixture
def loaded(masters):
    """All lists of the day are in the file."""
    for exchange in Exchange:
        masters.load(exchange)
    return masters
