"""shoonyactl restore"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import click

from shoonya_platform.ctl import _backups
from shoonya_platform.ctl.asking import confirm, user
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import NotAllowed
from shoonya_platform.services.child import ServiceStatus
from shoonya_platform.services.units import read_services
from shoonya_platform.store.sqlite import SqliteOrderStore


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--no-config", is_flag=True, help="Leave the configuration as it is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def cli(ctl: Ctl, file: Path, no_config: bool, yes: bool, as_json: bool) -> None:
    """Put the orders, positions and configuration of a backup in their places.

    The services must be stopped.  What is there now is kept beside it, as
    NAME.before-restore-TIME.  Trading is halted afterwards: the backup knows nothing
    of what was traded since.  Exits still go out, of what the backup says is held, so
    compare that with your broker's own page before you start the services.

    \b
    Examples:
      sudo shoonyactl restore /var/backups/shoonya/shoonya-20261124-033000.tar.gz
    """
    settings = ctl.settings
    running = [
        view.service
        for view in read_services(settings.paths.runtime_dir)
        if view.state not in (ServiceStatus.STOPPED, ServiceStatus.FAILED)
    ]
    if running:
        raise NotAllowed(
            f"{', '.join(running)} would go on with the store of now",
            hint="stop them first: sudo shoonyactl stop",
        )
    # Not in /tmp, which may be smaller than the store.
    with tempfile.TemporaryDirectory(
        dir=settings.paths.state_dir, prefix=".restore-"
    ) as name:
        manifest, files = _backups.unpack(file, Path(name))
        stores = _backups.stores(files)
        places = {name: settings.paths.state_dir / name for name in stores}
        places[_backups.PAPER] = settings.paper_path
        if _backups.CONFIG in files and ctl.config.path and not no_config:
            places[_backups.CONFIG] = ctl.config.path
        wanted = {places[each]: path for each, path in files.items() if each in places}
        confirm(
            f"put {', '.join(str(place) for place in wanted)} back to how they were at "
            f"{manifest.made_at}?",
            yes=yes,
        )
        for name in stores:
            _halt(ctl, files[name], manifest)
        stamp = f"{ctl.clock.now():%Y%m%d-%H%M%S}"
        kept = [_put(source, place, stamp) for place, source in wanted.items()]
    left = [path for path in kept if path is not None]
    if as_json:
        print_json(
            {"made_at": manifest.made_at, "restored": list(wanted), "kept": left}
        )
        return
    for path in wanted:
        console().print(f"restored  {path}", markup=False)
    for path in left:
        console().print(f"kept      {path}", markup=False)
    console().print(
        "trading is HALTED: only exits go out; when positions agree with the broker's: "
        "shoonyactl risk resume"
    )


def _halt(ctl: Ctl, path: Path, manifest: _backups.Manifest) -> None:
    """Bring the copy to this version's schema, and let no order out of it."""
    store = SqliteOrderStore(
        path, service="shoonyactl", run_id=str(os.getpid()), clock=ctl.clock
    )
    try:
        with store.transaction(durable=True):
            store.trading.set(
                TradingState.HALTED,
                reason=f"restored from a backup of {manifest.made_at}",
                by=user(),
            )
    finally:
        store.close()


def _put(source: Path, place: Path, stamp: str) -> Path | None:
    """Put a file in its place; return where the one before it is kept."""
    is_there = place.exists()
    # The services run as somebody else: owned as what is there now, or as the folder.
    like = (place if is_there else place.parent).stat()
    fresh = place.with_name(f".{place.name}.new")
    shutil.copyfile(source, fresh)
    fresh.chmod(stat.S_IMODE(like.st_mode) if is_there else 0o640)
    if os.geteuid() == 0:
        os.chown(fresh, like.st_uid, like.st_gid)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    kept = place.with_name(f"{place.name}.before-restore-{stamp}")
    # A database's journal goes with it, or it would be taken for the new one's.
    for suffix in ("", "-wal", "-shm"):
        old = place.with_name(place.name + suffix)
        if old.exists():
            old.rename(kept.with_name(kept.name + suffix))
    fresh.rename(place)
    return kept if is_there else None
