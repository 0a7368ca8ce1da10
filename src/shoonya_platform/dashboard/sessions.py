"""
Who is logged in: a signed cookie, and no table of sessions.

The key comes from the password's hash, so a restart logs nobody out and a new
password everybody.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer, TimestampSigner

from shoonya_platform.clock import Clock

COOKIE = "shoonya_session"
#: A trading day, from before the opening to after the close.
MAX_AGE_SECONDS = 12 * 3600

#: There is one operator, and a password.
USER = "operator"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has logged in."""

    name: str  #: a random word
    csrf_token: str  #: must come with everything that changes something


class Sessions:
    """
    Makes and checks sessions.

    Args:
        key: Whoever knows it can make sessions.
    """

    def __init__(self, key: str, clock: Clock) -> None:
        self._signer = _Signer(key, clock)
        self._csrf_signer = Signer(key, salt="shoonya.dashboard.csrf")
        #: Logged out, and their cookie not yet too old by itself.
        self._ended: dict[str, float] = {}
        self._clock = clock

    def begin(self) -> str:
        """Return the cookie's value for a new session."""
        return self._signer.sign(secrets.token_urlsafe(16)).decode()

    def find(self, cookie: str) -> Session | None:
        """Return the session a cookie stands for; None if it is forged or old."""
        try:
            name = self._signer.unsign(cookie, max_age=MAX_AGE_SECONDS).decode()
        except (BadSignature, UnicodeDecodeError):
            return None
        if name in self._ended:
            return None
        return Session(name, self._csrf_signer.get_signature(name).decode())

    def end(self, session: Session) -> None:
        now = self._clock.monotonic()
        self._ended = {n: at for n, at in self._ended.items() if at > now}
        self._ended[session.name] = now + MAX_AGE_SECONDS


def is_token(session: Session, token: str) -> bool:
    """Say whether *token* was given to this session's pages."""
    return hmac.compare_digest(session.csrf_token.encode(), token.encode())


class _Signer(TimestampSigner):
    def __init__(self, key: str, clock: Clock) -> None:
        super().__init__(
            key, salt="shoonya.dashboard.session", digest_method=hashlib.sha256
        )
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock.now().timestamp())
