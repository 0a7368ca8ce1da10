"""What the Shoonya broker needs to know of an account; secrets are asked for late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

#: "quickauth" logs in with password and TOTP (until March 2026, and other Noren
#: brokers); "oauth" with a token that the user fetches with a browser each day.
Generation = Literal["quickauth", "oauth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShoonyaAccount:
    """An account, where it is reached, and how often it may be asked."""

    generation: Generation
    user_id: str
    vendor_code: str  #: also the client id of OAuth
    imei: str
    api_url: str
    websocket_url: str
    login_url: str
    scrip_url: str
    #: Session, rate limits and scrip master, shared by the account's processes.
    folder: Path
    timeout_seconds: float
    orders_per_second: int
    requests_per_minute: int
    #: Returns a secret by its name, None if there is none; read anew at each call.
    secret: Callable[[str], str | None] = field(repr=False)
