"""shoonyactl doctor"""

from __future__ import annotations

import contextlib

import click

from shoonya_platform.config.settings import Settings
from shoonya_platform.ctl.asking import user
from shoonya_platform.ctl.checks.diagnose import diagnose
from shoonya_platform.ctl.checks.world import this_machine
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import console, json_option, print_json
from shoonya_platform.errors import ConfigError
from shoonya_platform.services import runbook
from shoonya_platform.services.findings import LEVELS, Finding, Level, keep

_STYLES = {Level.ERROR: "red", Level.WARNING: "yellow", Level.NOTE: "cyan"}


@click.command()
@json_option
@click.pass_obj
def cli(ctl: Ctl, as_json: bool) -> None:
    """Look for what is wrong with this machine, and say what mends it.

    Journal, clock, disk, units, ports, credentials, the program, the order store.
    Changes nothing.  Needs no root, and says what it could not see without.  Ends
    with 1 when there is a warning or an error, with 0 otherwise.  What root finds,
    the dashboard shows as well.

    \b
    Examples:
      sudo shoonyactl doctor
      shoonyactl doctor --json | jq -r '.findings[] | select(.level == "error")'
    """
    found = examine(ctl)
    _keep(ctl, found)
    if as_json:
        print_json({"worst": worst(found), "findings": found})
    else:
        show(found)
    if worst(found) in (Level.ERROR, Level.WARNING):
        raise click.exceptions.Exit(1)


def examine(ctl: Ctl) -> list[Finding]:
    """Return all findings; with an unusable configuration, by the defaults."""
    try:
        settings, path = ctl.settings, ctl.config.path
    except ConfigError as e:
        unusable = Finding(
            check="config",
            level=Level.ERROR,
            sentence=e.sentence,
            command="shoonyactl config check  # once it is mended",
            runbook=runbook.of_check("config"),
        )
        return [unusable, *diagnose(this_machine(Settings(), None))]
    return list(diagnose(this_machine(settings, path)))


def _keep(ctl: Ctl, found: list[Finding]) -> None:
    # Whoever may not write there is told all the same, here.
    with contextlib.suppress(ConfigError, OSError, KeyError):
        state_dir = ctl.settings.paths.state_dir
        keep(state_dir, found, now=ctl.clock.now(), by=user())


def worst(found: list[Finding]) -> Level:
    present = {each.level for each in found}
    return next((level for level in LEVELS if level in present), Level.OK)


def show(found: list[Finding]) -> None:
    """Tell a person: the worst first, each with its command, then what is fine."""
    for level in _STYLES:
        for each in found:
            if each.level is level:
                show_finding(each)
    fine = [each.check for each in found if each.level is Level.OK]
    if fine:
        told = f"{'ok':9}{len(fine)} of {len(found)}: {', '.join(fine)}"
        console().print(told, soft_wrap=True)


def show_finding(each: Finding) -> None:
    """Print a finding, with the command that changes it."""
    out = console()
    level = each.level
    style = _STYLES.get(level)
    out.print(f"{level:9}", style=style, end="", markup=False, soft_wrap=True)
    out.print(f"{each.check}: {each.sentence}", markup=False, soft_wrap=True)
    if each.command:
        # Whole, to be copied: a folded line is not a command.
        out.print(f"{'':9}{each.command}", markup=False, soft_wrap=True)
    if each.runbook and level is not Level.NOTE:
        out.print(f"{'':9}more: {each.runbook}", markup=False, soft_wrap=True)
