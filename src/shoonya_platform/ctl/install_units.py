"""`shoonyactl install-units`: put the units where systemd finds them."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from shoonya_platform.ctl import _units
from shoonya_platform.errors import ShoonyaError


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What was done, or with `--dry-run` what would be."""

    root: Path
    dry_run: bool
    changes: tuple[_units.Change, ...]
    verified: bool
    commands: tuple[tuple[str, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "root": str(self.root),
            "dry_run": self.dry_run,
            "verified": self.verified,
            "files": [
                {"path": str(change.path), "change": change.kind, "diff": change.diff}
                for change in self.changes
            ],
            "commands": [list(command) for command in self.commands],
        }


def commands(root: Path, *, enable: bool) -> tuple[tuple[str, ...], ...]:
    """Return the programs to run once the files stand below *root*."""
    units = [
        unit
        for unit in (*_units.INSTANCES, _units.TARGET)
        if not _units.is_masked(unit, root)
    ]
    if root != Path("/"):
        # Another machine's root: its own boot makes the user and the directories.
        return (("systemctl", f"--root={root}", "enable", *units),) if enable else ()
    wanted: list[tuple[str, ...]] = [
        ("systemd-sysusers", f"/{_units.SYSUSERS}"),
        ("systemd-tmpfiles", "--create", f"/{_units.TMPFILES}"),
        ("journalctl", "--update-catalog"),
        ("systemctl", "daemon-reload"),
    ]
    if enable:
        wanted.append(("systemctl", "enable", *units))
    return tuple(wanted)


def run(command: tuple[str, ...]) -> None:
    """
    Run a program of systemd's.

    Raises:
        ShoonyaError: It is missing or failed; its own words are in the message.
    """
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as e:
        raise ShoonyaError(
            f"'{command[0]}' is missing", hint="this machine has no systemd"
        ) from e
    except subprocess.CalledProcessError as e:
        raise ShoonyaError(
            f"'{' '.join(command)}' failed: {e.stderr.strip() or e.returncode}"
        ) from e


def install(root: Path, *, python: str, enable: bool, dry_run: bool) -> Installation:
    """
    Install the units below *root*.

    Raises:
        ShoonyaError: systemd objects to them, or they cannot be written; in the
            first case nothing was changed.
    """
    if not dry_run and root == Path("/") and os.geteuid() != 0:
        raise ShoonyaError(
            "installing units needs root",
            hint="sudo shoonyactl install-units; --dry-run shows what it would do",
        )
    files = _units.shipped_files(python=python)
    verified = _units.can_verify()
    if verified and (objections := _units.verify(files)):
        raise ShoonyaError(f"systemd objects to the units:\n{objections}")
    done = Installation(
        root=root,
        dry_run=dry_run,
        changes=tuple(_units.plan(files, root)),
        verified=verified,
        commands=commands(root, enable=enable),
    )
    if not dry_run:
        _units.apply(done.changes)
        for command in done.commands:
            run(command)
    return done


def shorter(command: tuple[str, ...]) -> str:
    """Write a command for people: eight units in a row are "8 services"."""
    others = [word for word in command if word not in _units.INSTANCES]
    services = len(command) - len(others)
    return " ".join([*others, *([f"and {services} services"] if services else [])])


def show(done: Installation) -> None:
    """Tell a person what an installation changed."""
    if not done.verified:
        click.echo("not verified: 'systemd-analyze' is missing, proceeding", err=True)
    for change in done.changes:
        if done.dry_run:
            click.echo(change.diff, nl=False)
        else:
            click.echo(f"{change.kind:9}  {change.path}")
    changed = sum(c.kind is not _units.Kind.UNCHANGED for c in done.changes)
    if done.dry_run:
        for command in done.commands:
            click.echo(f"would run {shorter(command)}", err=True)
        click.echo(f"would change {changed} files", err=True)
        return
    for command in done.commands:
        click.echo(f"ran        {shorter(command)}")
    if any(c.kind is _units.Kind.UPDATED for c in done.changes):
        click.echo(
            "running services keep the old units until "
            f"'systemctl restart {_units.TARGET}'",
            err=True,
        )


@click.command("install-units", short_help="Install or update the systemd units.")
@click.option("--dry-run", is_flag=True, help="Show the difference, change nothing.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    help="Install below DIR, for another machine's disk; nothing is reloaded.",
    metavar="DIR",
)
@click.option(
    "--python",
    default=_units.DEFAULT_PYTHON,
    show_default=True,
    metavar="PATH",
    help="The interpreter the services run with.",
)
@click.option(
    "--enable/--no-enable",
    default=True,
    show_default=True,
    help="Start the eight at boot.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cli(root: Path, python: str, dry_run: bool, enable: bool, as_json: bool) -> None:
    """
    Install or update the systemd units of the eight services.

    Lets systemd verify them before anything is written, makes the user and the
    directories, reloads systemd and enables the services.  Doing it again changes
    nothing.  Your own drop-ins ('systemctl edit') are left alone, and a service that
    you have masked stays so; files that this version ships no longer are removed.

    Examples:

    \b
        shoonyactl install-units --dry-run
        sudo shoonyactl install-units
    """
    if not Path(python).is_absolute() or any(c.isspace() for c in python):
        raise click.BadParameter(
            f"expected an absolute path without spaces, was '{python}'",
            param_hint="--python",
        )
    done = install(root.resolve(), python=python, enable=enable, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(done.as_dict(), indent=2))
    else:
        show(done)
