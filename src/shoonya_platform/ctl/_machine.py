"""What an upgrade does to this machine: link, units, store and services."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from shoonya_platform.config.settings import Settings
from shoonya_platform.ctl._layout import Layout
from shoonya_platform.ctl._releases import Releases
from shoonya_platform.ctl.context import store_path
from shoonya_platform.errors import ShoonyaError, StoreError
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import ServiceView, read_services
from shoonya_platform.store import sqlite_upkeep

#: A service that is not ready by then does not work.
READY_SECONDS = 60.0

#: One that dies within this time of the last restart does not work either.
WATCH_SECONDS = 5.0

#: Until both pages have answered.
ANSWER_SECONDS = 15.0


class Machine:
    """The deeds of `_upgrading.Deeds`, really done."""

    def __init__(self, layout: Layout, releases: Releases, settings: Settings) -> None:
        self._layout = layout
        self._releases = releases
        self._settings = settings

    def switch(self, release: str) -> None:
        try:
            self._releases.switch(release)
        except OSError as e:
            raise ShoonyaError(f"cannot switch to {release}: {e.strerror}") from e

    def install_units(self, release: str) -> None:
        self._install_units(release)

    def difference(self, release: str) -> str:
        """
        Return what would change in the units.

        Raises:
            ShoonyaError: systemd objects to them.
        """
        return self._install_units(release, "--dry-run")

    def check_config(self, release: str) -> None:
        """
        Raises:
            ShoonyaError: The configuration is not usable for this release.
        """
        program = self._releases.program(release, "shoonyactl")
        command = [program, "--config", str(self._layout.config), "config", "check"]
        # What is encrypted can be read by its service alone.
        if not any(self._layout.credentials.glob("*.cred")):
            self._call(command)

    def rehearse(self, release: str, backup: Path) -> None:
        """
        Migrate a copy of the store.

        Raises:
            ShoonyaError: The migration fails.
        """
        trial = backup.with_name(f"{backup.name}.trial")
        try:
            shutil.copyfile(backup, trial)
            self._migrate(release, trial)
        finally:
            for path in backup.parent.glob(f"{trial.name}*"):
                path.unlink()

    def migrate(self, release: str) -> None:
        self._migrate(release, store_path(self._settings))

    def take_back(self, backup: Path, release: str) -> None:
        store = store_path(self._settings)
        if not backup.exists():
            raise ShoonyaError(
                f"the copy of the order store from before the upgrade, '{backup}', "
                "is gone",
                hint="without it an older version may not know the store; "
                "the new version goes on: shoonyactl start",
            )
        if sqlite_upkeep.schema_version(store) == sqlite_upkeep.schema_version(backup):
            return
        try:
            sqlite_upkeep.take_back(store, backup)
        except StoreError as e:
            self._restore(backup, release)
            raise ShoonyaError(
                f"{e.message}: the store is as it was before the upgrade, and all that "
                f"came since lies in '{self._aside(backup, release)}'",
                hint="the services are stopped: compare the broker's own order book "
                "first, then 'shoonyactl upgrade' goes on",
            ) from e

    def restart(self, service: str) -> None:
        unit = f"shoonya@{service}.service"
        self._systemctl("reset-failed", unit)
        said = self._systemctl("restart", unit)
        (view,) = self._views((service,))
        if said is not None or view.state is not ServiceStatus.RUNNING:
            raise ShoonyaError(
                f"{service} does not become ready: {view.cause or view.text or said}",
                hint=f"shoonyactl why {service}",
            )

    def watch(self, services: tuple[str, ...]) -> None:
        began = time.monotonic()
        pids = {view.service: view.pid for view in self._views(services)}
        while time.monotonic() < began + WATCH_SECONDS:
            for view in self._views(services):
                if (
                    view.state is not ServiceStatus.RUNNING
                    or view.pid != pids[view.service]
                ):
                    raise ShoonyaError(
                        f"{view.service} did not stay up: {view.cause or view.text}",
                        hint=f"shoonyactl why {view.service}",
                    )
            time.sleep(0.25)
        webhook, dashboard = self._settings.webhook, self._settings.dashboard
        if "execution_service" in services:
            _wait_for_answer("execution_service", webhook.host, webhook.port)
        if "dashboard" in services:
            _wait_for_answer("dashboard", dashboard.host, dashboard.port)

    def running(self) -> tuple[str, ...]:
        """Return the services that are to run and do, in start order."""
        return tuple(
            view.service
            for view in read_services(self._settings.paths.runtime_dir)
            # One that has failed before says nothing about another version.
            if view.state not in (ServiceStatus.STOPPED, ServiceStatus.FAILED)
        )

    def _views(self, services: Sequence[str]) -> list[ServiceView]:
        return [
            view
            for view in read_services(self._settings.paths.runtime_dir)
            if view.service in services
        ]

    def _install_units(self, release: str, *options: str) -> str:
        python = str(self._releases.link / "bin" / "python")
        program = self._releases.program(release, "shoonyactl")
        return self._call([program, "install-units", "--python", python, *options])

    def _systemctl(self, verb: str, *units: str) -> str | None:
        """Return what it objected to; None if it did it."""
        try:
            done = subprocess.run(
                ["systemctl", verb, *units],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=READY_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not within {READY_SECONDS:.0f} s"
        return (done.stderr.strip() or "failed") if done.returncode else None

    def _migrate(self, release: str, store: Path) -> None:
        python = self._releases.program(release, "python")
        module = "shoonya_platform.store.sqlite_upkeep"
        self._call([python, "-P", "-m", module, str(store)])

    def _restore(self, backup: Path, release: str) -> None:
        """Put the backup into the store's place, and the store aside."""
        store = store_path(self._settings)
        self._systemctl("stop", *(f"shoonya@{name}.service" for name in self.running()))
        owner = store.stat()
        sqlite_upkeep.copy(store, self._aside(backup, release))
        for ending in ("-wal", "-shm"):
            store.with_name(store.name + ending).unlink(missing_ok=True)
        fresh = store.with_name(f".{store.name}.new")
        fresh.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(fresh, flags, owner.st_mode & 0o777)
        with os.fdopen(descriptor, "wb") as into, backup.open("rb") as source:
            shutil.copyfileobj(source, into)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fsync(descriptor)
        fresh.replace(store)

    def _aside(self, backup: Path, release: str) -> Path:
        return backup.with_name(f"orders-of-{release}.db")

    def _call(self, command: Sequence[str]) -> str:
        done = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().removeprefix("shoonyactl: ")
            raise ShoonyaError(said or f"'{' '.join(command)}' failed")
        return done.stdout


def _wait_for_answer(service: str, host: str, port: int) -> None:
    until = time.monotonic() + ANSWER_SECONDS
    # Whoever listens on all addresses listens on this one.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    while True:
        answer = _health(host, port)
        if answer == "200":
            return
        if time.monotonic() > until:
            raise ShoonyaError(f"{service} answers {answer} to GET /health")
        time.sleep(0.25)


def _health(host: str, port: int) -> str:
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=3)) as peer:
            peer.request("GET", "/health")
            return str(peer.getresponse().status)
    except (OSError, http.client.HTTPException) as e:
        return f"nothing ({e})"
