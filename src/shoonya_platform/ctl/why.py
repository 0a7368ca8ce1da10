"""shoonyactl why"""

from __future__ import annotations

import click

from shoonya_platform.ctl.context import Ctl, check_services
from shoonya_platform.ctl.output import json_option, print_json
from shoonya_platform.ctl.services import complete_service
from shoonya_platform.services.telling import tell
from shoonya_platform.services.why import explain


@click.command()
@click.argument("service", shell_complete=complete_service)
@json_option
@click.pass_obj
def cli(ctl: Ctl, service: str, as_json: bool) -> None:
    """Tell how a service's last run ended, and what to do.

    Signal or exit code, what it was doing, the traceback, the last lines of the run
    that died, the restarts so far, what happens next.

    \b
    Examples:
      shoonyactl why risk_manager
      shoonyactl why dashboard --json | jq -r .cause
    """
    (name,) = check_services((service,))
    found = explain(ctl.settings, name)
    if as_json:
        print_json(found)
    else:
        click.echo(tell(found), nl=False)
