"""dashboard: serves the web page and its JSON API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from shoonya_platform.assessment.configured import configured_rules
from shoonya_platform.dashboard.app import create_app
from shoonya_platform.dashboard.passwords import check_hash
from shoonya_platform.dashboard.security import is_this_machine
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.errors import ConfigError
from shoonya_platform.logging.reading.journal import is_readable
from shoonya_platform.logging.usage import disk_use
from shoonya_platform.services.broker_access import broker_access
from shoonya_platform.services.ending import end_process
from shoonya_platform.services.http import HttpService, Site
from shoonya_platform.services.runtime import Parts
from shoonya_platform.services.units import ServiceReader

#: What the unit hands over in place of a hash that nobody made.
_NO_PASSWORD = "none"  # noqa: S105 - the absence of one


def build(parts: Parts, executor: ThreadPoolExecutor) -> Site:
    settings = parts.settings
    host, port = settings.dashboard.host, settings.dashboard.port
    units = ServiceReader(
        settings.paths.runtime_dir,
        heartbeat_seconds=settings.service.heartbeat_seconds,
        clock=parts.clock,
    )
    sources = Sources(
        parts.store,
        units.read,
        parts.clock,
        executor=executor,
        log_dir=settings.paths.log_dir,
        state_dir=settings.paths.state_dir,
        journal=is_readable,
        disk_use=partial(
            disk_use,
            settings.paths.log_dir,
            budget=settings.log_budget_bytes,
            max_bytes=settings.log_max_bytes,
            backup_count=settings.log.backup_count,
        ),
        broker=settings.broker.name,
        is_simulated=settings.shoonya.is_simulated,
        market_hours=settings.guard.market_hours,
        rules=configured_rules(settings),
    )
    dashboard = create_app(
        sources,
        parts.clock,
        host=host,
        names=settings.dashboard.names,
        run_id=parts.run_id,
        ring=parts.ring,
        password_hash=_password_hash(parts),
        broker_access=broker_access(parts.config, parts.clock),
    )
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    return Site(dashboard.app, host, port, lambda: f"serving {url}", dashboard.close)


def _password_hash(parts: Parts) -> str | None:
    found = parts.config.secrets.find("dashboard_password_hash")
    if found is not None and found.value != _NO_PASSWORD:
        check_hash(found.value)
        return found.value
    settings = parts.settings.dashboard
    for name in (settings.host, *settings.names):
        if not is_this_machine(name):
            raise ConfigError(
                f"the dashboard would show everything to whoever reaches '{name}'",
                hint="give it a password first: shoonyactl dashboard password",
            )
    return None


def main() -> int:
    return HttpService("dashboard", build).main()


if __name__ == "__main__":
    end_process(main())
