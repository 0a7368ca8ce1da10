"""Alerts that the webhook refused: never orders, and for the sender to see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedAlert:
    """What was sent, without secrets, and why it was not taken."""

    code: str
    reason: str
    hint: str  #: empty for none
    http_status: int
    client: str  #: the sender's address, or the proxy's
    #: As received, cut; None from a sender without the right secret, who could fill
    #: the disk with it.
    body: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefusal:
    """A refusal as the store has it."""

    refusal_id: int
    refused: RefusedAlert
    refused_at: datetime  #: the last time, if there were several
    times: int
