"""The dashboard's real process, and Debian's Chromium to look at it."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from shoonya_platform.clock import SystemClock
from shoonya_platform.dashboard.passwords import hash_password
from shoonya_platform.testing.waiting import eventually
from tests.unit.dashboard.ledger import Ledger

PASSWORD = "correct horse"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Dashboard:
    """`python -m shoonya_platform.services.dashboard` in a directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        for name in ("state", "run", "log", "credentials"):
            (home / name).mkdir()
        self._config = home / "shoonya.toml"
        self._config.write_text(
            f"""
            [paths]
            state_dir = "{home}/state"
            runtime_dir = "{home}/run"
            log_dir = "{home}/log"
            credentials_dir = "{home}/credentials"
            [dashboard]
            port = {self.port}
            """
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def set_password(self, password: str) -> None:
        """Counts from the next start on."""
        path = self.home / "credentials" / "dashboard_password_hash"
        path.write_text(hash_password(password))

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shoonya_platform.services.dashboard"],
            env={**os.environ, "SHOONYA_CONFIG": str(self._config)},
            stdin=subprocess.DEVNULL,
        )
        eventually(self._is_healthy, message="the dashboard to answer")

    def stop(self) -> int:
        """End it in order; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(15)
        finally:
            self._process.kill()
            self._process.wait()

    def _is_healthy(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"the dashboard exited with {self._process.returncode}")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    # Not tmp_path: a socket's path holds at most 107 characters.
    with tempfile.TemporaryDirectory() as name:
        dashboard = Dashboard(Path(name))
        dashboard.start()
        yield dashboard
        dashboard.stop()


@pytest.fixture
def ledger(dashboard: Dashboard) -> Iterator[Ledger]:
    ledger = Ledger(dashboard.home / "state" / "orders.db", SystemClock())
    yield ledger
    ledger.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def locked(dashboard: Dashboard) -> Dashboard:
    """The dashboard, with a password."""
    dashboard.stop()
    dashboard.set_password(PASSWORD)
    dashboard.start()
    return dashboard


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages, and fails if one of them complained on its console."""
    complaints: list[str] = []
    contexts = []

    def open_page(url: str, *, may_complain: bool = False, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        if not may_complain:
            page.on(
                "console",
                lambda message: (
                    complaints.append(message.text)
                    if message.type in ("error", "warning")
                    else None
                ),
            )
            page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
