"""recovery_service: finds out what happened where nobody knows."""

from __future__ import annotations

import sys

from shoonya_platform.execution.recovery import RecoveryRules, RecoveryService
from shoonya_platform.services.runtime import Parts, run_worker


def build(parts: Parts) -> RecoveryService:
    recovery = parts.settings.recovery
    rules = RecoveryRules(
        interval_seconds=recovery.interval_seconds,
        absent_reads=recovery.absent_reads,
        absent_seconds=recovery.absent_seconds,
    )
    return RecoveryService(parts.store, parts.broker(), rules, parts.clock, parts.ring)


def main() -> int:
    return run_worker("recovery_service", build)


if __name__ == "__main__":
    sys.exit(main())
