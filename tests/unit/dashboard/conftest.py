import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shoonya_platform.assessment.conditions import Rules
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.dashboard.app import create_app
from shoonya_platform.dashboard.broker_login import BrokerAccess
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.logging.usage import disk_use
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import ServiceView, Supervisor
from shoonya_platform.store.base import ServiceBeat
from shoonya_platform.store.sqlite import SqliteOrderStore
from tests.unit.dashboard.ledger import BEGIN, Ledger, StandingClock

with warnings.catch_warnings():
    # It would rather speak through httpx's successor, which nothing else here needs.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: StandingClock) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "orders.db", clock)
    yield ledger
    ledger.close()


@pytest.fixture
def store(tmp_path: Path, clock: StandingClock) -> Iterator[SqliteOrderStore]:
    """What the dashboard itself opens; a test may close it to break it."""
    store = SqliteOrderStore(
        tmp_path / "orders.db", service="dashboard", run_id="run-1", clock=clock
    )
    yield store
    store.close()


@pytest.fixture
def views() -> list[ServiceView]:
    """How the services are said to be; a test may change it."""
    return [
        ServiceView(
            service=name,
            state=ServiceStatus.RUNNING,
            pid=4000 + number,
            since=BEGIN,
            restarts=0,
            text=f"{name} works",
            cause="",
            memory_bytes=15 << 20,
            supervisor=Supervisor.MANAGER,
        )
        for number, name in enumerate(COMPONENTS)
    ]


@pytest.fixture
def rung() -> list[str]:
    """Whose doorbells were rung."""
    return []


@pytest.fixture
def open_client(
    tmp_path: Path,
    store: SqliteOrderStore,
    clock: StandingClock,
    views: list[ServiceView],
    rung: list[str],
) -> Iterator[Callable[..., TestClient]]:
    with ThreadPoolExecutor(1) as executor:

        def read_services(beats: Sequence[ServiceBeat]) -> list[ServiceView]:
            return views

        def open_client(
            *,
            listens_on: str = "127.0.0.1",
            asked_as: str = "127.0.0.1:8000",
            broker: str = "paper",
            is_simulated: bool = False,
            market_hours: str = "round_the_clock",
            entries_wait: bool = False,
            journal: bool = False,
            password_hash: str | None = None,
            names: Sequence[str] = (),
            broker_access: BrokerAccess | None = None,
        ) -> TestClient:
            sources = Sources(
                store,
                read_services,
                clock,
                executor=executor,
                log_dir=tmp_path,
                state_dir=tmp_path,
                journal=lambda: journal,
                disk_use=lambda: disk_use(tmp_path),
                broker=broker,
                is_simulated=is_simulated,
                market_hours=market_hours,
                rules=Rules(entries_wait=entries_wait),
            )
            dashboard = create_app(
                sources,
                clock,
                host=listens_on,
                names=names,
                run_id="run-1",
                ring=lambda *services: rung.extend(services),
                password_hash=password_hash,
                broker_access=broker_access,
            )
            return TestClient(
                dashboard.app,
                base_url=f"http://{asked_as}",
                raise_server_exceptions=False,
            )

        yield open_client


@pytest.fixture
def client(open_client: Callable[..., TestClient]) -> TestClient:
    return open_client()
