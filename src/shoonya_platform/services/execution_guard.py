"""execution_guard: the last look before the broker."""

from __future__ import annotations

import sys
from datetime import time

from shoonya_platform.execution.exchange_rules import GuardRules
from shoonya_platform.execution.execution_guard import ExecutionGuard
from shoonya_platform.services.parts import calendar, catalogue
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> ExecutionGuard:
    guard = parts.settings.guard
    keeps_hours = guard.market_hours == "exchange"
    rules = GuardRules(
        calendar=calendar(parts.settings) if keeps_hours else None,
        max_alert_age_seconds=guard.max_alert_age_seconds,
        protects_market_orders=guard.market_orders == "protect",
        max_price_deviation=guard.max_price_deviation,
        mis_square_off=(
            time.fromisoformat(guard.mis_square_off) if keeps_hours else None
        ),
        awaits_reconciliation=parts.settings.recovery.entries_wait,
        allows_conflicts=guard.allow_conflicts,
        needs_band=guard.without_price_band == "deny",
        splits=guard.freeze == "split",
    )
    return ExecutionGuard(
        parts.store, catalogue(parts.settings), rules, parts.clock, parts.ring
    )


def main() -> int:
    return run_worker("execution_guard", build)


if __name__ == "__main__":
    sys.exit(main())
