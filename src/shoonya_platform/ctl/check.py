"""shoonyactl check"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

import click

from shoonya_platform.assessment.assess import assess, services_down
from shoonya_platform.assessment.conditions import Rules, ordered
from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.assessment.waiting import look_for_waiting
from shoonya_platform.ctl._conditions import condition_document
from shoonya_platform.ctl._probing import Facts, Result, figures, line, text_of
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json
from shoonya_platform.errors import NotRunning, ShoonyaError
from shoonya_platform.services.units import Supervisor, read_services

_Seconds = click.FloatRange(min=0, min_open=True)


class _Probe(click.Command):
    """A wrong option is no verdict over the services: it is UNKNOWN, not 2."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        as_json = any("--json" in given for given in args if isinstance(given, list))
        try:
            ctx = super().make_context(*args, **extra)
            if ctx.params["warn_age"] > ctx.params["crit_age"]:
                raise click.UsageError("--warn-age must not be above --crit-age")
        except click.UsageError as e:
            _end(Result.UNKNOWN, e.format_message(), as_json=as_json)
        return ctx


@click.command(cls=_Probe)
@click.option(
    "--warn-age",
    type=_Seconds,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="WARNING from the time on that something has waited so long.",
)
@click.option(
    "--crit-age",
    type=_Seconds,
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="CRITICAL from then on.",
)
@json_option
@click.pass_obj
def cli(ctl: Ctl, warn_age: float, crit_age: float, as_json: bool) -> None:
    """Say in one line whether all is well, for Nagios and its kin.

    CRITICAL: a service is stopped, failed or silent, the broker's books cannot be
    read, they differ from ours, or something has waited for too long.
    WARNING: a service is on its way, trading is not ACTIVE, entries wait for the
    first reconciliation, the broker is slow, something has waited for long, or an
    incident is over and not acknowledged.  `shoonyactl status` shows the same list
    with what to do.

    Exit codes are a plugin's: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    \b
    Examples:
      shoonyactl check
      shoonyactl check --warn-age 10 --crit-age 60
      shoonyactl check --json | jq -r .result
      shoonyactl check --json | jq -r '.conditions[].action'
    """
    try:
        rules = replace(
            configured_rules(ctl.settings),
            warn_seconds=warn_age,
            crit_seconds=crit_age,
        )
        facts = _facts(ctl, rules)
    except ShoonyaError as e:
        _end(Result.UNKNOWN, e.sentence, as_json=as_json)
    except Exception as e:  # noqa: BLE001 - a probe that falls is itself an alarm, for the wrong cause
        _end(Result.UNKNOWN, f"{type(e).__name__}: {e}", as_json=as_json)
    else:
        _end(
            facts.result,
            text_of(facts),
            figures(facts, rules),
            as_json=as_json,
            facts=facts,
        )


def _facts(ctl: Ctl, rules: Rules) -> Facts:
    settings = ctl.settings
    beats, trouble = [], ""
    try:
        beats = ctl.store.services.all()
    except (ShoonyaError, OSError) as e:
        trouble = _sentence(e)
    services = read_services(
        settings.paths.runtime_dir,
        beats=beats,
        heartbeat_seconds=settings.service.heartbeat_seconds,
        clock=ctl.clock,
    )
    if all(view.supervisor is Supervisor.NONE for view in services):
        raise NotRunning(trouble or "nothing reports how the services are")
    now = ctl.clock.now()
    if not trouble:
        try:
            return Facts(
                services=services,
                conditions=assess(ctl.store, now, services=services, rules=rules),
                waiting=look_for_waiting(ctl.store, now),
                trading=ctl.store.trading.status().state,
            )
        except (ShoonyaError, OSError) as e:
            trouble = _sentence(e)
    return Facts(
        services=services,
        conditions=ordered(list(services_down(services))),
        waiting=None,
        trading=None,
        trouble=trouble,
    )


def _sentence(error: ShoonyaError | OSError) -> str:
    return error.sentence if isinstance(error, ShoonyaError) else str(error)


def _end(
    result: Result,
    text: str,
    numbers: str = "",
    *,
    as_json: bool,
    facts: Facts | None = None,
) -> NoReturn:
    if as_json:
        waiting = None if facts is None else facts.waiting
        print_json(
            {
                "result": result.name,
                "problems": [text] if facts is None else facts.problems,
                "conditions": []
                if facts is None
                else [condition_document(each) for each in facts.conditions],
                "services": {}
                if facts is None
                else {view.service: view.state for view in facts.services},
                "trading": None if facts is None else facts.trading,
                "waiting": None if waiting is None else waiting.number,
                "oldest_seconds": None if waiting is None else waiting.oldest_seconds,
            }
        )
    else:
        click.echo(line(result, text, numbers))
    raise click.exceptions.Exit(result)
