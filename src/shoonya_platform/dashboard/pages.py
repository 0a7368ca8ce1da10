"""The pages: which parts stand on which."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from shoonya_platform.config.settings import COMPONENTS
from shoonya_platform.dashboard import queries
from shoonya_platform.dashboard.fragments import PREFIX, Fragments
from shoonya_platform.dashboard.rendering import Asset, Renderer
from shoonya_platform.dashboard.results import OrderQuery
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.errors import NotFound
from shoonya_platform.logging.reading.records import LEVELS
from shoonya_platform.tracing.lanes import STYLE, swim_lanes

#: How many orders and alerts the first page shows.
ORDERS = 20
ALERTS = 5

#: The picture brings its style along; nothing else may be in it.
_LANES_POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; frame-ancestors 'none'"
)


class Pages:
    """The handlers of what a browser shows."""

    def __init__(
        self,
        sources: Sources,
        fragments: Fragments,
        render: Renderer,
        assets: dict[str, Asset],
    ) -> None:
        self._sources = sources
        self._fragments = fragments
        self._render = render
        self._assets = assets

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/orders", self.orders),
            Route("/orders/{order_id}.svg", self.lanes),
            Route("/orders/{order_id}", self.order),
            Route("/alerts", self.alerts),
            Route("/alerts/{alert_id}", self.alert),
            Route("/log", self.log),
            Route("/machine", self.machine),
            Route("/trace", self.trace),
            Route(PREFIX + "{rest:path}", self.fragment),
            Route("/static/{name}", self.static),
        ]

    async def home(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        names = ("trading", "conditions", "warning", "services", "positions", "denials")
        return await self._page(
            request,
            "home.html",
            {name: PREFIX + name for name in names}
            | {
                "orders": f"{PREFIX}orders?limit={ORDERS}",
                "alerts": f"{PREFIX}alerts?limit={ALERTS}",
            },
        )

    async def orders(self, request: Request) -> Response:
        asked = queries.order_query(request.query_params)
        return await self._page(
            request,
            "orders.html",
            {"orders": _address("orders", request)},
            asked=asked,
            words=queries.STATUS_WORDS,
            is_filtered=asked != OrderQuery(),
        )

    async def order(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        order_id = queries.order_id(request.path_params["order_id"])
        addresses = {
            "order": f"{PREFIX}orders/{order_id}",
            "lines": f"{PREFIX}lines/{order_id}",
        }
        return await self._page(request, "order.html", addresses, order_id=order_id)

    async def lanes(self, request: Request) -> Response:
        """The order's way as a picture."""
        queries.picture_query(request.query_params)
        order_id = queries.order_id(request.path_params["order_id"])
        found = await self._sources.trace(order_id)
        return Response(
            swim_lanes(found, title=found.title),
            media_type="image/svg+xml",
            headers={"Content-Security-Policy": _LANES_POLICY},
        )

    async def alerts(self, request: Request) -> Response:
        queries.limit_query(request.query_params)
        return await self._page(
            request,
            "alerts.html",
            {
                "alerts": _address("alerts", request),
                "refused": _address("refused", request),
            },
        )

    async def alert(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        alert_id = request.path_params["alert_id"]
        address = f"{PREFIX}alerts/{quote(alert_id, safe='')}"
        return await self._page(
            request, "alert.html", {"alert": address}, alert_id=alert_id
        )

    async def log(self, request: Request) -> Response:
        return await self._page(
            request,
            "log.html",
            {"log": _address("log", request)},
            asked=queries.log_query(request.query_params),
            components=sorted(COMPONENTS),
            levels=LEVELS,
        )

    async def machine(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        addresses = {name: PREFIX + name for name in ("findings", "disk")}
        return await self._page(request, "machine.html", addresses)

    async def trace(self, request: Request) -> Response:
        """Lead from any id to the page of what has it."""
        found = await self._sources.find(queries.id_query(request.query_params))
        kind = "orders" if isinstance(found, int) else "alerts"
        return RedirectResponse(f"/{kind}/{quote(str(found), safe='')}", 303)

    async def fragment(self, request: Request) -> Response:
        part = await self._fragments.get(_address(request.path_params["rest"], request))
        return HTMLResponse(part.html, status_code=200 if part.is_readable else 503)

    async def static(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            raise NotFound("no such file")
        return Response(
            asset.content,
            media_type=asset.media_type,
            # The URL names the content, so it holds for ever.
            headers={"Cache-Control": "max-age=31536000, immutable"},
        )

    async def _page(
        self,
        request: Request,
        template: str,
        addresses: dict[str, str],
        **values: object,
    ) -> Response:
        parts = {
            name: await self._fragments.get(address)
            for name, address in addresses.items()
        }
        html = self._render.page(
            request, template, parts=parts, addresses=addresses, **values
        )
        is_whole = all(part.is_readable for part in parts.values())
        return HTMLResponse(html, status_code=200 if is_whole else 503)


def _address(name: str, request: Request) -> str:
    query = request.url.query
    return f"{PREFIX}{name}" + (f"?{query}" if query else "")
