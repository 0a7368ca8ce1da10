"""The JSON API: what the page shows, for programs.  `documents` names the keys."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.dashboard import documents, openapi, queries
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.errors import NotFound, StoreError
from shoonya_platform.services.child import ServiceStatus

#: What a load balancer or a probe may ask for, below `/ready`.
GROUPS = {
    "all": COMPONENTS,
    "webhook": ("execution_service",),
    "orders": (
        "trading_bot",
        "risk_manager",
        "execution_guard",
        "command_service",
        "order_watcher",
    ),
    "recovery": ("recovery_service",),
}


class Api:
    """The handlers below `/api/`, and `/health` and `/ready`."""

    def __init__(self, sources: Sources, run_id: str) -> None:
        self._sources = sources
        self._run_id = run_id
        self._document = msgspec.json.encode(openapi.document())

    def routes(self) -> list[Route]:
        return [
            Route("/openapi.json", self.openapi),
            Route("/health", self.health),
            Route("/ready", self.ready),
            Route("/ready/{group}", self.ready),
            Route("/api/services", self.services),
            Route("/api/trading", self.trading),
            Route("/api/conditions", self.conditions),
            Route("/api/discrepancies", self.discrepancies),
            Route("/api/positions", self.positions),
            Route("/api/orders", self.orders),
            Route("/api/orders/{order_id}", self.order),
            Route("/api/alerts", self.alerts),
            Route("/api/refused", self.refused),
        ]

    async def openapi(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        return Response(self._document, media_type="application/json")

    async def health(self, request: Request) -> Response:
        """200 if the dashboard can read the store, else 503."""
        queries.no_query(request.query_params)
        answer = documents.HealthDocument(
            ok=True, service="dashboard", run_id=self._run_id
        )
        try:
            await self._sources.trading()
        except StoreError as e:
            answer = msgspec.structs.replace(
                answer, ok=False, code="STORE_UNAVAILABLE", reason=e.sentence
            )
        return _json(answer, status=200 if answer.ok else 503)

    async def ready(self, request: Request) -> Response:
        """200 if all services of the group are running, else 503 and those that not."""
        queries.no_query(request.query_params)
        group = request.path_params.get("group", "all")
        if group not in GROUPS:
            raise NotFound(f"no group '{group[:40]}', only {', '.join(GROUPS)}")
        not_ready: dict[str, str] = {
            view.service: view.state
            for view in await self._sources.services()
            if view.service in GROUPS[group] and view.state is not ServiceStatus.RUNNING
        }
        answer = documents.ReadyDocument(
            ready=not not_ready, group=group, not_ready=not_ready
        )
        return _json(answer, status=503 if not_ready else 200)

    async def services(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        rows = await self._sources.rows()
        services = [documents.of_service(row) for row in rows]
        return _json(documents.ServicesDocument(services=services))

    async def trading(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        return _json(documents.of_trading(await self._sources.trading()))

    async def conditions(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        return _json(documents.of_conditions(await self._sources.conditions()))

    async def discrepancies(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        return _json(documents.of_discrepancies(await self._sources.discrepancies()))

    async def positions(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        return _json(documents.of_book(await self._sources.book()))

    async def orders(self, request: Request) -> Response:
        asked = queries.order_query(request.query_params)
        page = await self._sources.orders(asked)
        return _json(documents.of_order_page(page))

    async def order(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        order_id = queries.order_id(request.path_params["order_id"])
        return _json(documents.of_story(await self._sources.order(order_id)))

    async def alerts(self, request: Request) -> Response:
        limit = queries.limit_query(request.query_params)
        alerts = await self._sources.alerts(limit=limit)
        told = [documents.of_alert(alert) for alert in alerts]
        return _json(documents.AlertsDocument(alerts=told))

    async def refused(self, request: Request) -> Response:
        limit = queries.limit_query(request.query_params)
        refused = await self._sources.refusals(limit=limit)
        return _json(
            documents.RefusedAlertsDocument(
                refused=[documents.of_refusal(each) for each in refused]
            )
        )


def _json(document: msgspec.Struct, *, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(document),
        status_code=status,
        media_type="application/json",
    )
