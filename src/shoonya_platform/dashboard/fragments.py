"""
The parts that pages are made of, each at an address of its own.

A page is put together from the same parts that are sent to it later, so it is whole
without its script.  A part that cannot be read says so in its place; the others go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from shoonya_platform.dashboard import queries
from shoonya_platform.dashboard.rendering import Renderer
from shoonya_platform.dashboard.results import ServiceRow
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.domain.orders import AlertId
from shoonya_platform.errors import NotFound, StoreError
from shoonya_platform.services.findings import Level
from shoonya_platform.tracing.trace import Kind

PREFIX = "/fragments/"

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

_Query = Mapping[str, str]
_Render = Callable[[_Query], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part as it is now."""

    html: str
    is_readable: bool


class Fragments:
    """
    Renders parts by their address.

    Args:
        can_act: Whether a user who sees a page may change something.

        can_log_in: Whether the broker has a login with a browser.
    """

    def __init__(
        self,
        sources: Sources,
        render: Renderer,
        *,
        can_act: bool,
        can_log_in: bool = False,
    ) -> None:
        self._sources = sources
        self._render = render
        self._can_act = can_act
        self._can_log_in = can_log_in
        self._parts: dict[str, _Render] = {
            "trading": self._trading,
            "services": self._services,
            "positions": self._positions,
            "denials": self._denials,
            "orders": self._orders,
            "alerts": self._alerts,
            "refused": self._refused,
            "log": self._log,
            "disk": self._disk,
            "findings": self._findings,
            "warning": self._warning,
            "conditions": self._conditions,
        }

    async def get(self, address: str) -> Fragment:
        """
        Render the part at an address such as `/fragments/orders?status=open`.

        Raises:
            NotFound: There is no such part, or nothing for it to show.
            BadRequest: Its query is not understood.
        """
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        name, _, rest = parts.path.removeprefix(PREFIX).partition("/")
        if name == "orders" and rest:
            return await self._order(rest, query)
        if name == "lines" and rest:
            return await self._lines(rest, query)
        if name == "alerts" and rest:
            return await self._alert(rest, query)
        if not parts.path.startswith(PREFIX) or name not in self._parts or rest:
            raise NotFound(f"no part '{parts.path[:60]}'")
        try:
            return Fragment(await self._parts[name](query), is_readable=True)
        except StoreError as e:
            html = self._render("parts/unreadable.html", part=name, error=e)
            return Fragment(html, is_readable=False)

    async def _order(self, text: str, query: _Query) -> Fragment:
        queries.no_query(query)
        story = await self._sources.order(queries.order_id(text))
        return Fragment(self._render("parts/order.html", story=story), is_readable=True)

    async def _lines(self, text: str, query: _Query) -> Fragment:
        queries.no_query(query)
        trace = await self._sources.trace(queries.order_id(text))
        steps = [step for step in trace.steps if step.kind in (Kind.LINE, Kind.SILENT)]
        html = self._render("parts/lines.html", steps=steps, notes=trace.notes)
        return Fragment(html, is_readable=True)

    async def _alert(self, text: str, query: _Query) -> Fragment:
        queries.no_query(query)
        story = await self._sources.alert(AlertId(text))
        return Fragment(self._render("parts/alert.html", story=story), is_readable=True)

    async def _trading(self, query: _Query) -> str:
        queries.no_query(query)
        return self._render(
            "parts/trading.html",
            trading=await self._sources.trading(),
            can_act=self._can_act,
            can_log_in=self._can_log_in,
        )

    async def _services(self, query: _Query) -> str:
        queries.no_query(query)
        rows = sorted(await self._sources.rows(), key=_place)
        return self._render("parts/services.html", rows=rows)

    async def _positions(self, query: _Query) -> str:
        queries.no_query(query)
        return self._render("parts/positions.html", book=await self._sources.book())

    async def _denials(self, query: _Query) -> str:
        queries.no_query(query)
        return self._render("parts/denials.html", orders=await self._sources.denials())

    async def _orders(self, query: _Query) -> str:
        asked = queries.order_query(query)
        page = await self._sources.orders(asked)
        return self._render("parts/orders.html", page=page, asked=asked)

    async def _alerts(self, query: _Query) -> str:
        alerts = await self._sources.alerts(limit=queries.limit_query(query))
        return self._render("parts/alerts.html", alerts=alerts)

    async def _refused(self, query: _Query) -> str:
        refused = await self._sources.refusals(limit=queries.limit_query(query))
        return self._render("parts/refused.html", refused=refused)

    async def _log(self, query: _Query) -> str:
        asked = queries.log_query(query)
        items = await self._sources.log(asked)
        return self._render("parts/log.html", items=items, asked=asked)

    async def _disk(self, query: _Query) -> str:
        queries.no_query(query)
        return self._render("parts/disk.html", use=await self._sources.disk())

    async def _findings(self, query: _Query) -> str:
        queries.no_query(query)
        checkup = await self._sources.checkup()
        return self._render("parts/findings.html", checkup=checkup, levels=Level)

    async def _warning(self, query: _Query) -> str:
        queries.no_query(query)
        checkup = await self._sources.checkup()
        errors = checkup.of(Level.ERROR) if checkup else []
        return self._render("parts/warning.html", checkup=checkup, errors=errors)

    async def _conditions(self, query: _Query) -> str:
        queries.no_query(query)
        try:
            found = await self._sources.conditions()
        except StoreError:
            # The other parts show that; a dead service may be the cause of it.
            found = await self._sources.services_down()
        return self._render(
            "parts/conditions.html", conditions=found, can_act=self._can_act
        )


def _place(row: ServiceRow) -> int:
    return _WAY.index(row.view.service)
