"""What can be done here: let orders out or not, close everything, acknowledge."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from shoonya_platform.dashboard import queries
from shoonya_platform.dashboard.forms import check_session, read_form
from shoonya_platform.dashboard.login import client_of
from shoonya_platform.dashboard.rendering import Renderer
from shoonya_platform.dashboard.sessions import USER
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.errors import NotFound
from shoonya_platform.logging import get_component_logger
from shoonya_platform.store.flatten import CONCERNED

MAX_REASON_LENGTH = 200

_ACKNOWLEDGE = "/discrepancies/{number}/acknowledge"

_STATES = {
    "halt": TradingState.HALTED,
    "reduce": TradingState.REDUCING,
    "resume": TradingState.ACTIVE,
}


class Actions:
    """
    Asks, and then does it.

    Args:
        ring: Rings the named services' doorbells.
    """

    def __init__(
        self, sources: Sources, render: Renderer, ring: Callable[..., None]
    ) -> None:
        self._sources = sources
        self._render = render
        self._ring = ring
        self._logger = get_component_logger("dashboard")

    def routes(self) -> list[Route]:
        return [
            Route("/trading/{deed}", self.ask, methods=["GET"]),
            Route("/trading/{deed}", self.act, methods=["POST"]),
            Route("/flatten", self.ask_flatten, methods=["GET"]),
            Route("/flatten", self.flatten, methods=["POST"]),
            Route(_ACKNOWLEDGE, self.ask_acknowledge, methods=["GET"]),
            Route(_ACKNOWLEDGE, self.acknowledge, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        check_session(request)
        deed, state = _deed(request)
        html = self._render.page(
            request,
            "confirm.html",
            deed=deed,
            state=state,
            trading=await self._sources.trading(),
            max_length=MAX_REASON_LENGTH,
        )
        return HTMLResponse(html)

    async def act(self, request: Request) -> Response:
        check_session(request)
        deed, state = _deed(request)
        form = await read_form(request)
        reason = " ".join(form.get("reason", "").split())[:MAX_REASON_LENGTH]
        reason = reason or f"{deed} on the dashboard"
        changed = await self._sources.set_trading(state, reason=reason, by=USER)
        if changed:
            self._ring("execution_guard", "command_service", "risk_manager")
        self._logger.log(
            logging.WARNING if changed else logging.INFO,
            "%s set trading to %s%s: %s",
            USER,
            state,
            "" if changed else ", as it was",
            reason,
            extra={
                "event": "trading_set",
                "user": USER,
                "client": client_of(request),
                "state": state,
                "changed": changed,
            },
        )
        return RedirectResponse("/", status_code=303)

    async def ask_flatten(self, request: Request) -> Response:
        check_session(request)
        trading = await self._sources.trading()
        html = self._render.page(
            request,
            "flatten.html",
            positions=await self._sources.held(),
            broker=trading.broker,
        )
        return HTMLResponse(html)

    async def flatten(self, request: Request) -> Response:
        check_session(request)
        await read_form(request)
        done = await self._sources.flatten(by=USER)
        self._ring(*CONCERNED)
        self._logger.warning(
            "%s closes %d positions and cancels %d orders",
            USER,
            len(done.positions),
            len(done.canceled),
            extra={"event": "flatten", "user": USER, "client": client_of(request)},
        )
        return RedirectResponse("/", status_code=303)

    async def ask_acknowledge(self, request: Request) -> Response:
        check_session(request)
        number = queries.discrepancy_id(request.path_params["number"])
        found = await self._sources.discrepancy(number)
        return HTMLResponse(self._render.page(request, "acknowledge.html", found=found))

    async def acknowledge(self, request: Request) -> Response:
        check_session(request)
        number = queries.discrepancy_id(request.path_params["number"])
        found = await self._sources.discrepancy(number)
        await read_form(request)
        changed = await self._sources.acknowledge(number, by=USER)
        self._logger.log(
            logging.WARNING if changed else logging.INFO,
            "%s acknowledged discrepancy %d%s: %s",
            USER,
            number,
            "" if changed else ", as it was",
            found.text,
            extra={
                "event": "discrepancy_acknowledged",
                "user": USER,
                "client": client_of(request),
                "discrepancy_id": number,
                "changed": changed,
            },
        )
        return RedirectResponse("/", status_code=303)


def _deed(request: Request) -> tuple[str, TradingState]:
    deed = request.path_params["deed"]
    if deed not in _STATES:
        raise NotFound(f"there is no '{deed[:40]}', only {', '.join(_STATES)}")
    return deed, _STATES[deed]
