"""`shoonyactl uninstall-units`: stop the eight and take their units away."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from shoonya_platform.ctl import _units, install_units
from shoonya_platform.errors import ShoonyaError

#: What stays, and has to be removed by hand by someone who means it.
KEPT = {
    "var/lib/shoonya": "orders, positions and the paper broker's book",
    "opt/shoonya/logs": "the log files",
    "opt/shoonya/venv": "the program",
    "etc/shoonya": "configuration and credentials",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed, or with `--dry-run` would be, and what stays."""

    root: Path
    dry_run: bool
    files: tuple[Path, ...]
    left: tuple[Path, ...]
    kept: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        return {
            "root": str(self.root),
            "dry_run": self.dry_run,
            "removed": [str(path) for path in self.files],
            "left": [str(path) for path in self.left],
            "kept": self.kept,
        }


def look(root: Path, *, dry_run: bool) -> Removal:
    """Find what there is to remove below *root*, without touching it."""
    ours = tuple(_units.installed_files(root))
    unit_dir = root / _units.UNIT_DIR
    overrides = [*unit_dir.glob("shoonya@*.d/*"), *unit_dir.glob("shoonya.*.d/*")]
    return Removal(
        root=root,
        dry_run=dry_run,
        files=ours,
        left=tuple(sorted(path for path in overrides if path not in ours)),
        kept={str(root / path): what for path, what in KEPT.items()},
    )


def remove(found: Removal) -> None:
    """
    Stop and disable the services, and remove their units.

    Raises:
        ShoonyaError: systemd refused, or a file could not be removed.
    """
    units = (*_units.INSTANCES, _units.TARGET)
    here = found.root == Path("/")
    if here:
        install_units.run(("systemctl", "stop", *units, _units.FAILURE_PATH))
        install_units.run(("systemctl", "disable", *units))
    else:
        install_units.run(("systemctl", f"--root={found.root}", "disable", *units))
    _units.apply(
        _units.Change(kind=_units.Kind.REMOVED, path=path, before=None, after=None)
        for path in found.files
    )
    if here:
        # Else one that had failed is remembered after it is gone.
        install_units.run(("systemctl", "reset-failed", "shoonya@*.service"))
        install_units.run(("journalctl", "--update-catalog"))
        install_units.run(("systemctl", "daemon-reload"))


@click.command("uninstall-units", short_help="Stop the eight, remove their units.")
@click.option("--dry-run", is_flag=True, help="Show what would go, change nothing.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    help="Remove below DIR, from another machine's disk; nothing is stopped.",
    metavar="DIR",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cli(root: Path, dry_run: bool, yes: bool, as_json: bool) -> None:
    """
    Stop the eight services, disable them and remove their units.

    Orders, logs, configuration and credentials stay; the last lines say where.
    Working orders at the broker stay there too: look at 'shoonyactl order list'
    first.

    \b
    Examples:
      shoonyactl uninstall-units --dry-run
      sudo shoonyactl uninstall-units --yes
    """
    root = root.resolve()
    if not dry_run and root == Path("/") and os.geteuid() != 0:
        raise ShoonyaError(
            "removing units needs root",
            hint="sudo shoonyactl uninstall-units; --dry-run shows what it would do",
        )
    found = look(root, dry_run=dry_run)
    if not found.files:
        if as_json:
            click.echo(json.dumps(found.as_dict(), indent=2))
        else:
            click.echo("no units of ours are installed", err=True)
        return
    if not dry_run:
        if not yes:
            confirm(found)
        remove(found)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
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
    click.confirm("stop the eight services and remove these?", abort=True, err=True)


def show(found: Removal) -> None:
    """Tell a person what went and what stays."""
    verb = "would remove" if found.dry_run else "removed"
    for path in found.files:
        click.echo(f"{verb}  {path}")
    for path in found.left:
        click.echo(f"left, it is yours  {path}", err=True)
    for place, what in found.kept.items():
        click.echo(f"kept  {place}: {what}", err=True)
