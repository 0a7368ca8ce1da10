"""All checks, and what they find together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shoonya_platform.ctl.checks import (
    broker,
    clock,
    disk,
    instruments,
    journal,
    ports,
    privacy,
    program,
    store,
    units,
)
from shoonya_platform.ctl.checks.world import Unseen, Verdict, World
from shoonya_platform.services import runbook
from shoonya_platform.services.findings import Finding, Level

Check = Callable[[World], Verdict]

#: Apply wherever the services run.
ANYWHERE: dict[str, Check] = {
    "webhook_port": ports.webhook,
    "dashboard_port": ports.dashboard,
    "store_integrity": store.integrity,
    "store_schema": store.schema,
    "disk_space": disk.space,
    "log_budget": disk.log_budget,
    "credentials": privacy.credentials,
    "config_file": privacy.config,
    "time_zone": clock.zone,
    "python_version": program.python_version,
    "instruments": instruments.lists,
    "services": units.failed,
    "broker_session": broker.session,
    "other_accounts": broker.other_accounts,
}
#: Where systemd is PID 1.
SYSTEMD: dict[str, Check] = {
    "clock": clock.synchronized,
    "journal_storage": journal.storage,
    "journal_size": journal.size,
    "journal_access": journal.access,
    "systemd_version": units.systemd_version,
}
#: Where our units run the services.
UNITS: dict[str, Check] = {
    "program": program.readable,
    "units": units.differ,
    "obsolete_units": units.obsolete,
    "units_reloaded": units.reloaded,
    "started_at_boot": units.enabled,
    "limits": units.limits,
    "private_files": privacy.orders,
    "journal_dropped": journal.dropped,
}


def diagnose(world: World) -> Iterator[Finding]:
    """
    Yield what each check that applies here has found.

    Causes come before what follows from them: whoever mends from top to bottom does
    not start a service before it can run.
    """
    wanted = {
        **(UNITS if world.with_units else {}),
        **(SYSTEMD if world.has_systemd else {}),
        **ANYWHERE,
    }
    yield from (_found(name, check, world) for name, check in wanted.items())


def _found(name: str, check: Check, world: World) -> Finding:
    try:
        level, sentence, command = check(world)
    except (Unseen, PermissionError) as e:
        where = e.filename if isinstance(e, PermissionError) else e
        return Finding(
            check=name,
            level=Level.NOTE,
            sentence=f"not seen: {where}",
            command="" if world.is_root else "sudo shoonyactl doctor",
        )
    return Finding(
        check=name,
        level=level,
        sentence=sentence,
        command=command,
        runbook="" if level is Level.OK else runbook.of_check(name),
    )
