"""
The daily login with a browser: its address, the code it ends with, and the session.

`shoonyactl broker login` and the dashboard both use it.  The dashboard runs it as

    python -m shoonya_platform.services.broker_login

with the code on standard input, so that the broker's libraries (10 MB) are not in
memory for the rest of the day.  The result is one JSON document on standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from shoonya_platform.assessment.session import SessionVerdict, judge_session
from shoonya_platform.clock import Clock, SystemClock
from shoonya_platform.config.calendar import calendar
from shoonya_platform.config.loader import Config, load
from shoonya_platform.config.settings import Settings
from shoonya_platform.errors import NotAllowed, ShoonyaError
from shoonya_platform.services.parts import open_shoonya, shoonya_account
from shoonya_platform.services.session_file import find_session

TOKEN = "broker_access_token"  # noqa: S105 - the name of its file

#: An address with the code in it is shorter.
MAX_LINE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A session that was just begun."""

    user_id: str
    ends_at: datetime | None  #: at the latest; None if the broker did not say
    #: Why the token is not in the credentials' directory; the session works without.
    not_kept: str = ""


def login_address(config: Config) -> str:
    """Return the page where the user logs in with a browser."""
    account = shoonya_account(config)
    query = urlencode({"client_id": account.vendor_code})
    return f"{account.login_url}?{query}"


def session_verdict(settings: Settings, now: datetime) -> SessionVerdict:
    """
    Judge the session by its file, without a request.

    Raises:
        PermissionError: This user must not read it.
    """
    is_open = settings.guard.market_hours != "exchange" or calendar(
        settings
    ).is_any_open(now)
    return judge_session(find_session(settings), now, is_open=is_open)


def check_can_log_in(config: Config) -> None:
    """
    Raises:
        NotAllowed: The broker needs no login with a browser.
        ConfigError: The secret code is missing.
    """
    settings = config.settings
    if settings.broker.name != "shoonya":
        raise NotAllowed(
            f"the broker is '{settings.broker.name}', which needs no log-in"
        )
    if settings.shoonya.generation != "oauth":
        raise NotAllowed("the services log in by themselves with 'quickauth'")
    config.secrets.get("broker_api_secret")


def read_code(line: str) -> str:
    """
    Return the code out of what the user entered: the code, or the whole address.

    Raises:
        NotAllowed: There is none in it.
    """
    text = line.strip()[:MAX_LINE]
    if "code=" in text:
        query = urlsplit(text).query if "?" in text else text
        text = parse_qs(query).get("code", [""])[0]
    if not text or not text.isprintable() or any(each.isspace() for each in text):
        raise NotAllowed(
            "no code was entered",
            hint="it follows 'code=' in the address that the log-in leads to",
        )
    if "://" in text:
        raise NotAllowed(
            "this address has no code in it",
            hint="copy it after logging in: the code follows 'code='",
        )
    return text


def log_in_with_code(
    config: Config, clock: Clock, code: str, tell: Callable[[str], None]
) -> LoggedIn:
    """
    Begin the day's session; running services use it within seconds.

    Raises:
        ConfigError, NotAllowed: As `check_can_log_in`.
        BrokerRejected: The code or the secret code is wrong.
        BrokerUnavailable: There was no usable answer.
    """
    check_can_log_in(config)
    secret = config.secrets.get("broker_api_secret").value
    broker = open_shoonya(config, clock, tell)
    try:
        token, ends_at = broker.session.exchange(code, secret)
        not_kept = ""
        path = token_path(config)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            broker.session.keep(path, token)
        except OSError as e:
            # The services' own sandbox does not let them write there.
            not_kept = f"the token cannot be kept in '{path}': {e.strerror}"
    finally:
        broker.close()
    return LoggedIn(
        user_id=config.settings.shoonya.user_id, ends_at=ends_at, not_kept=not_kept
    )


def token_path(config: Config) -> Path:
    return config.settings.paths.credentials_dir / TOKEN


def main() -> int:
    """Log in with the code on standard input."""
    try:
        config = load()
        code = read_code(sys.stdin.readline(MAX_LINE + 1))
        done = log_in_with_code(config, SystemClock(), code, lambda _: None)
    except ShoonyaError as e:
        return _end(e)
    ends_at = None if done.ends_at is None else done.ends_at.isoformat()
    print(json.dumps({"user_id": done.user_id, "ends_at": ends_at}))  # noqa: T201
    return 0


def _end(error: ShoonyaError) -> int:
    document = {"problem": error.message, "hint": error.hint}
    print(json.dumps(document))  # noqa: T201 - what the dashboard reads
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
