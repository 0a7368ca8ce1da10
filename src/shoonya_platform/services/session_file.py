"""
What the broker's session says of itself in its file, without a request: a leaf.

Only times and the fact that a token is there; the token itself is not returned.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shoonya_platform.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSession:
    """A session that was begun and not logged out of."""

    began_at: datetime | None
    ends_at: datetime | None  #: at the latest; None if the broker did not say
    is_refused: bool  #: the broker has refused its token since


def path_of(settings: Settings) -> Path:
    return settings.shoonya_dir / "session.json"


def find_session(settings: Settings) -> KnownSession | None:
    """
    Return the configured account's session; None if there is none.

    Raises:
        PermissionError: This user must not read the file.
    """
    try:
        record = json.loads(path_of(settings).read_text(encoding="utf-8"))
        token = record.get("token")
        user_id = record.get("user_id", "")
        logins = record.get("logins") or [None]
        began_at, ends_at = _moment(logins[-1]), _moment(record.get("ends_at"))
    except PermissionError:
        raise
    except (OSError, ValueError, AttributeError, TypeError, OverflowError):
        # Half written when the machine died: then the user has to log in again.
        return None
    if not isinstance(token, str) or user_id not in ("", settings.shoonya.user_id):
        return None
    digest = hashlib.sha256(token.encode(errors="replace")).hexdigest()
    return KnownSession(
        began_at=began_at,
        ends_at=ends_at,
        is_refused=record.get("dead_digest") == digest,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
