"""dashboard: serves the web page and its JSON API; reads everything, moves nothing."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from shoonya_platform.dashboard.app import create_app
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.services.http import HttpService, Site
from shoonya_platform.services.runtime import Parts
from shoonya_platform.services.units import ServiceReader


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
        broker=settings.broker.name,
        market_hours=settings.guard.market_hours,
        entries_wait=settings.recovery.entries_wait,
    )
    app = create_app(sources, parts.clock, host=host, run_id=parts.run_id)
    url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    return Site(app, host, port, lambda: f"serving {url}")


def main() -> int:
    return HttpService("dashboard", build).main()


if __name__ == "__main__":
    sys.exit(main())
