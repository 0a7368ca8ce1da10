"""Who may in: both generations' log-ins, and the one session there is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shoonya_platform.clock import Clock

Generation = Literal["quickauth", "oauth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a user of the simulator logs in with; all of it invented."""

    user_id: str = "SIM0001"
    password: str = "simulated-password"  # noqa: S105 invented, and printed
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DP"  # noqa: S105
    api_secret: str = "simulated-api-secret"  # noqa: S105

    @property
    def client_id(self) -> str:
        return f"{self.user_id}_U"


class Access:
    """
    Sessions, tokens and log-ins.

    A new log-in ends the session before it.
    """

    def __init__(self, credentials: Credentials, clock: Clock, seed: int) -> None:
        self.credentials = credentials
        self.logins = 0
        self.password_hash = sha256(credentials.password)
        #: When the session will end by itself; None is never.
        self.ends_at: datetime | None = None
        self._clock = clock
        # Tokens need to be repeatable here, not secret.
        self._random = random.Random(seed)  # noqa: S311
        self._token: str | None = None
        self._codes: set[str] = set()

    def quick_auth(self, asked: Mapping[str, str]) -> str:
        """
        Return a session token.

        Raises:
            ValueError: With the emsg of the refusal.
        """
        own = self.credentials
        if asked.get("uid") != own.user_id:
            raise ValueError("Invalid Input : Wrong user id or password")
        if asked.get("pwd") != self.password_hash:
            raise ValueError("Invalid Input : Wrong Password")
        if asked.get("vc") != own.client_id:
            raise ValueError("Invalid Input :  Invalid Vendor code")
        if asked.get("appkey") != sha256(f"{own.user_id}|{own.api_secret}"):
            raise ValueError("Invalid Input : Invalid App Key")
        now = self._clock.now().timestamp()
        codes = [totp(own.totp_secret, now + drift) for drift in (-30, 0, 30)]
        if asked.get("factor2") not in codes:
            raise ValueError("Invalid Input : Invalid OTP")
        return self._begin()

    def authorize(self) -> str:
        """Return a code, as the browser gets it once the user has logged in."""
        code = f"{self._random.getrandbits(128):032x}"
        self._codes.add(code)
        return code

    def exchange(self, asked: Mapping[str, str]) -> str:
        """
        Return an access token for a code, once.

        Raises:
            ValueError: With the emsg of the refusal.
        """
        code = asked.get("code", "")
        own = self.credentials
        if asked.get("checksum") != sha256(f"{own.client_id}{own.api_secret}{code}"):
            raise ValueError("Invalid Input : Invalid checksum")
        if code not in self._codes:
            raise ValueError("Invalid Input : Invalid code")
        self._codes.remove(code)
        return self._begin()

    def is_valid(self, token: str | None) -> bool:
        self.end_if_due()
        return token is not None and token == self._token

    def end_if_due(self) -> bool:
        """End the session if its moment has come; return whether it did."""
        if self.ends_at is None or self._clock.now() < self.ends_at:
            return False
        self.ends_at = None
        self.expire()
        return True

    def expire(self) -> None:
        self._token = None

    def _begin(self) -> str:
        self.logins += 1
        self._token = f"{self._random.getrandbits(256):064x}"
        return self._token


def totp(secret: str, seconds: float) -> str:
    """Return the six digits of RFC 6238 at a moment."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    digest = hmac.digest(key, struct.pack(">Q", int(seconds) // 30), "sha1")
    offset = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
