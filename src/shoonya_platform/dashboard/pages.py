"""
The pages, and the fragments that keep them fresh.

A page is put together from the same parts that its script fetches, so it is whole
without the script.  A part that cannot be read says so in its place; the others go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from shoonya_platform.dashboard import queries
from shoonya_platform.dashboard.rendering import Asset, Renderer
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.errors import NotFound, StoreError
from shoonya_platform.services.units import ServiceView

#: How many orders and alerts the first page shows.
ORDERS = 50
ALERTS = 20

#: The way of an order, not the order of starting.
_WAY = (
    "execution_service",
    "trading_bot",
    "risk_manager",
    "execution_guard",
    "command_service",
    "order_watcher",
    "recovery_service",
    "dashboard",
)


class Pages:
    """The handlers of what a browser shows."""

    def __init__(
        self, sources: Sources, render: Renderer, assets: dict[str, Asset]
    ) -> None:
        self._sources = sources
        self._render = render
        self._assets = assets
        self._parts: dict[str, Callable[[], Awaitable[str]]] = {
            "trading": self._trading,
            "services": self._services,
            "positions": self._positions,
            "orders": self._orders,
            "alerts": self._alerts,
        }

    def routes(self) -> list[Route]:
        return [
            Route("/", self.home),
            Route("/orders/{order_id}", self.order),
            Route("/fragments/orders/{order_id}", self.order_fragment),
            Route("/fragments/{part}", self.fragment),
            Route("/static/{name}", self.static),
        ]

    async def home(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        parts = {name: await self._part(name) for name in self._parts}
        html = self._render(
            "home.html", parts={n: text for n, (text, _) in parts.items()}
        )
        is_whole = all(ok for _, ok in parts.values())
        return HTMLResponse(html, status_code=200 if is_whole else 503)

    async def fragment(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        name = request.path_params["part"]
        if name not in self._parts:
            raise NotFound(f"no part '{name[:40]}'")
        html, ok = await self._part(name)
        return HTMLResponse(html, status_code=200 if ok else 503)

    async def order(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        order_id = queries.order_id(request.path_params["order_id"])
        story = await self._sources.order(order_id)
        return HTMLResponse(self._render("order.html", story=story))

    async def order_fragment(self, request: Request) -> Response:
        queries.no_query(request.query_params)
        order_id = queries.order_id(request.path_params["order_id"])
        story = await self._sources.order(order_id)
        return HTMLResponse(self._render("parts/order.html", story=story))

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

    async def _part(self, name: str) -> tuple[str, bool]:
        """Return the part's HTML, and whether it could be read."""
        try:
            return await self._parts[name](), True
        except StoreError as e:
            return self._render("parts/unreadable.html", part=name, error=e), False

    async def _trading(self) -> str:
        return self._render("parts/trading.html", trading=await self._sources.trading())

    async def _services(self) -> str:
        views = sorted(await self._sources.services(), key=_place)
        return self._render("parts/services.html", views=views)

    async def _positions(self) -> str:
        return self._render("parts/positions.html", book=await self._sources.book())

    async def _orders(self) -> str:
        page = await self._sources.orders(limit=ORDERS)
        return self._render("parts/orders.html", page=page)

    async def _alerts(self) -> str:
        alerts = await self._sources.alerts(limit=ALERTS)
        return self._render("parts/alerts.html", alerts=alerts)


def _place(view: ServiceView) -> int:
    return _WAY.index(view.service)
