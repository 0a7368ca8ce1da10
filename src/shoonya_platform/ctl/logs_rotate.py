"""shoonyactl logs rotate"""

from __future__ import annotations

import click

from shoonya_platform.ctl._logs import log_directory
from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.errors import NotAllowed, ShoonyaError
from shoonya_platform.logging.archiver import Archiver
from shoonya_platform.logging.components import COMPONENTS
from shoonya_platform.logging.files import LogFile


@click.command()
@click.argument("services", nargs=-1, shell_complete=complete_service)
@click.pass_obj
def cli(ctl: Ctl, services: tuple[str, ...]) -> None:
    """Begin new log files now; all if no service is named.

    Safe while the services run: they go on in the new file, and no record is lost.
    A file with nothing in it stays as it is.  Afterwards a process in the background
    compresses old files from the second on.

    \b
    Examples:
      shoonyactl logs rotate
      shoonyactl logs rotate risk_manager
    """
    names = check_services(services)
    log_dir = log_directory(ctl)
    backup_count = ctl.settings.log.backup_count
    if not (backup_count and ctl.settings.log_max_bytes):
        raise NotAllowed(
            "the configuration keeps no old log files, so there is no rotation",
            hint="set 'log.backup_count' and 'log.max_bytes'",
        )
    failed = []
    rotated = False
    for name in names:
        file = LogFile(
            str(log_dir / f"{name}.log"), max_bytes=0, backup_count=backup_count
        )
        try:
            backup = file.rotate()
        except PermissionError:
            raise
        except OSError as e:
            failed.append(f"{name} was not rotated: {e.strerror or e}")
        else:
            if backup is not None:
                rotated = True
                click.echo(f"{name}: {backup}")
    if rotated:
        Archiver(
            str(log_dir),
            ctl.settings.log_max_bytes,
            backup_count,
            COMPONENTS,
            ctl.settings.log_budget_bytes,
        ).begin()
    if failed:
        raise ShoonyaError("; ".join(failed), hint="try it again in a moment")
