"""Whether there is a session at the broker while the market is open."""

from __future__ import annotations

from datetime import datetime

from shoonya_platform.assessment.session import ACTION, SessionVerdict, judge_session
from shoonya_platform.config.settings import Settings
from shoonya_platform.ctl.checks.world import Verdict, World, ok
from shoonya_platform.domain.instruments import Exchange
from shoonya_platform.services.findings import Level
from shoonya_platform.services.parts import calendar
from shoonya_platform.services.session_file import find_session


def judge(settings: Settings, now: datetime) -> SessionVerdict:
    """
    Judge the session by its file, without a request.

    Raises:
        PermissionError: This user must not read it.
    """
    is_open = True
    if settings.guard.market_hours == "exchange":
        hours = calendar(settings)
        is_open = any(hours.is_open(each, now) for each in Exchange)
    return judge_session(find_session(settings), now, is_open=is_open)


def session(world: World) -> Verdict:
    """Without a session neither an entry nor an exit reaches the broker."""
    settings = world.settings
    if settings.broker.name != "shoonya":
        return ok("the paper broker needs no session")
    found = judge(settings, world.now)
    if found.is_alive:
        return ok(found.text)
    return Level.ERROR if found.is_error else Level.NOTE, found.text, f"sudo {ACTION}"
