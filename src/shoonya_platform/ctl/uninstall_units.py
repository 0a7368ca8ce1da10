"""`shoonyactl uninstall-units`: stop the eight and take their units away."""

import sys
from pathlib import Path

import click

from shoonya_platform.ctl import _layout, _refusals
from shoonya_platform.ctl._removing import Removal, look, remove
from shoonya_platform.ctl.output import print_json
from shoonya_platform.errors import ShoonyaError


@click.command("uninstall-units", short_help="Remove the systemd units.")
@click.option("--dry-run", is_flag=True, help="Show what would go, change nothing.")
@click.option("--user", is_flag=True, help="Those installed for you alone.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    help="Remove from another machine's disk; nothing is stopped.",
    metavar="DIR",
)
@click.option(
    "--purge",
    "is_purge",
    is_flag=True,
    help="Remove orders, logs, configuration, secrets, program and user too; "
    "backups stay.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cli(
    root: Path, dry_run: bool, user: bool, is_purge: bool, yes: bool, as_json: bool
) -> None:
    """
    Stop the eight services, disable them and remove their units.

    Orders, logs, configuration, credentials and the program stay, and your own
    drop-ins; the last lines say where.  With --purge they go too, for good.
    Working orders at the broker stay there: look at 'shoonyactl order list' first.

    \b
    Examples:
      shoonyactl uninstall-units --dry-run
      sudo shoonyactl uninstall-units --yes
      sudo shoonyactl uninstall-units --purge
    """
    if user and root != Path("/"):
        raise click.UsageError("--user does not go with --root")
    layout = _layout.of_user() if user else _layout.of_machine(root.resolve())
    if not dry_run:
        _refusals.check_rights(layout, "uninstall-units")
    found = look(layout, dry_run=dry_run, is_purge=is_purge)
    if not found.is_anything:
        if as_json:
            print_json(found.as_dict())
        else:
            click.echo("nothing to do: no units of ours are installed", err=True)
        return
    if not dry_run:
        if not yes:
            confirm(found)
        remove(found)
    if as_json:
        print_json(found.as_dict())
    else:
        show(found)


def confirm(found: Removal) -> None:
    """
    Show what will be done and ask.

    Raises:
        ShoonyaError: There is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise ShoonyaError(
            "nobody is here to confirm that the services may be stopped",
            hint="--yes does it without asking",
        )
    for path in found.files:
        click.echo(f"will remove  {path}", err=True)
    for path, what in found.purged.items():
        click.echo(f"will remove  {path}: {what}", err=True)
    click.confirm("stop the eight services and remove these?", abort=True, err=True)
    if found.purged:
        click.confirm(
            "orders, logs and secrets cannot be had again; really?",
            abort=True,
            err=True,
        )


def show(found: Removal) -> None:
    """Tell a person what went and what stays."""
    verb = "would remove" if found.dry_run else "removed"
    for path in found.files:
        click.echo(f"{verb}  {path}")
    for path, what in found.purged.items():
        click.echo(f"{verb}  {path}: {what}")
    for path in found.left:
        click.echo(f"left, it is yours  {path}", err=True)
    for path, what in found.kept.items():
        click.echo(f"kept  {path}: {what}", err=True)
