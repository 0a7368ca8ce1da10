"""shoonyactl logs disk"""

from __future__ import annotations

import click

from shoonya_platform.ctl._logs import log_directory
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json, print_table
from shoonya_platform.errors import ConfigError
from shoonya_platform.logging import BudgetError, DiskUse, disk_use
from shoonya_platform.logging.sizes import size_text


@click.command()
@json_option
@click.pass_obj
def cli(ctl: Ctl, as_json: bool) -> None:
    """Show what the log files take, and what goes next.

    \b
    Examples:
      shoonyactl logs disk
      shoonyactl logs disk --json | jq '.used_bytes / .budget_bytes'
    """
    settings = ctl.settings
    try:
        use = disk_use(
            log_directory(ctl),
            budget=settings.log_budget_bytes,
            max_bytes=settings.log_max_bytes,
            backup_count=settings.log.backup_count,
        )
    except BudgetError as e:
        raise ConfigError(e.message, hint=e.hint) from e
    if as_json:
        print_json(use)
    else:
        _print(use)


def _print(use: DiskUse) -> None:
    rows = [
        (
            each.component,
            *map(
                _size,
                (
                    each.live_bytes,
                    each.backup_bytes,
                    each.archive_bytes,
                    each.total_bytes,
                ),
            ),
        )
        for each in use.components
    ]
    rows.append(("other files", "", "", "", _size(use.other_bytes)))
    print_table(["", "live>", "backups>", "archives>", "together>"], rows)
    part = use.used_bytes / use.budget_bytes
    out = console()
    out.print(
        f"{size_text(use.used_bytes)} of {size_text(use.budget_bytes)} "
        f"({part:.0%}) in {use.log_dir}"
    )
    out.print(
        f"at most {size_text(use.predicted_bytes)}; "
        f"{size_text(use.reserved_bytes)} are kept free for what is being written"
    )
    if use.next_evicted is not None:
        out.print(f"the next to go when room is needed: {use.next_evicted}")


def _size(size: int) -> str:
    return size_text(size) if size else "-"
