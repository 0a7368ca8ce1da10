"""execution_guard: the last look before the broker."""

from __future__ import annotations

import sys

from shoonya_platform.execution.execution_guard import ExecutionGuard, GuardRules
from shoonya_platform.services.parts import catalogue, market_calendar
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> ExecutionGuard:
    guard = parts.settings.guard
    rules = GuardRules(
        calendar=market_calendar() if guard.market_hours == "exchange" else None,
        max_alert_age_seconds=guard.max_alert_age_seconds,
    )
    return ExecutionGuard(
        parts.store, catalogue(parts.settings), rules, parts.clock, parts.ring
    )


def main() -> int:
    return run_worker("execution_guard", build)


if __name__ == "__main__":
    sys.exit(main())
