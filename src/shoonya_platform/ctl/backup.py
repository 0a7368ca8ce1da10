"""shoonyactl backup"""

from __future__ import annotations

from pathlib import Path

import click

from shoonya_platform.ctl import _backups
from shoonya_platform.ctl.context import Ctl, store_path
from shoonya_platform.ctl.output import console, json_option, print_json
from shoonya_platform.errors import NotRunning
from shoonya_platform.logging.sizes import size_text


@click.command()
@click.argument(
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_backups.FOLDER,
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="Remove all but the newest COUNT backups there.",
)
@json_option
@click.pass_obj
def cli(ctl: Ctl, folder: Path, keep: int | None, as_json: bool) -> None:
    """Copy orders, positions and configuration into FOLDER, while all goes on.

    One file of mode 0600, in /var/backups/shoonya unless you name another FOLDER.
    Secrets are not in it: keep them where you keep your passwords.

    \b
    Examples:
      sudo shoonyactl backup
      sudo shoonyactl backup --keep 30
    """
    found = _backups.sources(ctl.settings, ctl.config.path)
    if not _backups.stores(found):
        raise NotRunning(
            f"there is no order store at '{store_path(ctl.settings)}' to keep",
            hint="name the services' configuration with --config",
        )
    path = _backups.write(folder, found, ctl.clock.now())
    removed = _backups.prune(folder, keep) if keep else []
    size = path.stat().st_size
    if as_json:
        print_json(
            {
                "path": path,
                "bytes": size,
                "files": sorted(found),
                "removed": removed,
            }
        )
        return
    console().print(
        f"{path}: {', '.join(sorted(found))}, {size_text(size)}", markup=False
    )
    if removed:
        console().print(f"removed {len(removed)} older ones")
