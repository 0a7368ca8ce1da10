"""`shoonyactl install-units`: put the units where systemd finds them."""

from pathlib import Path

import click

from shoonya_platform.config.loader import load
from shoonya_platform.ctl import _first_use, _layout, _refusals, _systemd, _units
from shoonya_platform.ctl._installing import Installation, commit, prepare
from shoonya_platform.ctl.output import print_json
from shoonya_platform.ctl.services import is_running, wait_for
from shoonya_platform.errors import ShoonyaError

#: All eight, on a small server, with a store to migrate.
START_SECONDS = 90.0


def start(done: Installation) -> None:
    """
    Start what is enabled, and wait until it is ready.

    Raises:
        ConfigError: The configuration cannot be used; nothing was started.
        ShoonyaError: A service did not become ready.
    """
    layout = done.layout
    config = load(layout.config)
    for name in config.settings.needed_secrets:
        # An encrypted one is for its service alone.
        if not (layout.credentials / f"{name}.cred").exists():
            config.secrets.get(name)
    names = _units.started_with_the_target(layout)
    _systemd.run((*layout.systemctl, "start", _units.TARGET))
    wait_for(config.settings.paths.runtime_dir, names, is_running, START_SECONDS)
    click.echo(f"{len(names)} services are ready", err=True)


def shorter(command: tuple[str, ...]) -> str:
    """Write a command for people: eight units in a row are "8 services"."""
    others = [word for word in command if word not in _units.INSTANCES]
    services = len(command) - len(others)
    return " ".join([*others, *([f"and {services} services"] if services else [])])


def show(done: Installation) -> None:
    """Tell a person what an installation changed."""
    if not done.verified:
        click.echo("not verified: 'systemd-analyze' is missing, proceeding", err=True)
    changed = [c for c in done.changes if c.kind is not _units.Kind.UNCHANGED]
    if done.dry_run:
        for change in changed:
            click.echo(change.diff, nl=False)
        for command in done.commands:
            click.echo(f"would run {shorter(command)}", err=True)
        click.echo(f"would change {len(changed)} files", err=True)
    else:
        for change in changed:
            click.echo(f"{change.kind:9}  {change.path}")
        for command in done.commands:
            click.echo(f"ran        {shorter(command)}")
        if not changed and not done.commands:
            click.echo(
                "nothing to do: the units are installed, as systemd "
                f"{done.systemd} is to have them",
                err=True,
            )
    for note in done.notes:
        click.echo(note, err=True)
    if not done.dry_run and any(c.kind is _units.Kind.UPDATED for c in changed):
        again = " ".join((*done.layout.systemctl, "restart", _units.TARGET))
        click.echo(f"running services keep the old units until '{again}'", err=True)


@click.command("install-units", short_help="Install or update the systemd units.")
@click.option("--dry-run", is_flag=True, help="Show the difference, change nothing.")
@click.option(
    "--now",
    "--start",
    "is_to_start",
    is_flag=True,
    help="Start the services too, and wait until they are ready.",
)
@click.option("--user", is_flag=True, help="For you alone, without root.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    help="Install below DIR, for another machine's disk; nothing is reloaded.",
    metavar="DIR",
)
@click.option(
    "--python",
    metavar="PATH",
    help="The interpreter the services run with  [default: this one]",
)
@click.option(
    "--enable/--no-enable",
    default=True,
    show_default=True,
    help="Start the eight at boot.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cli(
    root: Path,
    python: str | None,
    dry_run: bool,
    is_to_start: bool,
    user: bool,
    enable: bool,
    as_json: bool,
) -> None:
    """
    Install or update the systemd units of the eight services.

    Lets systemd verify them before anything is written, makes the user and the
    directories, reloads systemd and enables the services.  Doing it again changes
    nothing; doing it after it was interrupted completes it.  Your own drop-ins
    ('systemctl edit') are left alone; a service that you have masked or disabled
    stays so; files that this version ships no longer are removed.

    A configuration and a webhook secret are made where there are none.

    Examples:

    \b
        shoonyactl install-units --dry-run
        sudo shoonyactl install-units --now
        shoonyactl install-units --user --now
    """
    layout = _layout.of_user() if user else _layout.of_machine(root.resolve())
    if user and root != Path("/"):
        raise click.UsageError("--user does not go with --root")
    if is_to_start and (dry_run or not layout.is_here):
        raise click.UsageError("--now does not go with --dry-run or --root")
    if python is None:
        default = _units.DEFAULT_PYTHON
        python = _refusals.own_python(default) if layout.is_here else default
    for place, option in ((python, "--python"), (str(layout.config), "--user")):
        if not Path(place).is_absolute() or any(c.isspace() or c == "%" for c in place):
            raise click.BadParameter(
                f"expected an absolute path without spaces or %, was '{place}'",
                param_hint=option,
            )
    done = prepare(layout, python=python, enable=enable, dry_run=dry_run)
    if not dry_run:
        commit(done)
    if as_json:
        print_json(done.as_dict())
    else:
        show(done)
    if dry_run or not layout.is_here:
        return
    try:
        made = _first_use.provide(layout)
    except OSError as e:
        raise ShoonyaError(f"cannot write {e.filename}: {e.strerror}") from e
    for path in made:
        click.echo(f"made {path}", err=True)
    if is_to_start:
        start(done)
