"""
The broker's login as the dashboard uses it: each code in a process of its own.

In the unit's sandbox the dashboard reaches this machine only; docs/noren.md has the
drop-in that lets it reach the broker, and gives it the secret code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime

from shoonya_platform.clock import Clock
from shoonya_platform.config.loader import Config
from shoonya_platform.dashboard.broker_login import BrokerAccess, LoginResult
from shoonya_platform.errors import BrokerRejected, ConfigError, ShoonyaError
from shoonya_platform.services.broker_login import (
    check_can_log_in,
    login_address,
    read_code,
    session_verdict,
)

#: The broker's own time-out and the start of the process fit into it.
SECONDS = 30.0

_SANDBOX_HINT = (
    "under systemd the dashboard needs the drop-in of docs/noren.md, "
    "or use: sudo shoonyactl broker login"
)


def broker_access(config: Config, clock: Clock) -> BrokerAccess | None:
    """Return how to log in at the configured broker; None if it needs no browser."""
    settings = config.settings
    if settings.broker.name != "shoonya" or settings.shoonya.generation != "oauth":
        return None

    def log_in(line: str) -> LoginResult:
        try:
            code = read_code(line)
            check_can_log_in(config)
        except ConfigError as e:
            return LoginResult(problem=e.message, hint=_SANDBOX_HINT)
        except ShoonyaError as e:
            return LoginResult(problem=e.message, hint=e.hint or "")
        return _run(config, code)

    return BrokerAccess(
        user_id=settings.shoonya.user_id,
        address=login_address(config),
        verdict=lambda: session_verdict(settings, clock.now()),
        log_in=log_in,
    )


def _run(config: Config, code: str) -> LoginResult:
    environ = dict(os.environ)
    if config.path is not None:
        environ["SHOONYA_CONFIG"] = str(config.path)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "shoonya_platform.services.broker_login"],
            input=code + "\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            check=False,
            env=environ,
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return LoginResult(
            problem=f"the broker did not answer within {SECONDS:.0f} s",
            hint=_SANDBOX_HINT,
        )
    except (OSError, ValueError):
        return LoginResult(
            problem="the login could not be run", hint="sudo shoonyactl broker login"
        )
    if problem := said.get("problem"):
        # A code that the broker itself refused has nothing to do with the sandbox.
        refused = done.returncode == BrokerRejected.exit_code
        hint = said.get("hint") or ("" if refused else _SANDBOX_HINT)
        return LoginResult(problem=problem, hint=hint)
    ends_at = said.get("ends_at")
    return LoginResult(ends_at=datetime.fromisoformat(ends_at) if ends_at else None)
