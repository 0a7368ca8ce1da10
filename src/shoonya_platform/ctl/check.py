"""shoonyactl check"""

from __future__ import annotations

from typing import Any

import click

from shoonya_platform.ctl._probing import (
    Facts,
    Limits,
    Result,
    figures,
    findings,
    line,
    look_for_waiting,
    result_of,
    summary,
)
from shoonya_platform.ctl.context import Ctl
from shoonya_platform.ctl.output import json_option, print_json
from shoonya_platform.errors import NotRunning, ShoonyaError
from shoonya_platform.services.units import Supervisor, read_services

_Seconds = click.FloatRange(min=0, min_open=True)


class _Probe(click.Command):
    """A wrong option is no verdict over the services: it is UNKNOWN, not 2."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as e:
            click.echo(line(Result.UNKNOWN, e.format_message()))
            raise click.exceptions.Exit(Result.UNKNOWN) from e


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

    CRITICAL: a service is stopped or failed, or something has waited for too long.
    WARNING: a service is on its way, trading is not ACTIVE, entries wait for the
    first reconciliation, or something has waited for long.  What waits are alerts
    without orders, orders before the broker, and requests without its answer.

    Exit codes are a plugin's: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    \b
    Examples:
      shoonyactl check
      shoonyactl check --warn-age 10 --crit-age 60
      shoonyactl check --json | jq -r .result
    """
    limits = Limits(warn_age=warn_age, crit_age=crit_age)
    try:
        facts = _facts(ctl)
    except ShoonyaError as e:
        _end(Result.UNKNOWN, e.sentence, as_json=as_json)
    except Exception as e:  # noqa: BLE001 - a probe that falls is itself an alarm, for the wrong cause
        _end(Result.UNKNOWN, f"{type(e).__name__}: {e}", as_json=as_json)
    else:
        found = findings(facts, limits)
        texts = [finding.text for finding in found]
        _end(
            result_of(found),
            "; ".join([*texts, summary(facts)]),
            figures(facts, limits),
            as_json=as_json,
            facts=facts,
            problems=texts,
        )


def _facts(ctl: Ctl) -> Facts:
    settings = ctl.settings
    try:
        store = ctl.store
        beats = store.services.all()
        waiting = look_for_waiting(store, ctl.clock.now())
        trading = store.trading.status().state
        awaits = settings.recovery.entries_wait and store.recovery.is_awaited()
        trouble = ""
    except (ShoonyaError, OSError) as e:
        beats, waiting, trading, awaits = [], None, None, False
        trouble = e.sentence if isinstance(e, ShoonyaError) else str(e)
    services = read_services(
        settings.paths.runtime_dir,
        beats=beats,
        heartbeat_seconds=settings.service.heartbeat_seconds,
        clock=ctl.clock,
    )
    if all(view.supervisor is Supervisor.NONE for view in services):
        raise NotRunning(trouble or "nobody tells how the services are")
    return Facts(
        services=services,
        waiting=waiting,
        trading=trading,
        awaits_reconciliation=awaits,
        trouble=trouble,
    )


def _end(
    result: Result,
    text: str,
    numbers: str = "",
    *,
    as_json: bool,
    facts: Facts | None = None,
    problems: list[str] | None = None,
) -> None:
    if as_json:
        waiting = None if facts is None else facts.waiting
        print_json(
            {
                "result": result.name,
                "problems": [text] if problems is None else problems,
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
