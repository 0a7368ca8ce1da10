"""
Whether the session at the broker will do: what doctor, check and dashboard say alike.

A session is needed while an exchange is open.  Outside of these hours its absence is
normal, as exchange rules end every session before the trading day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shoonya_platform.domain.days import trading_day
from shoonya_platform.services.session_file import KnownSession

ACTION = "shoonyactl broker login"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionVerdict:
    """What a session file is worth."""

    is_alive: bool  #: as far as can be seen without asking the broker
    is_needed: bool  #: an exchange is open
    text: str  #: one sentence

    @property
    def is_error(self) -> bool:
        return self.is_needed and not self.is_alive


def judge_session(
    session: KnownSession | None, now: datetime, *, is_open: bool
) -> SessionVerdict:
    """
    Return whether orders can reach the broker by this session.

    Args:
        session: What `find_session` found.

        is_open: Whether an exchange is open now.
    """
    problem = _problem(session, now)
    if problem and is_open:
        problem += ", and the market is open: no order and no exit goes out"
    return SessionVerdict(
        is_alive=not problem,
        is_needed=is_open,
        text=problem or "logged in at the broker today",
    )


def _problem(session: KnownSession | None, now: datetime) -> str:
    if session is None:
        return "not logged in at the broker"
    if session.is_refused:
        return "the broker has refused the session"
    if session.ends_at is not None and session.ends_at <= now:
        return "the session at the broker has ended"
    if session.began_at is None or trading_day(session.began_at) != trading_day(now):
        return "the session at the broker is of an earlier day"
    return ""
