"""`shoonyactl upgrade`: another version of the program, and the way back."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from shoonya_platform.config.loader import load
from shoonya_platform.ctl import _building, _layout, _record, _refusals, _upgrading
from shoonya_platform.ctl._machine import Machine
from shoonya_platform.ctl._record import Phase, Record
from shoonya_platform.ctl._releases import Releases
from shoonya_platform.ctl.context import store_path
from shoonya_platform.errors import AlreadyRunning, NotFound, ShoonyaError
from shoonya_platform.store import sqlite_upkeep

#: Copies of the store from before each upgrade; for root alone.
BACKUPS = Path("/var/backups/shoonya")


class Upgrade:
    """One call of `shoonyactl upgrade`."""

    def __init__(self, layout: _layout.Layout) -> None:
        self.home = layout.home
        self.releases = Releases(layout.home)
        self.settings = load(layout.config).settings
        self.machine = Machine(layout, self.releases, self.settings)

    def settle(self) -> Record | None:
        """Bring one that was interrupted to its end; None if none was."""
        record = _record.read(self.home)
        if record is None or not record.is_under_way:
            return None
        tell(f"an upgrade from {record.old} to {record.new} was interrupted")
        go = _upgrading.forward if record.phase is Phase.FORWARD else _upgrading.back
        return go(record, self.machine, self._keep, tell)

    def to(self, source: str, *, dry_run: bool) -> Record | None:
        """
        Upgrade to what is named; None if that is in use already.

        Raises:
            ShoonyaError: It cannot be; what is in use was not touched.
        """
        old = self.releases.current()
        with tempfile.TemporaryDirectory(prefix="shoonya-upgrade-") as scratch:
            tell(f"looking for {source}")
            found = _building.find(source, self.releases, Path(scratch))
            if isinstance(found, Path):
                tell(f"building a release of {found.name} beside {old}")
                new = _building.build(found, self.releases)
            else:
                new = found
        if new == old:
            return None
        tell("checking that configuration and units fit it")
        self.machine.check_config(new)
        difference = self.machine.difference(new)
        backup = self._back_up(new)
        record = Record(
            phase=Phase.FORWARD,
            old=old,
            new=new,
            services=self.machine.running(),
            backup=str(backup or ""),
        )
        if dry_run:
            click.echo(difference, nl=False)
            return record
        return _upgrading.forward(record, self.machine, self._keep, tell)

    def back(self) -> Record:
        """
        Go back to the version before.

        Raises:
            NotFound: There is none.
            ShoonyaError: It does not work.
        """
        record = _record.read(self.home)
        if record is None or record.phase is Phase.ROLLED_BACK:
            raise NotFound(
                "there is no upgrade to go back from",
                hint="name the version to go to: shoonyactl upgrade VERSION",
            )
        if not self.releases.is_ready(record.old):
            raise NotFound(f"the version before, {record.old}, is not kept any more")
        services = self.machine.running()
        if record.phase is Phase.DONE:
            record = replace(record, services=services, touched=services)
        record = replace(record, reason="an operator asked for it")
        return _upgrading.back(record, self.machine, self._keep, tell)

    def _back_up(self, new: str) -> Path | None:
        store = store_path(self.settings)
        if not store.exists():
            return None
        tell("copying the order store, and migrating the copy")
        try:
            BACKUPS.mkdir(mode=0o700, parents=True, exist_ok=True)
            backup = BACKUPS / f"orders-before-{new}.db"
            sqlite_upkeep.copy(store, backup)
            self.machine.rehearse(new, backup)
        except OSError as e:
            raise ShoonyaError(
                f"the order store cannot be copied to '{BACKUPS}': {e.strerror}"
            ) from e
        return backup

    def _keep(self, record: Record) -> None:
        try:
            _record.write(self.home, record)
        except OSError as e:
            raise ShoonyaError(
                f"cannot write {_record.path_of(self.home)}: {e.strerror}"
            ) from e


def tell(sentence: str) -> None:
    click.echo(f"upgrade: {sentence}", err=True)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """
    Hold what only one upgrade may hold.

    Raises:
        AlreadyRunning: Another is under way.
    """
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as e:
        raise AlreadyRunning("another upgrade is under way") from e
    finally:
        os.close(descriptor)


@click.command(short_help="Upgrade to another version, or go back.")
@click.argument("source", required=False, metavar="[WHEEL|DIR|VERSION]")
@click.option("--rollback", is_flag=True, help="Go back to the version before.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Build it, check all that can be, show the units' difference; switch nothing.",
)
def cli(source: str | None, rollback: bool, dry_run: bool) -> None:
    """
    Upgrade to another version, and back by itself if it does not work.

    Builds it beside the one in use, from a wheel, a checkout, or a version that is
    kept here or in pip's own index; checks configuration and units; copies the order
    store to /var/backups/shoonya and migrates; restarts the services one after the
    other, so that no alert is refused.  A service that is not ready within a minute
    or does not stay up, or a /health that is not 200, brings back the old version,
    its units, and its schema with all orders since.

    Said again after it was interrupted, it goes on; without a name it does only that.

    \b
    Examples:
      sudo shoonyactl upgrade --dry-run shoonya_platform-0.2.0-py3-none-any.whl
      sudo shoonyactl upgrade shoonya_platform-0.2.0-py3-none-any.whl
      sudo shoonyactl upgrade --rollback
    """
    if rollback and (source or dry_run):
        raise click.UsageError("--rollback takes nothing with it")
    layout = _layout.of_machine()
    _refusals.check_rights(layout, "upgrade")
    Releases(layout.home).current()
    with alone(layout.home):
        upgrade = Upgrade(layout)
        if rollback:
            back = upgrade.back()
            click.echo(f"on {back.old} again")
            return
        try:
            record = upgrade.settle()
            if source is not None:
                record = upgrade.to(source, dry_run=dry_run)
        except KeyboardInterrupt as e:
            raise ShoonyaError(
                "interrupted",
                hint="'shoonyactl upgrade' goes on where something was begun, "
                "'shoonyactl upgrade --rollback' goes back",
            ) from e
    if source is None and record is None:
        raise click.UsageError(
            f"name a wheel, a folder or a version; kept here: "
            f"{', '.join(upgrade.releases.ids())}"
        )
    _report(upgrade, record, dry_run=dry_run)


def _report(upgrade: Upgrade, record: Record | None, *, dry_run: bool) -> None:
    releases = upgrade.releases
    if record is None:
        click.echo(f"nothing to do: {releases.current()} is in use")
    elif dry_run:
        click.echo(
            f"would go from {record.old} to {record.new} and restart "
            f"{len(record.services)} services",
            err=True,
        )
    elif record.phase is Phase.ROLLED_BACK:
        raise ShoonyaError(
            f"{record.new} does not work, on {record.old} again: {record.reason}",
            hint=f"what it wrote: shoonyactl logs; its files: {releases.folder}",
        )
    else:
        # The one before stays, for a way back.
        releases.prune(record.old, record.new)
        for copy in BACKUPS.glob("orders-before-*.db"):
            if str(copy) != record.backup:
                copy.unlink()
        version = releases.version(record.new)
        click.echo(f"on {version} ({record.new}); back: shoonyactl upgrade --rollback")
