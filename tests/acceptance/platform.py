"""The eight services as real processes, in a directory of the test's own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoonya_platform.clock import SystemClock
from shoonya_platform.config.loader import load
from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.ctl.context import store_path
from shoonya_platform.domain.alerts import AlertStatus
from shoonya_platform.errors import NotRunning
from shoonya_platform.services.control import ask
from shoonya_platform.services.parts import open_paper
from shoonya_platform.store.sqlite import SqliteOrderStore
from shoonya_platform.testing.waiting import eventually

SECRET = "a-secret-of-the-tests"

UP = (sys.executable, "-m", "shoonya_platform.main")


class Platform:
    """
    Starts the services and speaks with them as a user does.

    Args:
        root: An empty directory.

        settings: More sections for the TOML file.

        command: Runs the services in the foreground.
    """

    def __init__(
        self, root: Path, settings: str = "", command: tuple[str, ...] = UP
    ) -> None:
        self.root = root
        self.command = command
        self.log_dir = root / "logs"
        self.webhook_port, self.dashboard_port = free_ports(2)
        self.config_path = root / "shoonya.toml"
        self.config_path.write_text(
            f"""
[paths]
state_dir = "{root}/state"
runtime_dir = "{root}/run"
log_dir = "{self.log_dir}"
credentials_dir = "{root}/credentials"
[webhook]
port = {self.webhook_port}
[dashboard]
port = {self.dashboard_port}
{settings}
"""
        )
        credentials = root / "credentials"
        credentials.mkdir(exist_ok=True)
        (credentials / "webhook_secret").write_text(SECRET)
        self.environ = {**os.environ, "SHOONYA_CONFIG": str(self.config_path)}
        self.config = load(self.config_path, {})
        self.process: subprocess.Popen[bytes] | None = None
        self.output = root / "up.log"

    def __enter__(self) -> Platform:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self, *, ready: bool = True) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=self.environ,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        if not ready:
            return
        try:
            eventually(self.is_ready, 30, message="eight ready services")
        except AssertionError as e:
            self.stop()
            raise AssertionError(f"{e}\n{self.tail()}") from e

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the services; return the exit code of the command."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(35)
        self.process = None
        return code

    def tail(self) -> str:
        return self.output.read_text()[-2000:] if self.output.exists() else ""

    def health(self) -> dict[str, dict[str, Any]]:
        try:
            answer = ask(self.config.settings.paths.runtime_dir, {"verb": "status"})
        except NotRunning:
            return {}
        return {health["service"]: health for health in answer["services"]}

    def is_ready(self) -> bool:
        health = self.health()
        return len(health) == len(COMPONENTS) and all(
            each["status"] == "running" for each in health.values()
        )

    def pids(self) -> dict[str, int]:
        return {name: health["pid"] for name, health in self.health().items()}

    def kill(self, service: str) -> None:
        """Kill a service with SIGKILL, if it has a process at the moment."""
        pid = self.pids().get(service)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def store(self) -> SqliteOrderStore:
        return SqliteOrderStore(
            store_path(self.config.settings),
            service="test",
            run_id="test",
            clock=SystemClock(),
        )

    def paper(self) -> Any:
        return open_paper(self.config.settings, SystemClock())

    def post(
        self, body: Mapping[str, object] | bytes, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Post to the webhook; a mapping gets the secret."""
        if not isinstance(body, bytes):
            body = json.dumps({"secret_key": SECRET, **body}).encode()
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.webhook_port, timeout=10
        )
        try:
            connection.request(
                "POST",
                "/webhook",
                body,
                {"Content-Type": "application/json", **headers},
            )
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def accept(self, body: Mapping[str, object]) -> str:
        """Post an alert that must be accepted; return its id."""
        status, answer = self.post(body)
        assert status == 202, answer
        return str(answer["alert_id"])

    def outcome(self, alert_id: str, timeout_seconds: float = 30) -> str:
        """Wait for an alert's end; return how it ended."""
        store = self.store()
        try:

            def ended() -> str | None:
                stored = store.alerts.get(alert_id)  # type: ignore[arg-type]
                assert stored is not None
                done = stored.status in (AlertStatus.COMPLETED, AlertStatus.SKIPPED)
                return stored.outcome if done else None

            return str(
                eventually(ended, timeout_seconds, message=f"{alert_id}: {self.tail()}")
            )
        finally:
            store.close()

    def ctl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run shoonyactl as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "shoonya_platform.ctl.main", *arguments],
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def entry(strategy: str, *symbols: str, quantity: int = 65) -> dict[str, object]:
    """Return an entry alert with a market leg for each symbol."""
    return {
        "execution_type": "entry",
        "strategy_name": strategy,
        "exchange": "NFO",
        "legs": [
            {"tradingsymbol": symbol, "direction": "SELL", "qty": quantity}
            for symbol in symbols
        ],
    }


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
